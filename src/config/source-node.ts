import type { SourcePosition } from '../core/diagnostic.ts'

/** A text of the user with the name it is shown by. Spans are UTF-16 offsets into `text`. */
export type SourceText = { readonly file: string; readonly text: string; readonly lineStarts: readonly number[] }

export type Span = { readonly source: SourceText; readonly start: number; readonly end: number }

/**
 * How a scalar was written. `ini-host`: on a host's line, where a shell's quotes are taken off before Python's literals
 * are read; `ini-vars`: below `[group:vars]`; `value`: never text of a file (an inventory script's JSON).
 */
export type ScalarStyle =
  | 'plain'
  | 'single-quoted'
  | 'double-quoted'
  | 'block-literal'
  | 'block-folded'
  | 'ini-host'
  | 'ini-vars'
  | 'value'

/** `literal`: never a template (text of inventory scripts, `!unsafe`). */
export type SourceScalar = {
  readonly kind: 'scalar'
  readonly value: string | number | boolean | null
  readonly style: ScalarStyle
  readonly literal: boolean
  readonly span: Span
}

export type SourceEntry = { readonly key: string; readonly keySpan: Span; readonly value: SourceNode }
export type SourceMap = { readonly kind: 'map'; readonly entries: readonly SourceEntry[]; readonly span: Span }
export type SourceList = { readonly kind: 'list'; readonly items: readonly SourceNode[]; readonly span: Span }

/** A value that the user wrote, with the places of all its parts. */
export type SourceNode = SourceScalar | SourceMap | SourceList

/** Variables by name, as written. */
export type Variables = ReadonlyMap<string, SourceNode>

export type PlainValue =
  | string
  | number
  | boolean
  | null
  | readonly PlainValue[]
  | { readonly [key: string]: PlainValue }

export function sourceText(file: string, text: string): SourceText {
  const lineStarts = [0]
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) lineStarts.push(at + 1)
  return { file, text, lineStarts }
}

/** Line and column of a span. Of a span over several lines, the part on its first line is marked. */
export function positionOf(span: Span): SourcePosition {
  const { source, start, end } = span
  if (source.text === '') return { file: source.file, line: 1, column: 1 }
  const line = findLine(source.lineStarts, start)
  const lineStart = source.lineStarts[line] ?? 0
  const text = lineText(source, line)
  const length = Math.max(1, Math.min(end, lineStart + text.length) - start)
  return { file: source.file, line: line + 1, column: start - lineStart + 1, length, text }
}

/** The text of a span as it stands in its file. */
export function rawText(span: Span): string {
  return span.source.text.slice(span.start, span.end)
}

export function findEntry(node: SourceNode | undefined, key: string): SourceEntry | undefined {
  return node?.kind === 'map' ? node.entries.find((entry) => entry.key === key) : undefined
}

export function isNull(node: SourceNode): boolean {
  return node.kind === 'scalar' && node.value === null
}

/** `a list`, `a mapping`, `the text "x"`: for messages. */
export function describeNode(node: SourceNode): string {
  if (node.kind === 'list') return 'a list'
  if (node.kind === 'map') return 'a mapping'
  if (node.value === null) return 'nothing'
  return typeof node.value === 'string' ? `the text ${JSON.stringify(node.value)}` : String(node.value)
}

/** The value without its places. */
export function plainValue(node: SourceNode): PlainValue {
  if (node.kind === 'scalar') return node.value
  if (node.kind === 'list') return node.items.map(plainValue)
  const object: Record<string, PlainValue> = {}
  for (const { key, value } of node.entries) setOwn(object, key, plainValue(value))
  return object
}

/** Assigns an own property, also for the name `__proto__`. */
export function setOwn<Value>(object: Record<string, Value>, key: string, value: Value): void {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
}

/** A node for a value that YAML did not read; `span` is where people look for it. */
export function nodeFromValue(
  value: unknown,
  span: Span,
  { style, literal }: { readonly style: ScalarStyle; readonly literal: boolean },
): SourceNode {
  const how = { style, literal }
  if (Array.isArray(value)) return { kind: 'list', items: value.map((item) => nodeFromValue(item, span, how)), span }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([key, item]) => ({
      key,
      keySpan: span,
      value: nodeFromValue(item, span, how),
    }))
    return { kind: 'map', entries, span }
  }
  return { kind: 'scalar', value: (value ?? null) as SourceScalar['value'], style, literal, span }
}

export function variablesOf(node: SourceNode): Variables {
  return new Map(node.kind === 'map' ? node.entries.map((entry) => [entry.key, entry.value]) : [])
}

/**
 * Where the value (or, with `part` key, its key) at a path below `node` stands; the deepest part that was written
 * when the path goes on into something a template made.
 */
export function locate(
  root: { readonly keySpan: Span; readonly value: SourceNode },
  path: readonly PropertyKey[],
  part: 'key' | 'value' = 'value',
): SourcePosition {
  let keySpan = root.keySpan
  let node = root.value
  for (const step of path) {
    const next = findStep(node, step)
    if (next === undefined) return positionOf(node.span)
    keySpan = next.keySpan
    node = next.value
  }
  return positionOf(part === 'key' || isNull(node) ? keySpan : node.span)
}

function findStep(node: SourceNode, step: PropertyKey): { keySpan: Span; value: SourceNode } | undefined {
  if (node.kind === 'map') return findEntry(node, String(step))
  const item = node.kind === 'list' ? node.items[Number(step)] : undefined
  return item && { keySpan: item.span, value: item }
}

function findLine(lineStarts: readonly number[], offset: number): number {
  let low = 0
  let high = lineStarts.length - 1
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if ((lineStarts[middle] ?? 0) <= offset) low = middle
    else high = middle - 1
  }
  return low
}

function lineText(source: SourceText, line: number): string {
  const end = (source.lineStarts[line + 1] ?? source.text.length + 1) - 1
  return source.text.slice(source.lineStarts[line], end).replace(/\r$/, '')
}
