import type { Bytes } from '../core/bytes.ts'
import { grubSpellings, parseGrubLinuxArguments } from './grub-quoting.ts'
import { isKernelBlank, parseKernelCommandLine } from './kernel-arguments.ts'
import { evaluateShellFiles } from './shell-evaluation.ts'
import { textOf } from './shell-state.ts'
import type { EvaluatedShell, ShellByte, ShellFile, ShellProblem, ShellVariable } from './shell-state.ts'
import { appendAssignment, applyToFiles, spliceValue } from './shell-splices.ts'
import type { KnownVariable, ValueEdit } from './shell-splices.ts'

/** `files`: those that changed, whole. */
export type ShellEdit =
  | { readonly ok: true; readonly files: readonly ShellFile[] }
  | { readonly ok: false; readonly problem: ShellProblem }

/**
 * Tokens are the words GRUB splits the value into. Callbacks get a token as the kernel gets it (`dyndbg="a b"` comes as
 * `"dyndbg=a b"`) and as it stands in the value. `replace` and `append` give arguments in the kernel's own quoting;
 * an argument of `append` that is still there after removal is not added again.
 */
export type TokenEdit = {
  readonly remove?: (token: Bytes, raw: Bytes) => boolean
  readonly replace?: (token: Bytes, raw: Bytes) => Bytes | undefined
  readonly append?: readonly Bytes[]
}

/** What a new value must satisfy, and the edit that leads there. */
type Intent = { readonly edit: ValueEdit; readonly isMet: (value: Bytes) => boolean } | { readonly why: string }

type Intend = (value: Bytes, bytes: readonly ShellByte[]) => Intent

const noChange: ValueEdit = { deletes: new Set(), inserts: [], append: [], separate: false }

/**
 * Changes what a variable holds after all files, by changing the text that gives it: an assignment in an earlier line
 * or file where the text stands there, the end of the last assignment for new text, a new line in the first file
 * where the variable is unset. The result is evaluated again; what does not come out as wanted is refused.
 */
export function editVariable(files: readonly ShellFile[], name: string, edit: (value: Bytes) => Bytes): ShellEdit {
  return editValue(files, name, (value) => intendValue(value, edit(value)))
}

/** Changes the kernel arguments of a GRUB_CMDLINE variable, token by token. See `TokenEdit`. */
export function editTokens(files: readonly ShellFile[], name: string, edit: TokenEdit): ShellEdit {
  return editValue(files, name, (value, bytes) => intendTokens(value, bytes, edit))
}

function editValue(files: readonly ShellFile[], name: string, intend: Intend): ShellEdit {
  const before = evaluateShellFiles(files)
  const whole = before.problems.find((problem) => problem.kind !== 'unknown')
  if (whole !== undefined) return { ok: false, problem: whole }
  const variable = before.variables.get(name) ?? before.others
  if (variable.state === 'unknown') {
    const { path, line, why } = variable
    return { ok: false, problem: { kind: 'unknown', path, line, why, variable: name } }
  }
  const bytes = variable.state === 'known' ? variable.bytes : []
  const intent = intend(textOf(bytes), bytes)
  if ('why' in intent) return refuse(files, variable, name, intent.why)
  const changed = write(files, name, variable, intent.edit)
  const after = files.map((file) => changed.find((other) => other.path === file.path) ?? file)
  const why = findMismatch(before, evaluateShellFiles(after), name, intent.isMet, changed.length === 0)
  return why === undefined ? { ok: true, files: changed } : refuse(files, variable, name, why)
}

function refuse(files: readonly ShellFile[], variable: ShellVariable, name: string, why: string): ShellEdit {
  const position = variable.state === 'known' ? variable.assignedAt.at(-1) : undefined
  const { path, line } = position ?? { path: files[0]?.path ?? '', line: 1 }
  return { ok: false, problem: { kind: 'unknown', path, line, why, variable: name } }
}

function write(
  files: readonly ShellFile[],
  name: string,
  variable: ShellVariable,
  edit: ValueEdit,
): readonly ShellFile[] {
  if (variable.state === 'known') return applyToFiles(files, spliceOwn(files, name, variable, edit))
  const [first] = files
  if (first === undefined || edit.append.length === 0) return []
  return [{ path: first.path, content: appendAssignment(first.content, name, edit.append) }]
}

/** Text that another variable lends is not touched: that would be a change of that variable. */
function spliceOwn(files: readonly ShellFile[], name: string, variable: KnownVariable, edit: ValueEdit) {
  const isForeign = (index: number) => variable.bytes[index]?.owner !== name
  const foreign = [...edit.deletes, ...edit.inserts.map((insert) => insert.before)].some(isForeign)
  return foreign ? [] : spliceValue(files, variable, edit)
}

function findMismatch(
  before: EvaluatedShell,
  after: EvaluatedShell,
  name: string,
  isMet: (value: Bytes) => boolean,
  unchanged: boolean,
): string | undefined {
  const variable = after.variables.get(name) ?? after.others
  const met = variable.state === 'known' ? isMet(textOf(variable.bytes)) : variable.state === 'unset' && isMet('')
  if (!met && unchanged) return 'the text to change comes from another variable'
  if (!met || after.problems.some((problem) => problem.kind !== 'unknown')) return 'it cannot be changed in place'
  const other = [...before.variables.keys()].find((key) => key !== name && shownOf(before, key) !== shownOf(after, key))
  return other === undefined ? undefined : `the change would also change ${other}`
}

function shownOf(evaluated: EvaluatedShell, name: string): string {
  const variable = evaluated.variables.get(name) ?? evaluated.others
  return variable.state === 'known' ? `=${textOf(variable.bytes)}` : variable.state
}

/** One piece in the middle is replaced: what the old and the new value begin and end with alike stays. */
function intendValue(value: Bytes, wanted: Bytes): Intent {
  const isMet = (now: Bytes) => now === wanted
  if (value === wanted) return { edit: noChange, isMet }
  let start = 0
  while (start < value.length && value[start] === wanted[start]) start++
  let tail = 0
  while (tail < Math.min(value.length, wanted.length) - start && value.at(-1 - tail) === wanted.at(-1 - tail)) tail++
  const end = value.length - tail
  const text = wanted.slice(start, wanted.length - tail)
  const deletes = new Set(range(start, end))
  const isInside = start < value.length
  const inserts = isInside && text !== '' ? [{ before: start, spellings: [text] }] : []
  return { edit: { deletes, inserts, append: isInside ? [] : [[text]], separate: false }, isMet }
}

function range(start: number, end: number): readonly number[] {
  return Array.from({ length: Math.max(0, end - start) }, (_, index) => start + index)
}

type Token = { readonly start: number; readonly end: number; readonly raw: Bytes; readonly token: Bytes }

function intendTokens(value: Bytes, bytes: readonly ShellByte[], edit: TokenEdit): Intent {
  const parsed = parseGrubLinuxArguments(value)
  if (parsed.problem !== null) return { why: parsed.problem.why }
  const tokens = parsed.words.map(toToken).filter((token) => token.raw !== '')
  const removed = tokens.map((token) => edit.remove?.(token.token, token.raw) ?? false)
  const replaced = tokens.map((token, index) => findReplacement(token, removed[index] ?? false, edit))
  const kept = tokens.flatMap((token, index) => (removed[index] ? [] : [replaced[index] ?? token.token]))
  const append = findMissing(kept, edit.append ?? [])
  const wanted = [...kept, ...append]
  const isMet = (now: Bytes) => readArguments(now) === wanted.map(normalise).join('\n')
  if (isMet(value)) return { edit: noChange, isMet }
  const written = [...replaced.flatMap((text) => text ?? []), ...append]
  const impossible = written.find((text) => grubSpellings(text).length === 0)
  if (impossible !== undefined) return { why: `GRUB cannot hand ${impossible} to the kernel` }
  const inserts = replaced.flatMap((text, index) => {
    return text === undefined ? [] : [{ before: tokens[index]?.start ?? 0, spellings: grubSpellings(text) }]
  })
  const deletes = findDeletes(bytes, tokens, removed, replaced)
  return { edit: { deletes, inserts, append: append.map(grubSpellings), separate: true }, isMet }
}

/** The word without the kernel's blanks around it: the CR of a CRLF file is none of its text. */
function toToken(word: { start: number; end: number; text: Bytes; argument: Bytes | null }): Token {
  const raw = trimBlanks(word.text)
  const start = word.start + word.text.indexOf(raw)
  return { start, end: start + raw.length, raw, token: word.argument === null ? raw : trimBlanks(word.argument) }
}

function trimBlanks(text: Bytes): Bytes {
  let start = 0
  let end = text.length
  while (start < end && isKernelBlank(text.charAt(start))) start++
  while (end > start && isKernelBlank(text.charAt(end - 1))) end--
  return text.slice(start, end)
}

function findReplacement(token: Token, removed: boolean, edit: TokenEdit): Bytes | undefined {
  const text = removed ? undefined : edit.replace?.(token.token, token.raw)
  return text === undefined || normalise(text) === normalise(token.token) ? undefined : text
}

/** Arguments not among the kept ones; each kept one counts for one. */
function findMissing(kept: readonly Bytes[], append: readonly Bytes[]): readonly Bytes[] {
  const left = kept.map(normalise)
  return append.filter((argument) => {
    const at = left.indexOf(normalise(argument))
    if (at !== -1) left.splice(at, 1)
    return at === -1
  })
}

/** Name and value as the kernel reads them, whatever the quoting. */
function normalise(argument: Bytes): string {
  return JSON.stringify(parseKernelCommandLine(argument).map(({ name, value }) => [name, value]))
}

function readArguments(value: Bytes): string | undefined {
  const { words, problem } = parseGrubLinuxArguments(value)
  if (problem !== null) return undefined
  const tokens = words.map(toToken).filter((token) => token.raw !== '')
  return tokens.map((token) => normalise(token.token)).join('\n')
}

/** A removed token takes the blanks before it along, or those behind it where nothing is kept before it. */
function findDeletes(
  bytes: readonly ShellByte[],
  tokens: readonly Token[],
  removed: readonly boolean[],
  replaced: readonly (Bytes | undefined)[],
): ReadonlySet<number> {
  const firstKept = removed.indexOf(false)
  const indexes = tokens.flatMap((token, index) => {
    const own = range(token.start, token.end)
    if (!removed[index]) return replaced[index] === undefined ? [] : own
    const isLeading = firstKept === -1 || index < firstKept
    return [...own, ...(isLeading ? findBlanks(bytes, token.end - 1, 1) : findBlanks(bytes, token.start, -1))]
  })
  return new Set(indexes)
}

/** Blanks next to a token that stand in the same piece of source; others are left where they are. */
function findBlanks(bytes: readonly ShellByte[], from: number, step: 1 | -1): readonly number[] {
  const found: number[] = []
  for (let at = from + step; isKernelBlank(bytes[at]?.byte ?? 'x') && adjoins(bytes, at, at - step); at += step)
    found.push(at)
  return found
}

function adjoins(bytes: readonly ShellByte[], a: number, b: number): boolean {
  const first = bytes[Math.min(a, b)]
  const second = bytes[Math.max(a, b)]
  return first !== undefined && second !== undefined && first.file === second.file && first.end === second.start
}
