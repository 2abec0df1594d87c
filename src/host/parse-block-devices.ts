import type { BlockDevice, HostHardware, ZfsPool } from '../core/host-hardware.ts'
import { findMembers, findTargets, type HardwareLinks } from './parse-hardware-links.ts'
import { grepLines, sectionLines, type ProbeOutput } from './probe-sections.ts'

type Attributes = ReadonlyMap<string, readonly string[]>

/** In byte order of their names. */
export function parseBlockDevices(output: ProbeOutput, links: HardwareLinks, attributes: Attributes): BlockDevice[] {
  const udev = parseUdev(output)
  const controllers = parseControllerSerials(attributes)
  return [...findMembers(links, 'block')].map(([name, path]) => {
    const read = (attribute: string): string | null =>
      attributes.get(`/sys/class/block/${name}/${attribute}`)?.[0] ?? null
    const number = read('dev')
    const seen = udev.get(number ?? '') ?? new Map<string, string>()
    const controller = /\/(nvme\d+)\/nvme\d+(?:c\d+)?n\d+(?:p\d+)?(?:\/|$)/.exec(path)?.[1]
    const [dmName, level] = [read('dm/name'), read('md/level')]
    return {
      name,
      path,
      number,
      parents: findTargets(links, `/class/block/${name}/slaves/`),
      partitionOf: read('partition') === null ? null : (path.split('/').at(-2) ?? null),
      dm: dmName === null ? null : { name: dmName, uuid: read('dm/uuid') ?? '' },
      md: level === null ? null : { level },
      // Sectors of 512 bytes, whatever the disk's are (Documentation/ABI/stable/sysfs-block).
      size: Number(/^\d{1,15}$/.exec(read('size') ?? '')?.[0] ?? 0) * 512,
      serial: controllers.get(controller ?? '') ?? read('serial') ?? seen.get('SERIAL_SHORT') ?? null,
      fsType: seen.get('FS_TYPE') ?? null,
      fsLabel: seen.get('FS_LABEL') ?? null,
      fsUuid: seen.get('FS_UUID') ?? null,
      partUuid: seen.get('PART_ENTRY_UUID') ?? null,
    }
  })
}

/** Controller (`nvme0`) → serial number; the kernel pads with blanks (nvme_sysfs_show_serial). */
function parseControllerSerials(attributes: Attributes): Map<string, string> {
  const serials = new Map<string, string>()
  for (const [path, [text = '']] of attributes) {
    const name = /^\/sys\/class\/nvme\/([^/]+)\/serial$/.exec(path)?.[1]
    if (name !== undefined && text.trim() !== '') serials.set(name, text.trim())
  }
  return serials
}

/** PCI function → serial number of the NVMe controller that it is. */
export function parseNvmeSerials(links: HardwareLinks, attributes: Attributes): Map<string, string> {
  const serials = parseControllerSerials(attributes)
  const found = new Map<string, string>()
  for (const [name, path] of findMembers(links, 'nvme')) {
    const address = /\/([0-9a-f:.]+)\/nvme\/nvme\d+$/.exec(path)?.[1]
    const serial = serials.get(name)
    if (address !== undefined && serial !== undefined) found.set(address, serial)
  }
  return found
}

/** `MAJOR:MINOR` → what udev's database says of it (`E:ID_FS_TYPE=ext4` of /run/udev/data/bMAJOR:MINOR). */
function parseUdev(output: ProbeOutput): Map<string, Map<string, string>> {
  const all = new Map<string, Map<string, string>>()
  for (const { match, text } of grepLines(output, 'hardware-lines', /^\.\/run\/udev\/data\/b(\d+:\d+)(?=:)/)) {
    const property = /^E:ID_([A-Z_]+)=(.*)$/.exec(text)
    const properties = all.get(match[1] ?? '') ?? new Map<string, string>()
    if (property) properties.set(property[1] ?? '', property[2] ?? '')
    all.set(match[1] ?? '', properties)
  }
  return all
}

/** Names in /proc/swaps, whose blanks are octal escapes. */
export function parseSwaps(attributes: Attributes): string[] {
  const [, ...lines] = attributes.get('/proc/swaps') ?? []
  return lines.map((line) => (line.split(/\s+/)[0] ?? '').replaceAll(String.raw`\040`, ' '))
}

export function parseBtrfs(links: HardwareLinks): HostHardware['btrfs'] {
  const members = new Map<string, string[]>()
  for (const name of links.keys()) {
    const match = /^\/fs\/btrfs\/([0-9a-f-]+)\/devices\/([^/]+)$/.exec(name)
    if (match) members.set(match[1] ?? '', [...(members.get(match[1] ?? '') ?? []), match[2] ?? ''])
  }
  return [...members].map(([uuid, names]) => ({ uuid, members: names }))
}

/**
 * Imported pools (/proc/spl/kstat/zfs) with their members: those that `zpool list -vHPL` names, or, without that tool,
 * what udev saw as a member of a pool of this name.
 */
export function parseZfs(output: ProbeOutput, blockDevices: readonly BlockDevice[]): HostHardware['zfs'] {
  const names = sectionLines(output, 'hardware').flatMap((line) => (line.startsWith('zfs\t') ? [line.slice(4)] : []))
  if (names.length === 0) return null
  const listed = parsePools(sectionLines(output, 'zpool'), names)
  const pools = names.map((name) => {
    const seen = blockDevices.filter(({ fsType, fsLabel }) => fsType === 'zfs_member' && fsLabel === name)
    return { name, members: listed.get(name) ?? seen.map((device) => device.name) }
  })
  return pools.every(({ members }) => members.length > 0) ? pools : 'unknown'
}

/** A pool's own line begins at the left, what it is made of is indented by tabs, devices are whole paths. */
function parsePools(lines: readonly string[], names: readonly string[]): Map<string, ZfsPool['members']> {
  const pools = new Map<string, string[]>()
  let members: string[] = []
  for (const line of lines) {
    const [name = ''] = line.split('\t')
    if (names.includes(name)) pools.set(name, (members = []))
    const device = /^\t+\/dev\/(\S+)/.exec(line)?.[1]
    if (device !== undefined) members.push(device)
  }
  return pools
}
