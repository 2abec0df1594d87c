import { ExpressionError } from './expression-tokens.ts'
import type { ExpressionProblem, TextRange } from './expression-tokens.ts'
import type { PlainValue } from './source-node.ts'

/** What a missing name or attribute evaluates to: `default` and `is defined` accept it, everything else refuses it. */
export class Undefined {
  readonly range: TextRange
  /** What is undefined: `"gpu_id"`, `facts.os has no "vesion"`. */
  readonly message: string
  readonly hint: string | undefined

  constructor(range: TextRange, message: string, hint?: string) {
    this.range = range
    this.message = message
    this.hint = hint
  }
}

export type Evaluated = PlainValue | Undefined

export function typeError(range: TextRange, message: string, hint?: string): ExpressionError {
  const { start, end } = range
  return new ExpressionError({ code: 'EXPRESSION_TYPE', message, start, end, ...(hint === undefined ? {} : { hint }) })
}

/** The value, where one is needed. @throws ExpressionError for an undefined one */
export function required(value: Evaluated): PlainValue {
  if (!(value instanceof Undefined)) return value
  throw new ExpressionError(undefinedProblem(value))
}

export function undefinedProblem({ range, message, hint }: Undefined): ExpressionProblem {
  const details = hint === undefined ? {} : { hint }
  return { code: 'VARIABLE_UNDEFINED', message, start: range.start, end: range.end, ...details }
}

export function isList(value: PlainValue): value is readonly PlainValue[] {
  return Array.isArray(value)
}

export function isDict(value: PlainValue): value is { readonly [key: string]: PlainValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Own properties only: `constructor`, `__proto__` and their like are not there. */
export function findProperty(dict: { readonly [key: string]: PlainValue }, name: string): PlainValue | undefined {
  return Object.hasOwn(dict, name) ? dict[name] : undefined
}

/** Python's truth: empty text, lists and mappings, 0, false and none are false. */
export function isTrue(value: PlainValue): boolean {
  if (isList(value)) return value.length > 0
  if (isDict(value)) return Object.keys(value).length > 0
  return Boolean(value)
}

export function describeValue(value: PlainValue): string {
  if (value === null) return 'none'
  if (isList(value)) return 'a list'
  if (isDict(value)) return 'a mapping'
  return typeof value === 'string' ? `the text ${JSON.stringify(value)}` : `the ${typeof value} ${String(value)}`
}

/** Text of a value inside other text. Where Jinja would print Python's notation, it is refused. */
export function textOf(value: PlainValue, range: TextRange): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return String(value)
  if (typeof value === 'boolean') {
    throw typeError(range, `the boolean ${value} cannot stand inside text`, "say which text: 'on' if x else 'off'")
  }
  const hint = isList(value) ? "join it: x | join(',')" : undefined
  throw typeError(range, `${describeValue(value)} cannot stand inside text`, hint)
}

/** Numbers as people write them in YAML; undefined for other text. */
export function findNumber(text: string): number | undefined {
  return /^\s*[-+]?\d+(\.\d+)?([eE][-+]?\d+)?\s*$/.test(text) ? Number(text) : undefined
}

export function isSame(left: PlainValue, right: PlainValue): boolean {
  if (isList(left) && isList(right)) {
    return left.length === right.length && left.every((item, index) => isSame(item, right[index] ?? null))
  }
  if (!isDict(left) || !isDict(right)) return left === right
  const keys = Object.keys(left)
  if (keys.length !== Object.keys(right).length) return false
  return keys.every((key) => {
    const other = findProperty(right, key)
    return other !== undefined && isSame(left[key] ?? null, other)
  })
}

/** Order of two numbers or two texts (by code unit). @throws ExpressionError for anything else */
export function compareValues(left: PlainValue, right: PlainValue, range: TextRange): number {
  if (typeof left === 'number' && typeof right === 'number') return left - right
  if (typeof left === 'string' && typeof right === 'string') return left < right ? -1 : Number(left > right)
  throw typeError(range, `${describeValue(left)} and ${describeValue(right)} have no order`, numberHint(left, right))
}

/** A text that looks like a number is never equal to a number; it was hardly meant so. */
export function refuseMixedEquality(left: PlainValue, right: PlainValue, range: TextRange): void {
  const hint = numberHint(left, right)
  if (hint === undefined) return
  throw typeError(range, `${describeValue(left)} never equals ${describeValue(right)}`, hint)
}

function numberHint(left: PlainValue, right: PlainValue): string | undefined {
  const text = [left, right].find((value) => typeof value === 'string' && findNumber(value) !== undefined)
  const number = [left, right].find((value) => typeof value === 'number')
  return text === undefined || number === undefined
    ? undefined
    : `make both a number (x | int) or quote the number: '${number}'`
}
