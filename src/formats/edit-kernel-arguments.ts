import type { Bytes } from '../core/bytes.ts'
import { isSameName, parseKernelCommandLine } from './kernel-arguments.ts'
import type { KernelArgument } from './kernel-arguments.ts'

/** Arguments that may stand several times, each with a meaning of its own (kernel-parameters.txt, dracut.cmdline(7)). */
const repeatableNames = ['console', 'earlycon', 'earlyprintk', 'hugepages', 'hugepagesz', 'memmap', 'memmap_exactmap']

/** True where one occurrence does not replace another. */
function isRepeatable(name: Bytes): boolean {
  return name.startsWith('rd.') || repeatableNames.some((other) => isSameName(other, name))
}

/**
 * Grubby's rules: `set` replaces the value of a name where it stands, else appends; `remove` with a bare name removes
 * every value of it, `name=value` only that pair. A repeatable name keeps its other values, but for `console`, of which
 * the last one that is not asked for gives way. What is not named, or is there as wanted, keeps its place and text.
 */
export function editKernelArguments(
  args: readonly KernelArgument[],
  edit: { readonly set?: readonly Bytes[]; readonly remove?: readonly Bytes[] },
): readonly KernelArgument[] {
  const removed = (edit.remove ?? []).flatMap((text) => parseKernelCommandLine(text))
  const wanted = (edit.set ?? []).flatMap((text) => parseKernelCommandLine(text))
  const isWanted = (argument: KernelArgument) => wanted.some((other) => isSameArgument(argument, other))
  const kept = args.filter(
    (argument) => isWanted(argument) || !removed.some((other) => matchesRemoval(argument, other)),
  )
  return wanted.reduce((list, argument) => setArgument(list, argument, wanted), kept)
}

function matchesRemoval(argument: KernelArgument, removed: KernelArgument): boolean {
  return isSameName(argument.name, removed.name) && (removed.value === null || removed.value === argument.value)
}

function isSameArgument(a: KernelArgument, b: KernelArgument): boolean {
  return isSameName(a.name, b.name) && a.value === b.value
}

function setArgument(
  list: readonly KernelArgument[],
  argument: KernelArgument,
  wanted: readonly KernelArgument[],
): KernelArgument[] {
  if (isRepeatable(argument.name)) return setRepeatable(list, argument, wanted)
  const first = list.findIndex((other) => isSameName(other.name, argument.name))
  if (first === -1) return [...list, argument]
  return list.flatMap((other, index) => {
    if (!isSameName(other.name, argument.name)) return [other]
    if (index !== first) return []
    return [isSameArgument(other, argument) ? other : argument]
  })
}

function setRepeatable(
  list: readonly KernelArgument[],
  argument: KernelArgument,
  wanted: readonly KernelArgument[],
): KernelArgument[] {
  if (list.some((other) => isSameArgument(other, argument))) return [...list]
  const replaced = isSameName(argument.name, 'console')
    ? list.findLastIndex((other) => isSameName(other.name, 'console') && !wanted.some((w) => isSameArgument(w, other)))
    : -1
  return replaced === -1 ? [...list, argument] : list.with(replaced, argument)
}
