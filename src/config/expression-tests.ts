import type { TextRange } from './expression-tokens.ts'
import { compareValues, describeValue, isDict, isList, isSame, textOf, typeError } from './expression-values.ts'
import type { PlainValue } from './source-node.ts'

type Test = (value: PlainValue, args: readonly PlainValue[], range: TextRange) => boolean

/** Tests that stand after `is`; `defined` and `undefined` are the evaluator's own. */
export const tests: ReadonlyMap<string, Test> = new Map<string, Test>([
  ['==', (value, args) => isSame(value, args[0] ?? null)],
  ['!=', (value, args) => !isSame(value, args[0] ?? null)],
  ['>', (value, args, range) => compareValues(value, args[0] ?? null, range) > 0],
  ['>=', (value, args, range) => compareValues(value, args[0] ?? null, range) >= 0],
  ['<', (value, args, range) => compareValues(value, args[0] ?? null, range) < 0],
  ['<=', (value, args, range) => compareValues(value, args[0] ?? null, range) <= 0],
  ['boolean', (value) => typeof value === 'boolean'],
  ['eq', (value, args) => isSame(value, args[0] ?? null)],
  ['equalto', (value, args) => isSame(value, args[0] ?? null)],
  ['false', (value) => value === false],
  ['in', (value, args, range) => contains(args[0] ?? null, value, range)],
  ['integer', (value) => Number.isInteger(value)],
  ['mapping', (value) => isDict(value)],
  ['ne', (value, args) => !isSame(value, args[0] ?? null)],
  ['none', (value) => value === null],
  ['number', (value) => typeof value === 'number'],
  ['sequence', (value) => isList(value) || typeof value === 'string' || isDict(value)],
  ['string', (value) => typeof value === 'string'],
  ['true', (value) => value === true],
  ['version', isVersion],
])

/** `x in y`: an item of a list, a key of a mapping, a part of a text. */
export function contains(container: PlainValue, value: PlainValue, range: TextRange): boolean {
  if (isList(container)) return container.some((item) => isSame(item, value))
  if (isDict(container)) return typeof value === 'string' && Object.hasOwn(container, value)
  if (typeof container === 'string' && typeof value === 'string') return container.includes(value)
  throw typeError(range, `${describeValue(container)} holds nothing that "in" could find`)
}

const versionOperators: Readonly<Record<string, (order: number) => boolean>> = {
  '==': (order) => order === 0,
  '!=': (order) => order !== 0,
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
}

/** `facts.kernel.release is version('6.1', '>=')`: numbers by value, the rest as text, part by part. */
function isVersion(value: PlainValue, args: readonly PlainValue[], range: TextRange): boolean {
  const operator = textOf(args[1] ?? '==', range)
  const holds = Object.hasOwn(versionOperators, operator) ? versionOperators[operator] : undefined
  if (args[0] === undefined || holds === undefined) {
    throw typeError(range, "version needs a version and one of == != < <= > >=: version('6.1', '>=')")
  }
  return holds(compareVersions(textOf(value, range), textOf(args[0], range)))
}

function compareVersions(left: string, right: string): number {
  const [first, second] = [versionParts(left), versionParts(right)]
  for (let index = 0; index < Math.max(first.length, second.length); index++) {
    const order = compareParts(first[index], second[index])
    if (order !== 0) return order
  }
  return 0
}

function versionParts(text: string): readonly string[] {
  return text.match(/\d+|[a-zA-Z]+/g) ?? []
}

/** A missing part is 0: 6.1 equals 6.1.0. */
function compareParts(left: string | undefined, right: string | undefined): number {
  const [first, second] = [left ?? '0', right ?? '0']
  const order = Number(first) - Number(second)
  if (!Number.isNaN(order)) return order
  return first < second ? -1 : Number(first > second)
}
