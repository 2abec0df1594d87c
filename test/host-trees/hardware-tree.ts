import type { TreeEntry } from '../../src/host/tree.ts'

/** Devices of sysfs classes, as a test states them. */
export type HardwarePart = {
  /** `block`, `net`, `drm`, `nvme`, … */
  readonly class: string
  readonly name: string
  /** Directory below /sys, the name last: `/devices/pci0000:00/…/block/sda`. */
  readonly path: string
  /** File below the directory → its text without the last line end. */
  readonly attributes?: Readonly<Record<string, string>>
  /** Link below the directory → the part of the same class that it leads to. */
  readonly links?: Readonly<Record<string, string>>
}

/** /sys/class and the directories behind it. */
export function hardwareTree(parts: readonly HardwarePart[]): TreeEntry[] {
  const places = new Map(parts.map((part) => [`${part.class}/${part.name}`, part.path]))
  return parts.flatMap((part) => [
    link(`/sys/class/${part.class}/${part.name}`, `../..${part.path}`),
    { type: 'directory', mode: 0o755, uid: 0, gid: 0, path: `/sys${part.path}` },
    ...Object.entries(part.attributes ?? {}).map(([name, text]): TreeEntry => {
      return { type: 'file', mode: 0o444, uid: 0, gid: 0, path: `/sys${part.path}/${name}`, content: `${text}\n` }
    }),
    ...Object.entries(part.links ?? {}).map(([name, to]) => {
      const depth = `${part.path}/${name}`.split('/').length - 2
      return link(
        `/sys${part.path}/${name}`,
        `${'../'.repeat(depth)}${(places.get(`${part.class}/${to}`) ?? '').slice(1)}`,
      )
    }),
  ])
}

function link(path: string, to: string): TreeEntry {
  return { type: 'link', uid: 0, gid: 0, path, to }
}

/** Regular files of /proc, /run and the like by their paths. */
export function textFiles(files: Readonly<Record<string, string>>): TreeEntry[] {
  return Object.entries(files).map(([path, content]) => ({ type: 'file', mode: 0o444, uid: 0, gid: 0, path, content }))
}
