import type { Bytes } from '../core/bytes.ts'
import { plainText } from './shell-word-text.ts'
import { fail, readWord, skipContinuation } from './shell-words.ts'
import type { ShellCursor, ShellWord } from './shell-words.ts'

export type Token =
  | { readonly kind: 'end' | 'newline'; readonly start: number; readonly text: '' }
  | { readonly kind: 'operator'; readonly start: number; readonly text: string }
  | { readonly kind: 'word'; readonly start: number; readonly text: string; readonly word: ShellWord }

export type Parser = ShellCursor & { token: Token; heredocs: { readonly delimiter: Bytes; readonly strip: boolean }[] }

const operators = ['<<-', '&&', '||', ';;', '<<', '>>', '<&', '>&', '<>', '>|', ';', '&', '|', '<', '>', '(', ')']
export const redirections = new Set(['<<-', '<<', '>>', '<&', '>&', '<>', '>|', '<', '>'])

export function advance(parser: Parser): void {
  parser.token = readToken(parser)
}

function readToken(parser: Parser): Token {
  skipBlanks(parser)
  const start = parser.at
  if (start >= parser.text.length) return { kind: 'end', start, text: '' }
  if (parser.text[start] === '\n') {
    parser.at++
    skipHeredocs(parser)
    return { kind: 'newline', start, text: '' }
  }
  const operator = readOperator(parser)
  if (operator !== undefined) return { kind: 'operator', start, text: operator }
  const word = readWord(parser)
  const text = plainText(word.parts) ?? ''
  if (/^\d+$/.test(text) && /[<>]/.test(parser.text.charAt(parser.at))) return readToken(parser)
  return { kind: 'word', start, text, word }
}

function skipBlanks(parser: Parser): void {
  for (;;) {
    skipContinuation(parser)
    const char = parser.text.charAt(parser.at)
    if (char === '#') parser.at = findLineEnd(parser.text, parser.at)
    else if (char === ' ' || char === '\t') parser.at++
    else return
  }
}

function findLineEnd(text: Bytes, from: number): number {
  const newline = text.indexOf('\n', from)
  return newline === -1 ? text.length : newline
}

/** Longest operator here; continued lines may stand between its characters. */
function readOperator(parser: Parser): string | undefined {
  const found = operators.find((operator) => {
    const pattern = operator.replace(/[^]/g, '(?:\\\\\\n)*\\$&')
    const match = new RegExp(pattern, 'y')
    match.lastIndex = parser.at
    const text = match.exec(parser.text)?.[0]
    if (text !== undefined) parser.at += text.length
    return text !== undefined
  })
  return found
}

function skipHeredocs(parser: Parser): void {
  for (const heredoc of parser.heredocs.splice(0)) {
    while (parser.at < parser.text.length) {
      const end = findLineEnd(parser.text, parser.at)
      const line = parser.text.slice(parser.at, end)
      parser.at = Math.min(end + 1, parser.text.length)
      if ((heredoc.strip ? line.replace(/^\t+/, '') : line) === heredoc.delimiter) break
    }
  }
}

export function unexpected(parser: Parser): void {
  const { token } = parser
  const shown = token.kind === 'end' ? 'end of file' : token.kind === 'newline' ? 'end of line' : token.text || 'word'
  fail(parser, token.start, `unexpected ${shown}`)
}

export function isWord(parser: Parser, text: string): boolean {
  return parser.token.kind === 'word' && parser.token.text === text
}

export function isOperator(parser: Parser, text: string): boolean {
  return parser.token.kind === 'operator' && parser.token.text === text
}

export function skipNewlines(parser: Parser): void {
  while (parser.token.kind === 'newline') advance(parser)
}

export function expect(parser: Parser, text: string): void {
  if (parser.problem === null && parser.token.kind !== 'end' && parser.token.text === text) advance(parser)
  else unexpected(parser)
}
