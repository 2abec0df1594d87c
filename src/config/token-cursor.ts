import { syntaxError } from './expression-tokens.ts'
import type { Token } from './expression-tokens.ts'

/** Where a parser stands among its tokens. */
export type Parser = { readonly tokens: readonly Token[]; at: number; depth: number }

const depthLimit = 60

export function peek(parser: Parser): Token {
  return parser.tokens[Math.min(parser.at, parser.tokens.length - 1)] as Token
}

export function next(parser: Parser): Token {
  const token = peek(parser)
  parser.at++
  return token
}

export function isAt(parser: Parser, type: Token['type'], text: string): boolean {
  const token = peek(parser)
  return token.type === type && token.text === text
}

export function accept(parser: Parser, type: Token['type'], text: string): boolean {
  const found = isAt(parser, type, text)
  if (found) parser.at++
  return found
}

export function expectOperator(parser: Parser, text: string): Token {
  const token = next(parser)
  if (token.type === 'operator' && token.text === text) return token
  throw token.type === 'end' ? syntaxError(token, `${JSON.stringify(text)} is missing`) : unexpected(token)
}

export function unexpected(token: Token): Error {
  if (token.type === 'end') return syntaxError(token, 'the expression ends too early')
  const hint = token.text === '=' ? 'compare with "=="' : undefined
  return syntaxError(token, `${JSON.stringify(token.text)} is not expected here`, hint)
}

export function deeper<Result>(parser: Parser, parse: (parser: Parser) => Result): Result {
  if (++parser.depth > depthLimit) throw syntaxError(peek(parser), 'this expression is nested too deeply')
  const result = parse(parser)
  parser.depth--
  return result
}
