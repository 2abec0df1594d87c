/**
 * The kernel's list format of CPUs and nodes: `0-3,8` (lib/bitmap-str.c bitmap_parselist). Only single numbers and
 * ranges: strides (`0-10:2/4`), `N` and `all` are read by the kernel but not by irqbalance, so they are no list here.
 */

/** Largest CPU number taken for real (NR_CPUS of x86 is 8192); keeps a typing error from filling the memory. */
const largest = 65535

/** Numbers ascending without repeats; the empty text is the empty list; `undefined` when it is no list. */
export function parseCpuList(text: string): readonly number[] | undefined {
  const trimmed = text.trim()
  if (trimmed === '') return []
  const cpus = new Set<number>()
  for (const part of trimmed.split(',')) {
    const range = parseRange(part.trim())
    if (!range) return undefined
    for (let cpu = range.first; cpu <= range.last; cpu += 1) cpus.add(cpu)
  }
  return [...cpus].sort((a, b) => a - b)
}

/** Shortest form, ascending: `0-3,8`. */
export function formatCpuList(cpus: readonly number[]): string {
  const ranges: { first: number; last: number }[] = []
  for (const cpu of [...new Set(cpus)].sort((a, b) => a - b)) {
    const current = ranges.at(-1)
    if (current && cpu === current.last + 1) current.last = cpu
    else ranges.push({ first: cpu, last: cpu })
  }
  return ranges.map(({ first, last }) => (first === last ? String(first) : `${first}-${last}`)).join(',')
}

function parseRange(part: string): { first: number; last: number } | undefined {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part)
  if (!match) return undefined
  const first = Number(match[1])
  const last = Number(match[2] ?? match[1])
  return first <= last && last <= largest ? { first, last } : undefined
}
