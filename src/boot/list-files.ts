import type { Snapshot } from '../core/snapshot.ts'

/** Paths directly in a directory whose name ends so, without dot files, in byte order (as a shell glob in LC_ALL=C). */
export function listFiles(snapshot: Snapshot, directory: string, suffix: string): readonly string[] {
  const prefix = `${directory}/`
  return [...snapshot.files.keys()]
    .filter((path) => path.startsWith(prefix) && path.endsWith(suffix))
    .filter((path) => {
      const name = path.slice(prefix.length)
      return name !== suffix && !name.includes('/') && !name.startsWith('.')
    })
    .filter((path) => snapshot.files.get(path)?.type !== 'absent')
    .toSorted(compareBytes)
}

export function compareBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
