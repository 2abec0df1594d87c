/** Characters `start` to `end` of the text that holds the expression. */
export type TextRange = { readonly start: number; readonly end: number }

export type Token = TextRange &
  (
    | { readonly type: 'name' | 'operator' | 'string'; readonly text: string }
    | { readonly type: 'number'; readonly text: string; readonly value: number }
    | { readonly type: 'end'; readonly text: '' }
  )

/** What is wrong with an expression, and where in its text. */
export type ExpressionProblem = TextRange & { readonly code: string; readonly message: string; readonly hint?: string }

/** Thrown inside the expression engine only; its entrances turn it into a Diagnostic. */
export class ExpressionError extends Error {
  readonly problem: ExpressionProblem

  constructor(problem: ExpressionProblem) {
    super(problem.message)
    this.problem = problem
  }
}

export function syntaxError(range: TextRange, message: string, hint?: string): ExpressionError {
  const { start, end } = range
  return new ExpressionError({
    code: 'EXPRESSION_SYNTAX',
    message,
    start,
    end,
    ...(hint === undefined ? {} : { hint }),
  })
}

/** More tokens than any expression that people write; it keeps the tree shallow. */
const tokenLimit = 1000

const closers: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' }
const operators = ['//', '**', '==', '!=', '<=', '>=', ...'()[]{}<>+-*/%~|.,:='.split('')] as const
const numberPattern = /\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?/y
const namePattern = /[\p{L}_][\p{L}\p{N}_]*/uy
const stringPattern = /'(?:[^'\\]|\\[^])*'|"(?:[^"\\]|\\[^])*"/y
const spacePattern = /\s*/y

/**
 * Splits an expression into tokens, the last one of type `end`.
 * With `closing`, the expression ends before the `}}` that is outside of all brackets and strings; its absence is an error.
 */
export function readTokens(text: string, start: number, closing: boolean): readonly Token[] {
  const tokens: Token[] = []
  const brackets: string[] = []
  let at = start
  for (;;) {
    at = skipSpace(text, at)
    if (closing && brackets.length === 0 && text.startsWith('}}', at)) return [...tokens, endToken(at)]
    if (at >= text.length) {
      if (closing) throw syntaxError({ start: start - 2, end: start }, 'this "{{" has no "}}"')
      return [...tokens, endToken(at)]
    }
    const token = readToken(text, at)
    if (tokens.push(token) > tokenLimit) throw syntaxError(token, 'this expression is too long')
    trackBrackets(brackets, token)
    at = token.end
  }
}

function skipSpace(text: string, at: number): number {
  return at + (matchAt(spacePattern, text, at)?.length ?? 0)
}

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0]
}

function endToken(at: number): Token {
  return { type: 'end', text: '', start: at, end: at }
}

function trackBrackets(brackets: string[], token: Token): void {
  if (token.type !== 'operator') return
  const closer = closers[token.text]
  if (closer !== undefined) brackets.push(closer)
  else if (token.text === brackets.at(-1)) brackets.pop()
}

function readToken(text: string, start: number): Token {
  const number = matchAt(numberPattern, text, start)
  if (number !== undefined) return numberToken(text, start, number)
  const name = matchAt(namePattern, text, start)
  if (name !== undefined) return { type: 'name', text: name, start, end: start + name.length }
  const quoted = matchAt(stringPattern, text, start)
  if (quoted !== undefined)
    return { type: 'string', text: unescape(quoted.slice(1, -1)), start, end: start + quoted.length }
  const operator = operators.find((candidate) => text.startsWith(candidate, start))
  if (operator !== undefined) return { type: 'operator', text: operator, start, end: start + operator.length }
  throw unknownCharacter(text, start)
}

/** `10de` and `01:00` are ids and addresses that lack their quotes. */
function numberToken(text: string, start: number, number: string): Token {
  const end = start + number.length
  const next = matchAt(namePattern, text, end)
  if (next !== undefined) {
    const range = { start, end: end + next.length }
    throw syntaxError(range, `"${number}${next}" is neither a number nor a name`, `quote it: '${number}${next}'`)
  }
  return { type: 'number', text: number, value: Number(number.replaceAll('_', '')), start, end }
}

function unknownCharacter(text: string, start: number): ExpressionError {
  const character = String.fromCodePoint(text.codePointAt(start) ?? 0)
  const range = { start, end: start + character.length }
  if (character === '"' || character === "'") return syntaxError(range, 'this quote is not closed')
  const hints: Readonly<Record<string, string>> = { '&': 'write "and"', '!': 'write "not"' }
  return syntaxError(range, `${JSON.stringify(character)} has no meaning in an expression`, hints[character])
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '\\': '\\', "'": "'", '"': '"' }

/** Escapes of Jinja's strings; an unknown one stays as written, as in Python. */
function unescape(text: string): string {
  return text.replaceAll(/\\(x[\da-fA-F]{2}|u[\da-fA-F]{4}|[^])/g, (whole, name: string) => {
    if (name.length > 1) return String.fromCharCode(Number.parseInt(name.slice(1), 16))
    return escapes[name] ?? whole
  })
}
