import type { Bytes } from '../core/bytes.ts'
import { parseKernelCommandLine } from './kernel-arguments.ts'
import { foldModuleName, parseModprobe } from './modprobe-file.ts'
import type { ModprobeLine } from './modprobe-file.ts'

/** In order of precedence (kmod 34; modprobe.d(5)). */
export const modprobeDirectories = [
  '/etc/modprobe.d',
  '/run/modprobe.d',
  '/usr/local/lib/modprobe.d',
  '/usr/lib/modprobe.d',
  '/lib/modprobe.d',
] as const

/** A line that counts, with its file. */
export type ModprobeEntry = ModprobeLine & { readonly path: string }

/**
 * What kmod makes of all files together: only `*.conf` and no dot files; a name in an earlier directory masks the same
 * name in later ones, even when its file is empty; files in byte order of their names, whatever the directory.
 */
export function mergeModprobeDirectories(
  files: readonly { readonly path: string; readonly content: Bytes }[],
): readonly ModprobeEntry[] {
  const chosen = new Map<string, { path: string; content: Bytes }>()
  for (const directory of modprobeDirectories) {
    for (const file of files) {
      const name = file.path.slice(directory.length + 1)
      const isHere = file.path.startsWith(`${directory}/`) && !name.includes('/')
      if (isHere && name.endsWith('.conf') && !name.startsWith('.') && !chosen.has(name)) chosen.set(name, file)
    }
  }
  return [...chosen].sort(([a], [b]) => compareBytes(a, b)).flatMap(([, file]) => entriesOf(file))
}

function compareBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function entriesOf(file: { path: string; content: Bytes }): readonly ModprobeEntry[] {
  const { lines } = parseModprobe(file.content)
  return lines
    .filter((line) => line.kind !== 'comment' && line.kind !== 'blank' && line.kind !== 'bad')
    .map((line) => ({ ...line, path: file.path }))
}

export type ModprobeOption = {
  readonly name: Bytes
  readonly value: Bytes | null
  readonly path: string
  readonly line: number
}

/** Options a module gets, in order: it is given all of them, and most parameters keep the last value. */
export function effectiveOptions(entries: readonly ModprobeEntry[], module: Bytes): readonly ModprobeOption[] {
  const folded = foldModuleName(module)
  return entries
    .filter((entry) => entry.kind === 'options' && entry.module === folded)
    .flatMap(({ value, path, line }) => parseModprobeOptions(value).map((option) => ({ ...option, path, line })))
}

/** The kernel splits options as it splits its own command line. */
export function parseModprobeOptions(value: Bytes): readonly { readonly name: Bytes; readonly value: Bytes | null }[] {
  return parseKernelCommandLine(value).map((option) => ({ name: option.name, value: option.value }))
}
