import type { Bytes } from '../core/bytes.ts'
import { readGrubToken } from './grub-words.ts'
import type { GrubToken } from './grub-words.ts'
import { parseKernelArgument } from './kernel-arguments.ts'

/** One word of a `linux` line: `argument` is what the kernel gets for it, null where only GRUB knows (`why`). */
export type GrubArgument = {
  readonly start: number
  readonly end: number
  readonly text: Bytes
  readonly argument: Bytes | null
  readonly why?: string
}

export type GrubLinuxArguments = {
  readonly words: readonly GrubArgument[]
  /** What the kernel gets, word by word; words that only GRUB knows are left out. */
  readonly args: readonly Bytes[]
  readonly unknown: readonly { readonly text: Bytes; readonly why: string }[]
  /** Where GRUB ends the command before the end of the text, or cannot read it. */
  readonly problem: { readonly at: number; readonly why: string } | null
}

/** Reads the arguments of a `linux` line as GRUB does: split, unquoted, then put together again for the kernel. */
export function parseGrubLinuxArguments(text: Bytes): GrubLinuxArguments {
  const words: GrubArgument[] = []
  let token = readGrubToken(text, 0)
  for (; token.kind === 'word'; token = readGrubToken(text, token.end)) words.push(toArgument(text, token))
  const unknown = words.flatMap((word) => (word.why === undefined ? [] : [{ text: word.text, why: word.why }]))
  const args = words.flatMap((word) => (word.argument === null ? [] : [word.argument]))
  return { words, args, unknown, problem: findProblem(text, token) }
}

function toArgument(text: Bytes, token: GrubToken): GrubArgument {
  const { start, end, value, why } = token
  const argument = value === null ? null : formatLoaderArgument(value)
  return { start, end, text: text.slice(start, end), argument, ...(why === undefined ? {} : { why }) }
}

function findProblem(text: Bytes, token: GrubToken): GrubLinuxArguments['problem'] {
  if (token.kind === 'end') return null
  const shown = text.slice(token.start, token.end).split('\n', 1)[0] || 'a line end'
  return { at: token.start, why: token.why ?? `GRUB ends the command at ${shown}` }
}

/**
 * What grub-core/lib/cmdline.c makes of an argument: wrapped as a whole when it holds a blank, with a backslash before
 * `\\ ' "` that the kernel does not undo; `\\xHH` is left alone.
 */
function formatLoaderArgument(value: Bytes): Bytes {
  const escaped = value.replace(/\\x[0-9a-fA-F]{2}|[\\'"]/g, (found) => (found.length > 1 ? found : `\\${found}`))
  return value.includes(' ') ? `"${escaped}"` : escaped
}

/**
 * Spellings on a `linux` line for which the kernel reads the name and value of `argument` (itself in the kernel's own
 * quoting), plainest first. Empty when GRUB cannot hand it over: quotes and backslashes inside a value, blanks other
 * than a space.
 */
export function grubSpellings(argument: Bytes): readonly Bytes[] {
  const parsed = parseKernelArgument(argument)
  if (parsed === undefined) return []
  const plain = parsed.value === null ? parsed.name : `${parsed.name}=${parsed.value}`
  const candidates = [argument, plain, `'${plain}'`, `"${plain.replace(/[\\"$]/g, '\\$&')}"`]
  return candidates.filter((text, index) => candidates.indexOf(text) === index && isSpelling(text, parsed))
}

function isSpelling(text: Bytes, wanted: { readonly name: Bytes; readonly value: Bytes | null }): boolean {
  const { args, unknown, problem } = parseGrubLinuxArguments(text)
  if (problem !== null || unknown.length > 0 || args.length !== 1) return false
  const parsed = parseKernelArgument(args[0] ?? '')
  return parsed?.name === wanted.name && parsed.value === wanted.value
}

/** Text for a GRUB_CMDLINE value (before the shell's own quoting), `undefined` when there is none. */
export function quoteForGrub(argument: Bytes): Bytes | undefined {
  return grubSpellings(argument)[0]
}
