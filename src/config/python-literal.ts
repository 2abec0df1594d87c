import { setOwn } from './source-node.ts'
import type { PlainValue } from './source-node.ts'

type Reader = { readonly text: string; at: number; depth: number }

/** Thrown inside this file only: the text is no literal. */
class NotLiteral extends Error {}

const stringPattern = /[urURbB]{0,2}(?:'((?:[^'\\\n]|\\[^])*)'|"((?:[^"\\\n]|\\[^])*)")/y
const numberPattern = /[-+]?(?:0[xX][\da-fA-F]+|0[oO][0-7]+|0[bB][01]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)/y
const wordPattern = /(?:True|False|None)\b/y
const spacePattern = /(?:\s|#[^\n]*)*/y
const words: Readonly<Record<string, PlainValue>> = { True: true, False: false, None: null }
const depthLimit = 50

/**
 * Reads a value of an INI inventory as Ansible does (`ast.literal_eval`): numbers, quoted text, True, False, None,
 * lists, tuples, sets and mappings. Everything else is the text itself.
 */
export function parsePythonLiteral(text: string): PlainValue {
  const reader: Reader = { text: text.replace(/^[ \t]+/, ''), at: 0, depth: 0 }
  try {
    const value = readValue(reader)
    skipSpace(reader)
    return reader.at === reader.text.length ? value : text
  } catch (thrown) {
    if (thrown instanceof NotLiteral) return text
    throw thrown
  }
}

function readValue(reader: Reader): PlainValue {
  skipSpace(reader)
  if (++reader.depth > depthLimit) throw new NotLiteral()
  const value = readInside(reader)
  reader.depth--
  skipSpace(reader)
  return value
}

function readInside(reader: Reader): PlainValue {
  const opening = reader.text[reader.at]
  if (opening === '[') return readItems(reader, ']')
  if (opening === '(') return readTuple(reader)
  if (opening === '{') return readBraces(reader)
  const text = match(reader, stringPattern)
  if (text !== null) return unescapeString(text)
  const number = match(reader, numberPattern)
  if (number !== null) return readNumber(number[0])
  const word = match(reader, wordPattern)
  if (word === null) throw new NotLiteral()
  return words[word[0]] ?? null
}

function match(reader: Reader, pattern: RegExp): RegExpExecArray | null {
  pattern.lastIndex = reader.at
  const found = pattern.exec(reader.text)
  if (found !== null) reader.at += found[0].length
  return found
}

function skipSpace(reader: Reader): void {
  match(reader, spacePattern)
}

function take(reader: Reader, character: string): boolean {
  const found = reader.text[reader.at] === character
  if (found) reader.at++
  return found
}

/** `0123` is no number in Python. */
function readNumber(raw: string): number {
  const text = raw.replaceAll('_', '').replace(/^\+/, '')
  if (/^-?0\d+$/.test(text) && !/^-?0+$/.test(text)) throw new NotLiteral()
  const value = text.startsWith('-') ? -Number(text.slice(1)) : Number(text)
  if (Number.isNaN(value)) throw new NotLiteral()
  return value
}

function unescapeString(found: RegExpExecArray): string {
  const body = found[1] ?? found[2] ?? ''
  if (/^[uUbB]?[rR]/.test(found[0])) return body
  const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '\\': '\\', "'": "'", '"': '"' }
  return body.replaceAll(/\\([^])/g, (whole, name: string) => escapes[name] ?? whole)
}

function readItems(reader: Reader, closing: string): PlainValue[] {
  reader.at++
  const items: PlainValue[] = []
  skipSpace(reader)
  while (!take(reader, closing)) {
    items.push(readValue(reader))
    if (take(reader, ',')) skipSpace(reader)
    else if (reader.text[reader.at] !== closing) throw new NotLiteral()
  }
  return items
}

/** Parentheses around one value alone are no tuple. */
function readTuple(reader: Reader): PlainValue {
  const start = reader.at
  const items = readItems(reader, ')')
  const tuple = items.length !== 1 || /,\s*\)$/.test(reader.text.slice(start, reader.at))
  return tuple ? items : (items[0] ?? null)
}

function readBraces(reader: Reader): PlainValue {
  const start = reader.at
  reader.at++
  const dict: Record<string, PlainValue> = {}
  skipSpace(reader)
  while (!take(reader, '}')) {
    const key = readValue(reader)
    if (typeof key === 'object' && key !== null) throw new NotLiteral()
    if (!take(reader, ':')) {
      reader.at = start
      return readItems(reader, '}')
    }
    setOwn(dict, String(key), readValue(reader))
    if (take(reader, ',')) skipSpace(reader)
    else if (reader.text[reader.at] !== '}') throw new NotLiteral()
  }
  return dict
}
