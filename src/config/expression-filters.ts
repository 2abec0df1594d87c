import type { TextRange } from './expression-tokens.ts'
import {
  compareValues,
  describeValue,
  findNumber,
  findProperty,
  isDict,
  isList,
  isSame,
  isTrue,
  required,
  textOf,
  typeError,
  Undefined,
} from './expression-values.ts'
import type { Evaluated } from './expression-values.ts'
import type { PlainValue } from './source-node.ts'

/** Arguments of a filter: by position, and by name. */
export type FilterArguments = {
  readonly positional: readonly PlainValue[]
  readonly named: ReadonlyMap<string, PlainValue>
}

/** What a filter gets beside its value. `test` runs a test by its name, for selectattr. */
export type FilterCall = {
  readonly args: FilterArguments
  readonly range: TextRange
  readonly runTest: (name: string, value: Evaluated, args: readonly PlainValue[]) => boolean
  readonly runFilter: (name: string, value: Evaluated, args: FilterArguments) => PlainValue
}

type Filter = (value: PlainValue, call: FilterCall) => PlainValue

/** All filters but `default`, which alone accepts what is undefined. */
export const filters: ReadonlyMap<string, Filter> = new Map<string, Filter>([
  ['bool', (value, { range }) => booleanOf(value, range)],
  ['count', lengthOf],
  ['first', (value, call) => listOf(value, call).at(0) ?? noItem(call)],
  ['float', (value, call) => numberOf(value, call)],
  ['int', (value, call) => Math.trunc(numberOf(value, call))],
  [
    'join',
    (value, call) =>
      listOf(value, call)
        .map((item) => textOf(item, call.range))
        .join(argumentText(call, 0, 'd', '')),
  ],
  ['last', (value, call) => listOf(value, call).at(-1) ?? noItem(call)],
  ['length', lengthOf],
  ['list', (value, call) => (isDict(value) ? Object.keys(value) : listOf(value, call))],
  ['lower', (value, { range }) => wordOf(value, range).toLowerCase()],
  ['map', mapped],
  ['max', (value, call) => sorted(value, call).at(-1) ?? noItem(call)],
  ['min', (value, call) => sorted(value, call).at(0) ?? noItem(call)],
  ['reject', (value, call) => listOf(value, call).filter((item) => !testItem(item, call, 0))],
  ['rejectattr', (value, call) => listOf(value, call).filter((item) => !testAttribute(item, call))],
  ['replace', replaced],
  ['select', (value, call) => listOf(value, call).filter((item) => testItem(item, call, 0))],
  ['selectattr', (value, call) => listOf(value, call).filter((item) => testAttribute(item, call))],
  ['sort', sorted],
  ['split', (value, call) => split(wordOf(value, call.range), call)],
  ['string', (value, { range }) => (typeof value === 'boolean' ? (value ? 'True' : 'False') : textOf(value, range))],
  ['trim', (value, { range }) => wordOf(value, range).trim()],
  ['unique', (value, call) => unique(listOf(value, call))],
  ['upper', (value, { range }) => wordOf(value, range).toUpperCase()],
])

/** `default(x)`: in place of what is undefined; with a true second argument also in place of what is empty. */
export function defaulted(value: Evaluated, args: FilterArguments): PlainValue {
  const fallback = findArgument(args, 0, 'default_value') ?? ''
  if (value instanceof Undefined) return fallback
  return isTrue(findArgument(args, 1, 'boolean') ?? false) && !isTrue(value) ? fallback : value
}

/** Own properties by a dotted path. */
export function findAttribute(value: PlainValue, path: string): PlainValue | undefined {
  let found: PlainValue | undefined = value
  for (const name of path.split('.')) {
    if (found === undefined || !isDict(found)) return undefined
    found = findProperty(found, name)
  }
  return found
}

const trueWords = new Set(['true', 'yes', 'on', '1'])
const falseWords = new Set(['false', 'no', 'off', '0', ''])

function booleanOf(value: PlainValue, range: TextRange): boolean {
  if (typeof value === 'boolean') return value
  if (value === null) return false
  const word = wordOf(value, range).toLowerCase()
  if (trueWords.has(word)) return true
  if (falseWords.has(word)) return false
  throw typeError(range, `${describeValue(value)} is no boolean`)
}

function findArgument(args: FilterArguments, index: number, name: string): PlainValue | undefined {
  return args.named.get(name) ?? args.positional[index]
}

function argumentText(call: FilterCall, index: number, name: string, fallback: string): string {
  const value = findArgument(call.args, index, name)
  return value === undefined ? fallback : textOf(value, call.range)
}

/** Text filters take booleans as Python would print them, in lower case after `lower`. */
function wordOf(value: PlainValue, range: TextRange): string {
  return typeof value === 'boolean' ? String(value) : textOf(value, range)
}

function listOf(value: PlainValue, { range }: FilterCall): readonly PlainValue[] {
  if (isList(value)) return value
  throw typeError(range, `this filter needs a list, not ${describeValue(value)}`)
}

function noItem({ range }: FilterCall): never {
  throw typeError(range, 'the list is empty', 'give a fallback: x[0] | default(…)')
}

function lengthOf(value: PlainValue, { range }: FilterCall): number {
  if (typeof value === 'string' || isList(value)) return value.length
  if (isDict(value)) return Object.keys(value).length
  throw typeError(range, `${describeValue(value)} has no length`)
}

/** Jinja makes 0 of text that is no number; passway refuses it unless a fallback is given. */
function numberOf(value: PlainValue, call: FilterCall): number {
  if (typeof value === 'number') return value
  if (typeof value === 'boolean') return Number(value)
  const number = typeof value === 'string' ? findNumber(value) : undefined
  const fallback = number ?? findArgument(call.args, 0, 'default')
  if (typeof fallback === 'number') return fallback
  throw typeError(call.range, `${describeValue(value)} is no number`)
}

function split(text: string, call: FilterCall): readonly string[] {
  const separator = argumentText(call, 0, 'sep', '')
  return separator === '' ? text.split(/\s+/).filter(Boolean) : text.split(separator)
}

function replaced(value: PlainValue, call: FilterCall): string {
  const text = wordOf(value, call.range)
  return text.replaceAll(argumentText(call, 0, 'old', ''), () => argumentText(call, 1, 'new', ''))
}

function sorted(value: PlainValue, call: FilterCall): readonly PlainValue[] {
  const attribute = call.args.named.get('attribute')
  const keyOf = (item: PlainValue): PlainValue =>
    attribute === undefined ? item : (findAttribute(item, textOf(attribute, call.range)) ?? null)
  const items = listOf(value, call).toSorted((left, right) => compareValues(keyOf(left), keyOf(right), call.range))
  return isTrue(findArgument(call.args, 0, 'reverse') ?? false) ? items.toReversed() : items
}

function unique(items: readonly PlainValue[]): readonly PlainValue[] {
  return items.filter((item, index) => items.findIndex((other) => isSame(item, other)) === index)
}

/** `map(attribute='address')`, or `map('lower')`. */
function mapped(value: PlainValue, call: FilterCall): readonly PlainValue[] {
  const items = listOf(value, call)
  const attribute = call.args.named.get('attribute')
  if (attribute === undefined) return items.map((item) => mapByFilter(item, call))
  const path = textOf(attribute, call.range)
  const fallback = call.args.named.get('default')
  return items.map((item) => {
    const found = findAttribute(item, path) ?? fallback
    return required(found ?? new Undefined(call.range, `an item of this list has no ${JSON.stringify(path)}`))
  })
}

function mapByFilter(item: PlainValue, call: FilterCall): PlainValue {
  const [name, ...positional] = call.args.positional
  if (typeof name !== 'string') throw typeError(call.range, "map needs attribute='…' or the name of a filter")
  return call.runFilter(name, item, { positional, named: call.args.named })
}

function testItem(item: Evaluated, call: FilterCall, from: number): boolean {
  const [name, ...args] = call.args.positional.slice(from)
  if (name === undefined) return !(item instanceof Undefined) && isTrue(item)
  return call.runTest(textOf(name, call.range), item, args)
}

/** `selectattr('class', '==', '030000')`. */
function testAttribute(item: PlainValue, call: FilterCall): boolean {
  const path = argumentText(call, 0, 'attribute', '')
  const found = findAttribute(item, path)
  return testItem(found ?? new Undefined(call.range, `an item of this list has no ${JSON.stringify(path)}`), call, 1)
}
