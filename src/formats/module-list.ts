import type { Bytes } from '../core/bytes.ts'
import { appendLines, commonLineEnd, lineNumberAt } from './lines.ts'
import { foldModuleName } from './modprobe-file.ts'

/**
 * Who reads the list. `modules-load`: modules-load.d and /etc/modules, by systemd-modules-load: a line is one name,
 * the rest of it included. `initramfs`: /etc/initramfs-tools/modules: a name and arguments, comments only from the
 * first column.
 */
export type ModuleListDialect = 'modules-load' | 'initramfs'

export type ModuleListEntry = {
  /** As written; names compare folded. */
  readonly module: Bytes
  readonly args: Bytes
  /** From 1. */
  readonly line: number
  readonly start: number
  readonly end: number
}

export type ModuleList = {
  readonly content: Bytes
  readonly dialect: ModuleListDialect
  readonly entries: readonly ModuleListEntry[]
}

export function parseModuleList(content: Bytes, dialect: ModuleListDialect): ModuleList {
  const entries: ModuleListEntry[] = []
  for (const found of content.matchAll(
    dialect === 'initramfs' ? /[^\n]*(?:\n|$)/g : /[^\n\r\0]*(?:\r\n|[\n\r\0]|$)/g,
  )) {
    const parsed = dialect === 'initramfs' ? parseInitramfsLine(found[0]) : parseModulesLoadLine(found[0])
    const place = { line: lineNumberAt(content, found.index), start: found.index, end: found.index + found[0].length }
    if (parsed !== undefined) entries.push({ ...parsed, ...place })
  }
  return { content, dialect, entries }
}

export function formatModuleList(list: ModuleList): Bytes {
  return list.content
}

/** systemd 252, modules-load.c apply_file: a line (ended by newline, CR or NUL: read_line) is stripped, then `#` or `;` in front makes a comment. */
function parseModulesLoadLine(text: Bytes): { module: Bytes; args: Bytes } | undefined {
  const module = text.replace(/^[ \t\n\r\0]+|[ \t\n\r\0]+$/g, '')
  return module === '' || /^[#;]/.test(module) ? undefined : { module, args: '' }
}

/** initramfs-tools hook-functions, add_modules_from_file: `grep '^[^#]' | read -r module args`; a CR stays. */
function parseInitramfsLine(line: Bytes): { module: Bytes; args: Bytes } | undefined {
  if (line.startsWith('#')) return undefined
  const [, module, args] = /^[ \t]*([^ \t\n]+)[ \t]*([^\n]*?)[ \t]*\n?$/.exec(line) ?? []
  return module === undefined ? undefined : { module, args: args ?? '' }
}

export function hasModule(list: ModuleList, name: Bytes): boolean {
  return list.entries.some((entry) => foldModuleName(entry.module) === foldModuleName(name))
}

/** Adds the names that are not there yet, in order, each on a line of its own at the end. */
export function addModules(list: ModuleList, names: readonly Bytes[]): ModuleList {
  const missing = names.filter((name, index) => {
    const isFirst = names.findIndex((other) => foldModuleName(other) === foldModuleName(name)) === index
    return isFirst && !hasModule(list, name)
  })
  // A CR would be part of the name in the initramfs list.
  const lineEnd = list.dialect === 'modules-load' ? commonLineEnd(list.content) : '\n'
  return parseModuleList(appendLines(list.content, missing, lineEnd), list.dialect)
}

/** Removes every line that names one of the modules. */
export function removeModules(list: ModuleList, names: readonly Bytes[]): ModuleList {
  const folded = new Set(names.map(foldModuleName))
  const removed = list.entries.filter((entry) => folded.has(foldModuleName(entry.module)))
  let content = ''
  let at = 0
  for (const entry of removed) {
    content += list.content.slice(at, entry.start)
    at = entry.end
  }
  return parseModuleList(content + list.content.slice(at), list.dialect)
}
