import type { Bytes } from '../core/bytes.ts'
import { lineNumberAt } from './lines.ts'

/** Quotes around a piece of text: they decide what must be escaped there. */
export type ShellContext = 'none' | 'double' | 'single'

/**
 * A piece of a word with its place in the text. `literal` stands for itself, byte for byte; `escape` is a backslash
 * form with the bytes it gives (none for a continued line); `opaque` is what cannot be known without running it,
 * `assigns` names the variables it may set on the way.
 */
export type ShellPart =
  | {
      readonly kind: 'literal'
      readonly start: number
      readonly end: number
      readonly context: ShellContext
      readonly value: Bytes
    }
  | {
      readonly kind: 'escape'
      readonly start: number
      readonly end: number
      readonly context: ShellContext
      readonly value: Bytes
    }
  | { readonly kind: 'quoted'; readonly start: number; readonly end: number; readonly parts: readonly ShellPart[] }
  | {
      readonly kind: 'variable'
      readonly start: number
      readonly end: number
      readonly name: string
      readonly operator: string
      readonly word: readonly ShellPart[]
    }
  | {
      readonly kind: 'opaque'
      readonly start: number
      readonly end: number
      readonly why: string
      readonly assigns: readonly string[]
    }

export type ShellWord = { readonly start: number; readonly end: number; readonly parts: readonly ShellPart[] }

/** A place in the text that is being read. The first problem ends the reading: it moves `at` to the end. */
export type ShellCursor = {
  readonly text: Bytes
  at: number
  depth: number
  problem: { readonly line: number; readonly why: string } | null
  /** Reads a command list up to the closing parenthesis of `$(`. */
  readonly readCommands: (cursor: ShellCursor) => void
}

export function fail(cursor: ShellCursor, at: number, why: string): void {
  cursor.problem ??= { line: lineNumberAt(cursor.text, at), why }
  cursor.at = cursor.text.length
}

/** Next byte behind any continued lines: dash drops backslash newline everywhere but in single quotes and comments. */
export function skipContinuation(cursor: ShellCursor): void {
  while (cursor.text.startsWith('\\\n', cursor.at)) cursor.at += 2
}

const wordEnd = /[ \t\n;&|<>()]/
const plainRun = {
  none: /[^\\'"$` \t\n;&|<>()]*/y,
  double: /[^\\"$`]*/y,
  brace: /[^\\'"$`}]*/y,
  doubleBrace: /[^\\"'$`}]*/y,
}

/** Where a word ends: at blanks and operators, at the closing quote, or at the brace of `${NAME-word}`. */
type WordEnd = keyof typeof plainRun

export function readWord(cursor: ShellCursor): ShellWord {
  const start = cursor.at
  const parts = readParts(cursor, 'none')
  return { start, end: cursor.at, parts }
}

function isEnd(cursor: ShellCursor, until: WordEnd): boolean {
  const char = cursor.text.charAt(cursor.at)
  if (char === '') return true
  if (until === 'none') return wordEnd.test(char)
  return char === (until === 'double' ? '"' : '}')
}

function readParts(cursor: ShellCursor, until: WordEnd): readonly ShellPart[] {
  const parts: ShellPart[] = []
  while (!isEnd(cursor, until)) {
    const part = readPart(cursor, until)
    if (part !== undefined) parts.push(part)
  }
  return parts
}

function readPart(cursor: ShellCursor, until: WordEnd): ShellPart | undefined {
  const inDouble = until === 'double' || until === 'doubleBrace'
  const char = cursor.text.charAt(cursor.at)
  if (char === '\\') return readEscape(cursor, inDouble, until === 'doubleBrace')
  if (char === '$') return readDollar(cursor, inDouble)
  if (char === '`') return readBackquote(cursor, inDouble)
  if (until === 'doubleBrace' && (char === '"' || char === "'")) {
    fail(cursor, cursor.at, 'quotes inside "${…}" are not followed')
    return undefined
  }
  if (char === "'" && !inDouble) return readSingle(cursor)
  if (char === '"') return readDouble(cursor)
  return readLiteral(cursor, until, inDouble ? 'double' : 'none')
}

function readLiteral(cursor: ShellCursor, until: WordEnd, context: ShellContext): ShellPart {
  const start = cursor.at
  const run = plainRun[until]
  run.lastIndex = start
  const value = run.exec(cursor.text)?.[0] ?? ''
  cursor.at = start + value.length
  return { kind: 'literal', start, end: cursor.at, context, value }
}

/** In double quotes a backslash counts only before `$ \` " \\` and newline (and `}` within braces). */
function readEscape(cursor: ShellCursor, inDouble: boolean, inBraces: boolean): ShellPart {
  const start = cursor.at
  const char = cursor.text.charAt(start + 1)
  cursor.at = Math.min(start + 2, cursor.text.length)
  const special = !inDouble || '$`"\\'.includes(char) || (inBraces && char === '}')
  const value = char === '\n' ? '' : special && char !== '' ? char : `\\${char}`
  return { kind: 'escape', start, end: cursor.at, context: inDouble ? 'double' : 'none', value }
}

function readSingle(cursor: ShellCursor): ShellPart {
  const start = cursor.at
  const close = cursor.text.indexOf("'", start + 1)
  if (close === -1) fail(cursor, start, 'unterminated single quote')
  else cursor.at = close + 1
  const inner = { start: start + 1, end: cursor.at - 1, context: 'single' as const }
  const value = cursor.text.slice(inner.start, inner.end)
  return { kind: 'quoted', start, end: cursor.at, parts: value === '' ? [] : [{ kind: 'literal', ...inner, value }] }
}

function readDouble(cursor: ShellCursor): ShellPart {
  const start = cursor.at
  cursor.at++
  const parts = readParts(cursor, 'double')
  if (cursor.text[cursor.at] === '"') cursor.at++
  else fail(cursor, start, 'unterminated double quote')
  return { kind: 'quoted', start, end: cursor.at, parts }
}

function readDollar(cursor: ShellCursor, inDouble: boolean): ShellPart {
  const start = cursor.at
  cursor.at++
  skipContinuation(cursor)
  const char = cursor.text.charAt(cursor.at)
  if (char === '(') return readSubstitution(cursor, start)
  if (char === '{') return readBraces(cursor, start, inDouble)
  const name = readName(cursor)
  if (name !== '') return { kind: 'variable', start, end: cursor.at, name, operator: '', word: [] }
  if (/[0-9@*#?$!-]/.test(char)) {
    cursor.at++
    return opaque(cursor, start, `$${char} is known only at run time`)
  }
  cursor.at = start + 1
  return { kind: 'literal', start, end: cursor.at, context: inDouble ? 'double' : 'none', value: '$' }
}

function opaque(cursor: ShellCursor, start: number, why: string, assigns: readonly string[] = []): ShellPart {
  return { kind: 'opaque', start, end: cursor.at, why, assigns }
}

function readName(cursor: ShellCursor): string {
  let name = ''
  for (;;) {
    skipContinuation(cursor)
    const char = cursor.text.charAt(cursor.at)
    if (!(name === '' ? /[A-Za-z_]/ : /\w/).test(char)) return name
    name += char
    cursor.at++
  }
}

/** `$(…)` and `$((…))`. Commands run in a shell of their own and set nothing here; arithmetic may. */
function readSubstitution(cursor: ShellCursor, start: number): ShellPart {
  if (cursor.text.startsWith('((', cursor.at)) return readArithmetic(cursor, start)
  cursor.at++
  if (++cursor.depth > 100) fail(cursor, start, 'nested too deep')
  cursor.readCommands(cursor)
  cursor.depth--
  if (cursor.text[cursor.at] === ')') cursor.at++
  else fail(cursor, start, 'unterminated $(')
  return opaque(cursor, start, 'it holds a command substitution')
}

function readArithmetic(cursor: ShellCursor, start: number): ShellPart {
  let open = 0
  do {
    const char = cursor.text.charAt(cursor.at)
    if (char === '' || '\\"\'`'.includes(char)) fail(cursor, start, 'arithmetic that is not followed')
    if (char === '(') open++
    if (char === ')') open--
    cursor.at++
  } while (open > 0 && cursor.at < cursor.text.length)
  const inner = cursor.text.slice(start, cursor.at)
  if (!inner.endsWith('))')) fail(cursor, start, 'unterminated $((')
  const assigns = inner.includes('=') ? (inner.match(/[A-Za-z_]\w*/g) ?? []) : []
  return opaque(cursor, start, 'it holds arithmetic', assigns)
}

function readBackquote(cursor: ShellCursor, inDouble: boolean): ShellPart {
  const start = cursor.at
  const match = /`((?:[^`\\]|\\[^])*)`/y
  match.lastIndex = start
  const found = match.exec(cursor.text)
  if (found === null) {
    fail(cursor, start, 'unterminated backquote')
    return opaque(cursor, start, '')
  }
  const inner = (found[1] ?? '').replace(inDouble ? /\\([$`\\"])/g : /\\([$`\\])/g, '$1')
  const nested: ShellCursor = { ...cursor, text: inner, at: 0, depth: cursor.depth + 1, problem: null }
  if (nested.depth > 100) fail(nested, 0, 'nested too deep')
  cursor.readCommands(nested)
  if (nested.at < inner.length) fail(nested, nested.at, 'unexpected )')
  if (nested.problem !== null) fail(cursor, start, nested.problem.why)
  else cursor.at = start + found[0].length
  return opaque(cursor, start, 'it holds a command substitution')
}

/** `${NAME}` with the operators of POSIX; anything else is a "Bad substitution" in dash, which ends the shell. */
function readBraces(cursor: ShellCursor, start: number, inDouble: boolean): ShellPart {
  cursor.at++
  skipContinuation(cursor)
  const length = cursor.text[cursor.at] === '#' && cursor.text[cursor.at + 1] !== '}'
  if (length) cursor.at++
  const name = readName(cursor) || (/[0-9]+|[@*#?$!-]/y.exec(cursor.text.slice(cursor.at))?.[0] ?? '')
  if (!/^[A-Za-z_]/.test(name)) cursor.at += name.length
  const operator = length ? '#' : (/^(:?[-=?+]|##?|%%?)?/.exec(cursor.text.slice(cursor.at, cursor.at + 2))?.[0] ?? '')
  cursor.at += length ? 0 : operator.length
  const word = length || operator === '' ? [] : readBraceWord(cursor, inDouble, start)
  if (name === '' || cursor.text[cursor.at] !== '}') fail(cursor, start, 'bad substitution')
  else cursor.at++
  if (/^[A-Za-z_]/.test(name) && /^(:?[-+])?$/.test(operator)) {
    return { kind: 'variable', start, end: cursor.at, name, operator, word }
  }
  return opaque(cursor, start, `it holds \${${name}${operator}…}`, operator.endsWith('=') ? [name] : [])
}

function readBraceWord(cursor: ShellCursor, inDouble: boolean, start: number): readonly ShellPart[] {
  if (++cursor.depth > 100) fail(cursor, start, 'nested too deep')
  const word = readParts(cursor, inDouble ? 'doubleBrace' : 'brace')
  cursor.depth--
  return word
}
