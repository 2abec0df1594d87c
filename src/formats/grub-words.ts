import type { Bytes } from '../core/bytes.ts'

/**
 * A token of GRUB's script language (grub-core/script/yylex.l). `value` is a word without its quotes, null where it
 * holds a variable, which only GRUB knows; `why` says what.
 */
export type GrubToken = {
  readonly kind: 'word' | 'separator' | 'open' | 'close' | 'comment' | 'bad' | 'end'
  readonly start: number
  readonly end: number
  readonly value: Bytes | null
  readonly why?: string
}

const separator = /\n|\|\||&&|;;|[|&;<>]/y
const plain = /[^{}|&$;<> \t\n'"\\]+/y
const doublePlain = /[^"$\\]+/y
const variable = /\$(?:[A-Za-z_]\w*|\d+|[?#*@]|\{(?:[A-Za-z_]\w*|\d+|[?#*@])\})/y

function matchAt(pattern: RegExp, text: Bytes, at: number): Bytes | undefined {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0]
}

/** The token at or behind `from`; blanks before it are skipped. */
export function readGrubToken(text: Bytes, from: number): GrubToken {
  const start = from + (matchAt(/[ \t]*/y, text, from) ?? '').length
  const char = text.charAt(start)
  if (char === '') return { kind: 'end', start, end: start, value: null }
  if (char === '#') return simple('comment', start, matchAt(/[^\n]*/y, text, start) ?? '')
  if (char === '{') return simple('open', start, char)
  if (char === '}') return simple('close', start, char)
  const found = matchAt(separator, text, start)
  return found === undefined ? readGrubWord(text, start) : simple('separator', start, found)
}

function simple(kind: GrubToken['kind'], start: number, value: Bytes): GrubToken {
  return { kind, start, end: start + value.length, value }
}

type Reading = { readonly text: Bytes; at: number; value: Bytes; why: string | null; bad: string | null }

function readGrubWord(text: Bytes, start: number): GrubToken {
  const reading: Reading = { text, at: start, value: '', why: null, bad: null }
  while (reading.at < text.length && reading.bad === null && !/[{}|&;<> \t\n]/.test(text.charAt(reading.at))) {
    readPiece(reading)
  }
  const end = reading.at
  if (reading.bad !== null) return { kind: 'bad', start, end, value: null, why: reading.bad }
  if (reading.why !== null) return { kind: 'word', start, end, value: null, why: reading.why }
  return { kind: 'word', start, end, value: reading.value }
}

function readPiece(reading: Reading): void {
  const char = reading.text.charAt(reading.at)
  if (char === "'") return readSingle(reading)
  if (char === '"') return readDouble(reading)
  if (char === '$') return readVariable(reading)
  if (char === '\\') return readEscape(reading)
  const run = matchAt(plain, reading.text, reading.at) ?? ''
  reading.value += run
  reading.at += run.length
}

/** Outside quotes a backslash makes any character plain, and a newline vanish. */
function readEscape(reading: Reading): void {
  const next = reading.text.charAt(reading.at + 1)
  if (next === '') reading.bad = 'a backslash at the end'
  reading.value += next === '\n' ? '' : next
  reading.at += 2
}

function readSingle(reading: Reading): void {
  const close = reading.text.indexOf("'", reading.at + 1)
  if (close === -1) return unterminated(reading)
  reading.value += reading.text.slice(reading.at + 1, close)
  reading.at = close + 1
}

function unterminated(reading: Reading): void {
  reading.bad = 'an unterminated quote'
  reading.at = reading.text.length
}

/** In double quotes a backslash counts before `$ " \\` and newline only. */
function readDouble(reading: Reading): void {
  reading.at++
  while (reading.text[reading.at] !== '"') {
    const char = reading.text.charAt(reading.at)
    if (char === '') return unterminated(reading)
    if (reading.bad !== null) return
    if (char === '$') readVariable(reading)
    else if (char === '\\') readDoubleEscape(reading)
    else {
      const run = matchAt(doublePlain, reading.text, reading.at) ?? ''
      reading.value += run
      reading.at += run.length
    }
  }
  reading.at++
}

function readDoubleEscape(reading: Reading): void {
  const next = reading.text.charAt(reading.at + 1)
  reading.value += next === '\n' ? '' : '$"\\'.includes(next) ? next : `\\${next}`
  reading.at += 2
}

function readVariable(reading: Reading): void {
  const found = matchAt(variable, reading.text, reading.at)
  if (found === undefined) {
    reading.bad = 'a $ that starts no variable'
    return
  }
  reading.why ??= `GRUB puts in its own variable ${found}`
  reading.at += found.length
}
