import { readTokens, syntaxError } from './expression-tokens.ts'
import type { Token } from './expression-tokens.ts'
import type { Argument, Expression } from './expression-tree.ts'
import { accept, deeper, expectOperator, isAt, next, peek, unexpected } from './token-cursor.ts'
import type { Parser } from './token-cursor.ts'

const constants = new Map<string, boolean | null>([
  ['true', true],
  ['True', true],
  ['false', false],
  ['False', false],
  ['none', null],
  ['None', null],
  ['null', null],
])
const reserved = new Set(['and', 'or', 'not', 'in', 'is', 'if', 'else'])
const comparisons = new Set(['==', '!=', '<', '<=', '>', '>='])

/**
 * Parses the expression in `text` from `start`: up to its end, or up to the closing `}}` with `closing`.
 * @throws ExpressionError, only inside the expression engine
 */
export function parseExpressionAt(
  text: string,
  start: number,
  closing: boolean,
): { expression: Expression; end: number } {
  const parser: Parser = { tokens: readTokens(text, start, closing), at: 0, depth: 0 }
  const expression = parseChoice(parser)
  const rest = peek(parser)
  if (rest.type !== 'end') throw unexpected(rest)
  return { expression, end: rest.end }
}

function parseChoice(parser: Parser): Expression {
  return deeper(parser, parseChoiceInside)
}

function parseChoiceInside(parser: Parser): Expression {
  const value = parseOr(parser)
  if (!accept(parser, 'name', 'if')) return value
  const test = parseOr(parser)
  const otherwise = accept(parser, 'name', 'else') ? parseChoice(parser) : null
  return { kind: 'choice', test, value, otherwise, start: value.start, end: (otherwise ?? test).end }
}

function parseOr(parser: Parser): Expression {
  let left = parseAnd(parser)
  while (accept(parser, 'name', 'or')) left = binary('or', left, parseAnd(parser))
  return left
}

function parseAnd(parser: Parser): Expression {
  let left = parseNot(parser)
  while (accept(parser, 'name', 'and')) left = binary('and', left, parseNot(parser))
  return left
}

function binary(operator: string, left: Expression, right: Expression): Expression {
  return { kind: 'binary', operator, left, right, start: left.start, end: right.end }
}

function parseNot(parser: Parser): Expression {
  const { start } = peek(parser)
  if (!accept(parser, 'name', 'not')) return parseComparison(parser)
  const of = deeper(parser, parseNot)
  return { kind: 'unary', operator: 'not', of, start, end: of.end }
}

function parseComparison(parser: Parser): Expression {
  const first = parseSum(parser)
  const rest: { operator: string; value: Expression }[] = []
  for (let operator = acceptComparison(parser); operator !== undefined; operator = acceptComparison(parser)) {
    rest.push({ operator, value: parseSum(parser) })
  }
  const last = rest.at(-1)
  return last === undefined ? first : { kind: 'comparison', first, rest, start: first.start, end: last.value.end }
}

function acceptComparison(parser: Parser): string | undefined {
  const token = peek(parser)
  if (token.type === 'operator' && comparisons.has(token.text)) return next(parser).text
  if (accept(parser, 'name', 'in')) return 'in'
  const following = parser.tokens[parser.at + 1]
  if (!isAt(parser, 'name', 'not') || following?.type !== 'name' || following.text !== 'in') return undefined
  parser.at += 2
  return 'not in'
}

function parseSum(parser: Parser): Expression {
  return parseLeft(parser, ['+', '-'], parseConcatenation)
}

function parseConcatenation(parser: Parser): Expression {
  return parseLeft(parser, ['~'], parseProduct)
}

function parseProduct(parser: Parser): Expression {
  return parseLeft(parser, ['*', '/', '//', '%'], parseUnary)
}

function parseLeft(parser: Parser, operators: readonly string[], parse: (parser: Parser) => Expression): Expression {
  let left = parse(parser)
  for (;;) {
    const token = peek(parser)
    if (token.type !== 'operator' || !operators.includes(token.text)) return left
    parser.at++
    left = binary(token.text, left, parse(parser))
  }
}

function parseUnary(parser: Parser): Expression {
  return parseFilters(parser, parsePostfix(parser, parseSigned(parser)))
}

function parseSigned(parser: Parser): Expression {
  const { start } = peek(parser)
  for (const operator of ['-', '+'] as const) {
    if (!accept(parser, 'operator', operator)) continue
    const of = deeper(parser, (inner) => parsePostfix(inner, parseSigned(inner)))
    return { kind: 'unary', operator, of, start, end: of.end }
  }
  return parsePrimary(parser)
}

function parsePrimary(parser: Parser): Expression {
  const token = next(parser)
  const { start, end } = token
  if (token.type === 'number') return { kind: 'literal', value: token.value, start, end }
  if (token.type === 'string') return parseString(parser, token)
  if (token.type === 'name') return nameExpression(token)
  if (token.text === '(') return parseParentheses(parser, start)
  if (token.text === '[') return parseList(parser, start)
  if (token.text === '{') return parseDict(parser, start)
  throw unexpected(token)
}

/** Strings beside each other are one, as in Python. */
function parseString(parser: Parser, first: Token): Expression {
  let { text, end } = first
  while (peek(parser).type === 'string') {
    const token = next(parser)
    text += token.text
    end = token.end
  }
  return { kind: 'literal', value: text, start: first.start, end }
}

function nameExpression(token: Token): Expression {
  const { text, start, end } = token
  const constant = constants.get(text)
  if (constant !== undefined) return { kind: 'literal', value: constant, start, end }
  if (reserved.has(text)) throw unexpected(token)
  return { kind: 'name', name: text, start, end }
}

function parseParentheses(parser: Parser, start: number): Expression {
  const inner = parseChoice(parser)
  if (isAt(parser, 'operator', ',')) throw syntaxError(peek(parser), 'passway has no tuples', 'write a list: [a, b]')
  return { ...inner, start, end: expectOperator(parser, ')').end }
}

function parseList(parser: Parser, start: number): Expression {
  const items: Expression[] = []
  while (!isAt(parser, 'operator', ']')) {
    items.push(parseChoice(parser))
    if (!accept(parser, 'operator', ',')) break
  }
  return { kind: 'list', items, start, end: expectOperator(parser, ']').end }
}

function parseDict(parser: Parser, start: number): Expression {
  const entries: [Expression, Expression][] = []
  while (!isAt(parser, 'operator', '}')) {
    const key = parseChoice(parser)
    expectOperator(parser, ':')
    entries.push([key, parseChoice(parser)])
    if (!accept(parser, 'operator', ',')) break
  }
  return { kind: 'dict', entries, start, end: expectOperator(parser, '}').end }
}

function parsePostfix(parser: Parser, first: Expression): Expression {
  let of = first
  for (;;) {
    if (accept(parser, 'operator', '.')) of = parseAttribute(parser, of)
    else if (accept(parser, 'operator', '[')) of = parseIndex(parser, of)
    else if (isAt(parser, 'operator', '(')) {
      throw syntaxError(peek(parser), 'passway calls no functions or methods', 'use a filter: x | lower')
    } else return of
  }
}

function parseAttribute(parser: Parser, of: Expression): Expression {
  const token = next(parser)
  const { text, start, end } = token
  if (token.type === 'name') return { kind: 'attribute', of, name: text, start: of.start, end }
  if (token.type !== 'number' || !/^\d+$/.test(text)) throw unexpected(token)
  return { kind: 'index', of, index: { kind: 'literal', value: token.value, start, end }, start: of.start, end }
}

function parseIndex(parser: Parser, of: Expression): Expression {
  const index = parseChoice(parser)
  if (isAt(parser, 'operator', ':'))
    throw syntaxError(peek(parser), 'passway has no slices', 'use first, last or an index')
  return { kind: 'index', of, index, start: of.start, end: expectOperator(parser, ']').end }
}

function parseFilters(parser: Parser, first: Expression): Expression {
  let of = first
  for (;;) {
    if (accept(parser, 'operator', '|')) of = parseFilter(parser, of)
    else if (accept(parser, 'name', 'is')) of = parseTest(parser, of)
    else return of
  }
}

function parseFilter(parser: Parser, of: Expression): Expression {
  const name = parseDottedName(parser)
  const args = accept(parser, 'operator', '(') ? parseArguments(parser) : []
  return { kind: 'filter', of, name: name.text, args, start: name.start, end: name.end }
}

/** A test's only argument may stand without parentheses: `x is divisibleby 2`. */
function parseTest(parser: Parser, of: Expression): Expression {
  const negated = accept(parser, 'name', 'not')
  const name = parseDottedName(parser)
  const args = accept(parser, 'operator', '(') ? parseArguments(parser) : parseBareArgument(parser)
  return { kind: 'test', of, name: name.text, args, negated, start: name.start, end: name.end }
}

function parseBareArgument(parser: Parser): readonly Argument[] {
  const token = peek(parser)
  const bare = token.type === 'string' || token.type === 'number'
  return bare ? [{ name: null, value: parsePostfix(parser, parsePrimary(parser)) }] : []
}

function parseDottedName(parser: Parser): { text: string; start: number; end: number } {
  const token = next(parser)
  if (token.type !== 'name') throw unexpected(token)
  let { text, end } = token
  while (accept(parser, 'operator', '.')) {
    const part = next(parser)
    if (part.type !== 'name') throw unexpected(part)
    text += `.${part.text}`
    end = part.end
  }
  return { text: text.replace(/^ansible\.builtin\./, ''), start: token.start, end }
}

function parseArguments(parser: Parser): readonly Argument[] {
  const args: Argument[] = []
  while (!isAt(parser, 'operator', ')')) {
    args.push(parseArgument(parser))
    if (!accept(parser, 'operator', ',')) break
  }
  expectOperator(parser, ')')
  return args
}

function parseArgument(parser: Parser): Argument {
  const following = parser.tokens[parser.at + 1]
  const named = peek(parser).type === 'name' && following?.type === 'operator' && following.text === '='
  const name = named ? next(parser).text : null
  if (named) parser.at++
  return { name, value: parseChoice(parser) }
}
