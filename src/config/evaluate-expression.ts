import { meantHint } from './did-you-mean.ts'
import { defaulted, filters } from './expression-filters.ts'
import type { FilterArguments, FilterCall } from './expression-filters.ts'
import { contains, tests } from './expression-tests.ts'
import { ExpressionError } from './expression-tokens.ts'
import type { TextRange } from './expression-tokens.ts'
import { subexpressions } from './expression-tree.ts'
import type { Argument, Expression } from './expression-tree.ts'
import {
  compareValues,
  describeValue,
  findProperty,
  isDict,
  isList,
  isSame,
  isTrue,
  refuseMixedEquality,
  required,
  textOf,
  typeError,
  Undefined,
} from './expression-values.ts'
import type { Evaluated } from './expression-values.ts'
import { setOwn } from './source-node.ts'
import type { PlainValue } from './source-node.ts'

/** The names an expression may use. */
export type Scope = {
  /** undefined: there is no such variable. */
  readonly lookup: (name: string) => PlainValue | undefined
  readonly names: () => Iterable<string>
}

/**
 * The value of an expression in native types.
 * @throws ExpressionError, and what `lookup` throws; only inside the expression engine
 */
export function evaluateExpression(expression: Expression, scope: Scope): PlainValue {
  return required(evaluate(expression, scope))
}

function evaluate(node: Expression, scope: Scope): Evaluated {
  switch (node.kind) {
    case 'literal':
      return node.value
    case 'name':
      return evaluateName(node, scope)
    case 'list':
      return node.items.map((item) => evaluateExpression(item, scope))
    case 'dict':
      return evaluateDict(node, scope)
    case 'attribute':
      return findMember(evaluate(node.of, scope), node.name, node)
    case 'index':
      return findMember(evaluate(node.of, scope), evaluateExpression(node.index, scope), node)
    case 'unary':
      return evaluateUnary(node, scope)
    case 'binary':
      return evaluateBinary(node, scope)
    case 'comparison':
      return evaluateComparison(node, scope)
    case 'choice':
      return evaluateChoice(node, scope)
    case 'filter':
      return runFilter(node.name, evaluate(node.of, scope), evaluateArguments(node.args, scope), node)
    case 'test':
      break
  }
  return evaluateTest(node, scope) !== node.negated
}

type Node<Kind extends Expression['kind']> = Extract<Expression, { kind: Kind }>

function evaluateName(node: Node<'name'>, scope: Scope): Evaluated {
  const value = scope.lookup(node.name)
  if (value !== undefined) return value
  const message = `the variable ${JSON.stringify(node.name)} is not defined`
  return new Undefined(node, message, meantHint(node.name, scope.names()).hint)
}

function evaluateDict(node: Node<'dict'>, scope: Scope): PlainValue {
  const dict: Record<string, PlainValue> = {}
  for (const [key, value] of node.entries) {
    setOwn(dict, textOf(evaluateExpression(key, scope), key), evaluateExpression(value, scope))
  }
  return dict
}

/** An attribute of something undefined is undefined too, so that `a.b.c is defined` can be asked. */
function findMember(of: Evaluated, member: PlainValue, node: Expression): Evaluated {
  if (of instanceof Undefined) return of
  const found = isList(of)
    ? findItem(of, member)
    : isDict(of) && typeof member !== 'object'
      ? findProperty(of, String(member))
      : undefined
  if (found !== undefined) return found
  const range = { start: memberStart(node), end: node.end }
  if (!isDict(of)) return new Undefined(range, `${describeValue(of)} has no ${describeMember(member)}`)
  return missingMember({ range, of: pathOf(node), member: wordOf(member) }, Object.keys(of))
}

type Missing = {
  readonly range: TextRange
  /** What lacks it, as it is written. */
  readonly of: string | undefined
  readonly member: string
}

/** What a mapping does not have; facts are of a closed set, which has its reference. */
export function missingMember({ range, of, member }: Missing, known: Iterable<string>): Undefined {
  const isFact = of !== undefined && /^facts\b/.test(of)
  const hint = meantHint(member, known).hint ?? (isFact ? 'passway modules facts lists all of them' : undefined)
  return new Undefined(range, `${of ?? 'this'} has no ${JSON.stringify(member)}`, hint)
}

/** What a member is asked of, where that is a name and names below it: `facts.os`. */
function pathOf(node: Expression): string | undefined {
  return node.kind === 'attribute' || node.kind === 'index' ? constantPath(node.of)?.join('.') : undefined
}

/** `facts.os["id"]` is `facts`, `os`, `id`; undefined for everything that is no chain of names. */
export function constantPath(node: Expression): readonly string[] | undefined {
  if (node.kind === 'name') return [node.name]
  const member =
    node.kind === 'attribute'
      ? node.name
      : node.kind === 'index' && node.index.kind === 'literal' && typeof node.index.value === 'string'
        ? node.index.value
        : undefined
  if (member === undefined || (node.kind !== 'attribute' && node.kind !== 'index')) return undefined
  const of = constantPath(node.of)
  return of && [...of, member]
}

function wordOf(member: PlainValue): string {
  return typeof member === 'string' ? member : JSON.stringify(member)
}

/** Where the name of a member stands in the text. */
export function memberStart(node: Expression): number {
  if (node.kind === 'attribute') return node.end - node.name.length
  return node.kind === 'index' ? node.index.start : node.start
}

function describeMember(member: PlainValue): string {
  return typeof member === 'number' ? `item ${member}` : JSON.stringify(member)
}

function findItem(list: readonly PlainValue[], index: PlainValue): PlainValue | undefined {
  return typeof index === 'number' && Number.isInteger(index) ? list.at(index) : undefined
}

function evaluateUnary(node: Node<'unary'>, scope: Scope): PlainValue {
  const value = evaluateExpression(node.of, scope)
  if (node.operator === 'not') return !isCondition(value, node.of)
  if (typeof value !== 'number') throw typeError(node.of, `${describeValue(value)} is no number`)
  return node.operator === '-' ? -value : value
}

/** Texts that look like booleans are all true for Jinja; nobody means that. */
const booleanWords = new Set(['true', 'false', 'yes', 'no', 'on', 'off', '0', '1'])

/** Whether a condition holds. @throws ExpressionError for a text such as "no" */
export function isCondition(value: PlainValue, range: TextRange): boolean {
  if (typeof value === 'string' && booleanWords.has(value.toLowerCase())) {
    const message = `${describeValue(value)} as a condition is not the boolean`
    throw typeError(range, message, 'make it one: x | bool')
  }
  return isTrue(value)
}

function evaluateBinary(node: Node<'binary'>, scope: Scope): PlainValue {
  const left = evaluateExpression(node.left, scope)
  if (node.operator === 'and') return isCondition(left, node.left) ? evaluateExpression(node.right, scope) : left
  if (node.operator === 'or') return isCondition(left, node.left) ? left : evaluateExpression(node.right, scope)
  const right = evaluateExpression(node.right, scope)
  if (node.operator === '~') return bounded(textOf(left, node.left) + textOf(right, node.right), node)
  if (node.operator === '+' && typeof left === 'string' && typeof right === 'string') return bounded(left + right, node)
  if (node.operator === '+' && isList(left) && isList(right)) return [...left, ...right]
  if (typeof left === 'number' && typeof right === 'number') return calculate(node, left, right)
  throw typeError(node, `"${node.operator}" cannot join ${describeValue(left)} and ${describeValue(right)}`)
}

/** Text that grows by doubling itself must not take the memory. */
export function bounded(text: string, range: TextRange): string {
  if (text.length > 1_000_000) throw typeError(range, 'this makes a text of more than a million characters')
  return text
}

function calculate(node: Node<'binary'>, left: number, right: number): number {
  if ('+-*'.includes(node.operator)) return { '+': left + right, '-': left - right }[node.operator] ?? left * right
  if (right === 0) throw typeError(node.right, 'this divides by zero')
  if (node.operator === '/') return left / right
  return node.operator === '//' ? Math.floor(left / right) : left - right * Math.floor(left / right)
}

function evaluateComparison(node: Node<'comparison'>, scope: Scope): boolean {
  let left = evaluateExpression(node.first, scope)
  for (const { operator, value } of node.rest) {
    const right = evaluateExpression(value, scope)
    if (!compare(operator, left, right, { start: node.start, end: value.end })) return false
    left = right
  }
  return true
}

function compare(operator: string, left: PlainValue, right: PlainValue, range: TextRange): boolean {
  if (operator === 'in') return contains(right, left, range)
  if (operator === 'not in') return !contains(right, left, range)
  if (operator === '==' || operator === '!=') {
    refuseMixedEquality(left, right, range)
    return isSame(left, right) === (operator === '==')
  }
  const order = compareValues(left, right, range)
  if (operator === '<') return order < 0
  if (operator === '<=') return order <= 0
  return operator === '>' ? order > 0 : order >= 0
}

function evaluateChoice(node: Node<'choice'>, scope: Scope): Evaluated {
  if (isCondition(evaluateExpression(node.test, scope), node.test)) return evaluate(node.value, scope)
  if (node.otherwise !== null) return evaluate(node.otherwise, scope)
  return new Undefined(node, 'this has no value where its "if" does not hold', 'add an "else"')
}

function evaluateArguments(args: readonly Argument[], scope: Scope): FilterArguments {
  const positional: PlainValue[] = []
  const named = new Map<string, PlainValue>()
  for (const { name, value } of args) {
    if (name === null) positional.push(evaluateExpression(value, scope))
    else named.set(name, evaluateExpression(value, scope))
  }
  return { positional, named }
}

function runFilter(name: string, value: Evaluated, args: FilterArguments, range: TextRange): PlainValue {
  if (name === 'default' || name === 'd') return defaulted(value, args)
  const filter = filters.get(name)
  if (filter === undefined) throw unknownName('filter', name, range, filterNames)
  const call: FilterCall = {
    args,
    range,
    runTest: (test, item, rest) => runTest(test, item, rest, range),
    runFilter: (inner, item, rest) => runFilter(inner, item, rest, range),
  }
  return filter(required(value), call)
}

function evaluateTest(node: Node<'test'>, scope: Scope): boolean {
  return runTest(node.name, evaluate(node.of, scope), evaluateArguments(node.args, scope).positional, node)
}

function runTest(name: string, value: Evaluated, args: readonly PlainValue[], range: TextRange): boolean {
  if (name === 'defined') return !(value instanceof Undefined)
  if (name === 'undefined') return value instanceof Undefined
  const holds = tests.get(name)
  if (holds === undefined) throw unknownName('test', name, range, testNames)
  return holds(required(value), args, range)
}

/** Finds filters and tests that passway lacks before anything is evaluated. @throws ExpressionError */
export function checkNames(expression: Expression): void {
  if (expression.kind === 'filter') requireName('filter', expression.name, expression, filterNames)
  if (expression.kind === 'test') requireName('test', expression.name, expression, testNames)
  for (const part of subexpressions(expression)) checkNames(part)
}

const filterNames: readonly string[] = [...filters.keys(), 'default', 'd']
const testNames: readonly string[] = [...tests.keys(), 'defined', 'undefined']

function requireName(what: string, name: string, range: TextRange, known: readonly string[]): void {
  if (!known.includes(name)) throw unknownName(what, name, range, known)
}

function unknownName(what: string, name: string, range: TextRange, known: readonly string[]): ExpressionError {
  const listed = known
    .filter((candidate) => /^\w/.test(candidate))
    .sort()
    .join(', ')
  const hint = meantHint(name, known).hint ?? `passway knows: ${listed}`
  const message = `passway has no ${what} ${JSON.stringify(name)}`
  return new ExpressionError({ code: 'EXPRESSION_UNSUPPORTED', message, start: range.start, end: range.end, hint })
}
