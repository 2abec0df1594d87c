import type { Bytes } from '../core/bytes.ts'

/** What the loader sorts an entry by. `id` is the name of its file in lower case, `.conf` included. */
export type Sortable = {
  readonly id: Bytes
  readonly sortKey: Bytes | null
  readonly machineId: Bytes | null
  readonly version: Bytes | null
  /** Of boot counting: null where the entry is not counted. */
  readonly triesLeft: number | null
}

/**
 * The order of systemd-boot's menu since version 250 (boot.c config_entry_compare), which is that of the Boot Loader
 * Specification: without tries last; with a sort key before those without; then key, machine, newest version, id.
 */
export function compareEntries(a: Sortable, b: Sortable): number {
  return (
    compare(Number(a.triesLeft === 0), Number(b.triesLeft === 0)) ||
    compare(Number(a.sortKey === null), Number(b.sortKey === null)) ||
    compareBySortKey(a, b) ||
    -compareVersions(a.id, b.id)
  )
}

function compareBySortKey(a: Sortable, b: Sortable): number {
  if (a.sortKey === null || b.sortKey === null) return 0
  return (
    compare(a.sortKey, b.sortKey) ||
    compare(a.machineId ?? '', b.machineId ?? '') ||
    -compareVersions(a.version ?? '', b.version ?? '')
  )
}

function compare<Value extends string | number>(a: Value, b: Value): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/**
 * UAPI's version format: segments of digits or letters, behind `~` (older than nothing), `-`, `^`, `.` or no separator,
 * each newer than the one before it; other bytes only separate (string-util-fundamental.c strverscmp_improved).
 */
export function compareVersions(a: Bytes, b: Bytes): number {
  const [tildeOrder, ...rest] = skipSeparator(dropOthers(a), dropOthers(b), '~')
  if (tildeOrder !== 0) return tildeOrder
  let [left, right] = rest
  if (left === '' || right === '') return compare(Math.min(left.length, 1), Math.min(right.length, 1))
  for (const separator of ['-', '^', '.']) {
    const [order, ...next] = skipSeparator(left, right, separator)
    if (order !== 0) return order
    ;[left, right] = next
  }
  return compareSegments(left, right)
}

function dropOthers(text: Bytes): Bytes {
  return text.replace(/^[^0-9A-Za-z~^.-]+/, '')
}

/** Whoever has the separator is older; where both have it, it is passed. */
function skipSeparator(a: Bytes, b: Bytes, separator: string): readonly [order: number, a: Bytes, b: Bytes] {
  const [inA, inB] = [a.startsWith(separator), b.startsWith(separator)]
  if (inA !== inB) return [inA ? -1 : 1, a, b]
  return inA ? [0, a.slice(1), b.slice(1)] : [0, a, b]
}

function compareSegments(a: Bytes, b: Bytes): number {
  const isNumber = /^\d/.test(a) || /^\d/.test(b)
  const segment = isNumber ? /^\d*/ : /^[A-Za-z]*/
  const [first, second] = [segment.exec(a)?.[0] ?? '', segment.exec(b)?.[0] ?? '']
  const order = isNumber ? compareNumbers(first, second) : compareLetters(first, second)
  return order || compareVersions(a.slice(first.length), b.slice(second.length))
}

function compareNumbers(a: Bytes, b: Bytes): number {
  const [first, second] = [a.replace(/^0+/, ''), b.replace(/^0+/, '')]
  return compare(Number(a !== ''), Number(b !== '')) || compare(first.length, second.length) || compare(first, second)
}

function compareLetters(a: Bytes, b: Bytes): number {
  const length = Math.min(a.length, b.length)
  return compare(a.slice(0, length), b.slice(0, length)) || compare(a.length, b.length)
}

/** The loader's own globs (efi-string.c efi_fnmatch): `*`, `?`, sets and `\`; pattern and id are in lower case. */
export function matchesGlob(pattern: Bytes, id: Bytes): boolean {
  const source = pattern.replaceAll(/\\?[^]/g, (part) => {
    if (part === '*') return '[^]*'
    if (part === '?') return '[^]'
    if (part === '[' || part === ']') return part
    return (part.length === 2 ? part.slice(1) : part).replaceAll(/[*?.+^${}()|\\/]/g, String.raw`\$&`)
  })
  try {
    return new RegExp(`^${source}$`).test(id)
  } catch {
    // A set that is not closed matches nothing.
    return false
  }
}
