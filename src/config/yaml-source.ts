import { isAlias, isMap, isScalar, isSeq, parseDocument } from 'yaml'
import type { Document, Node, YAMLError, YAMLMap } from 'yaml'
import { error } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import { positionOf, rawText, sourceText } from './source-node.ts'
import type { ScalarStyle, SourceEntry, SourceNode, SourceScalar, SourceText, Span } from './source-node.ts'

export type ParsedYaml = { readonly node: SourceNode | null; readonly diagnostics: readonly Diagnostic[] }

/** Words that Ansible's YAML 1.1 reads as booleans; the rest is YAML 1.2, where `8086:10` and `0x` ids of sysfs stay text. */
const ansibleBooleans = new Map<string, boolean>(
  ['yes', 'Yes', 'YES', 'on', 'On', 'ON'].map((word): [string, boolean] => [word, true]),
)
for (const word of ['no', 'No', 'NO', 'off', 'Off', 'OFF']) ansibleBooleans.set(word, false)

/** Aliases are followed by copying; a file that unfolds to more is refused. */
const nodeLimit = 200_000

/** Deeper nesting is refused. */
const depthLimit = 100

type Conversion = {
  readonly source: SourceText
  readonly document: Document.Parsed
  readonly diagnostics: Diagnostic[]
  /** Anchored nodes being unfolded: an alias to one of them is a loop. */
  readonly open: Set<Node>
  nodes: number
}

/**
 * Parses one YAML document and keeps the place of every key and value. All problems come out together:
 * syntax, tabs, duplicate keys, tags, vault values. `node` is null for an empty document and after syntax errors.
 */
export function parseYaml(file: string, text: string): ParsedYaml {
  const source = sourceText(file, text)
  if (text.startsWith('$ANSIBLE_VAULT')) return { node: null, diagnostics: [vaultUnsupported(source, 0, 14)] }
  const document = parseDocument(text, { uniqueKeys: false, prettyErrors: false, stringKeys: false, logLevel: 'error' })
  const problems = distinctLines(document.errors.map((problem) => syntaxDiagnostic(source, problem)))
  if (problems.length > 0 || document.contents === null) return { node: null, diagnostics: problems }
  const conversion: Conversion = { source, document, diagnostics: [], open: new Set(), nodes: 0 }
  return { node: convert(conversion, document.contents, 0, false), diagnostics: conversion.diagnostics }
}

/** `quote it: "0e10"` for a value that YAML did not read as text, though it was meant so. */
export function findQuoteHint(node: SourceNode): string | undefined {
  if (node.kind !== 'scalar' || typeof node.value === 'string' || node.value === null) return undefined
  const raw = rawText(node.span)
  if (node.style === 'ini-host') return `quote it twice: '"${raw}"'`
  return node.style === 'plain' || node.style === 'ini-vars' ? `quote it: "${raw}"` : undefined
}

/** Where the characters `offset` to `offset + length` of a text scalar stand in its file. */
export function spanInScalar(node: SourceScalar, offset: number, length: number): Span {
  const start = findOffset(node, offset)
  if (start === undefined) return node.span
  return { source: node.span.source, start, end: Math.min(start + length, node.span.end) }
}

function findOffset(node: SourceScalar, offset: number): number | undefined {
  const value = String(node.value)
  const raw = rawText(node.span)
  const at = raw.indexOf(value)
  if (at !== -1 && node.style !== 'value') return node.span.start + at + offset
  const escaped = escapePatterns.get(node.style)
  if (escaped !== undefined && !raw.includes('\n')) return node.span.start + escapedOffset(raw, escaped, offset)
  const rest = value.slice(offset).split('\n')[0] ?? ''
  const near = rest === '' ? -1 : raw.indexOf(rest)
  return near === -1 || raw.includes(rest, near + 1) ? undefined : node.span.start + near
}

/** What stands for one character inside of quotes. */
const escapePatterns: ReadonlyMap<ScalarStyle, RegExp> = new Map([
  ['single-quoted', /''|[^]/y],
  ['double-quoted', /\\(?:x[\da-fA-F]{2}|u[\da-fA-F]{4}|[^])|[^]/y],
])

function escapedOffset(raw: string, character: RegExp, offset: number): number {
  character.lastIndex = 1
  for (let count = 0; count < offset && character.test(raw); count++);
  return character.lastIndex
}

function syntaxDiagnostic(source: SourceText, problem: YAMLError): Diagnostic {
  const position = positionOf({ source, start: problem.pos[0], end: Math.max(problem.pos[1], problem.pos[0] + 1) })
  const message = problem.message.replace(/\.$/, '').replace(/\n[\s\S]*$/, '')
  if (problem.code === 'TAB_AS_INDENT')
    return error('YAML_TAB', 'YAML is indented by spaces, never by tabs', { source: position })
  if (problem.code === 'MULTIPLE_DOCS') {
    return error('YAML_DOCUMENTS', 'a file holds one YAML document', {
      source: position,
      hint: 'remove this "---" or split the file',
    })
  }
  if (problem.code === 'RESOURCE_EXHAUSTION') return error('YAML_SYNTAX', 'nested too deeply', { source: position })
  return error('YAML_SYNTAX', message, { source: position, ...syntaxHint(position.text ?? '') })
}

/** One mistake makes the parser stumble several times: the first of a line counts, and the first few of a file. */
function distinctLines(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const lines = new Map<number, Diagnostic>()
  for (const found of diagnostics) if (!lines.has(found.source?.line ?? 0)) lines.set(found.source?.line ?? 0, found)
  return [...lines.values()].slice(0, 5)
}

/** The mistake seen most: text that goes on after a quoted or templated part. */
function syntaxHint(line: string): { hint?: string } {
  if (/:\s+\{\{/.test(line)) return { hint: 'quote a value that begins with "{{"' }
  if (/:\s+(["']).*\1\s*[^\s#,}\]]/.test(line)) return { hint: 'put the whole value in quotes' }
  return {}
}

function vaultUnsupported(source: SourceText, start: number, end: number): Diagnostic {
  return error('VAULT_UNSUPPORTED', 'passway reads no Ansible vault values', {
    source: positionOf({ source, start, end }),
    hint: 'give this value with -e @FILE, or ask for it with --ask-become-pass',
  })
}

function convert(conversion: Conversion, node: Node, depth: number, unsafe: boolean): SourceNode {
  const span = spanOf(conversion, node)
  if (++conversion.nodes > nodeLimit || depth > depthLimit)
    return refused(conversion, node, 'this YAML unfolds to too much')
  if (isAlias(node)) return convertAlias(conversion, node, depth, unsafe)
  const literal = unsafe || node.tag === '!unsafe'
  checkTag(conversion, node, span)
  if (isMap(node)) return { kind: 'map', entries: convertEntries(conversion, node, depth, literal), span }
  if (isSeq(node)) {
    const items = node.items.map((item) => convert(conversion, item as Node, depth + 1, literal))
    return { kind: 'list', items, span }
  }
  return scalarNode(node, span, literal)
}

function refused(conversion: Conversion, node: Node, message: string): SourceNode {
  const span = spanOf(conversion, node)
  if (!conversion.diagnostics.some((known) => known.message === message)) {
    conversion.diagnostics.push(error('YAML_SYNTAX', message, { source: positionOf(span) }))
  }
  return { kind: 'scalar', value: null, style: 'value', literal: true, span }
}

function convertAlias(conversion: Conversion, alias: Node, depth: number, unsafe: boolean): SourceNode {
  const target = isAlias(alias) ? alias.resolve(conversion.document) : undefined
  if (target === undefined) return refused(conversion, alias, 'this alias names no anchor')
  if (conversion.open.has(target)) return refused(conversion, alias, 'this alias contains itself')
  conversion.open.add(target)
  const node = convert(conversion, target, depth + 1, unsafe)
  conversion.open.delete(target)
  return node
}

function scalarNode(node: Node, span: Span, literal: boolean): SourceScalar {
  const value: unknown = isScalar(node) ? node.value : null
  const style = scalarStyle(isScalar(node) ? node.type : undefined)
  const word = style === 'plain' && typeof value === 'string' && node.tag === undefined
  const readAs = word ? ansibleBooleans.get(value) : undefined
  return { kind: 'scalar', value: readAs ?? (value as SourceScalar['value']), style, literal, span }
}

function scalarStyle(type: string | undefined): ScalarStyle {
  if (type === 'QUOTE_SINGLE') return 'single-quoted'
  if (type === 'QUOTE_DOUBLE') return 'double-quoted'
  if (type === 'BLOCK_LITERAL') return 'block-literal'
  return type === 'BLOCK_FOLDED' ? 'block-folded' : 'plain'
}

function checkTag(conversion: Conversion, node: Node, span: Span): void {
  const { tag } = node
  if (tag === undefined || tag === '!unsafe' || tag === '!' || tag.startsWith('tag:yaml.org,2002:')) return
  if (tag === '!vault' || tag === '!vault-encrypted') {
    conversion.diagnostics.push(vaultUnsupported(span.source, span.start, span.end))
    return
  }
  const details = { source: positionOf(span) }
  conversion.diagnostics.push(error('YAML_TAG', `passway knows no YAML tag ${tag}`, details))
}

function convertEntries(conversion: Conversion, map: YAMLMap, depth: number, unsafe: boolean): SourceEntry[] {
  const entries = new Map<string, SourceEntry>()
  const merged: SourceEntry[] = []
  for (const pair of map.items) {
    const key = convertKey(conversion, pair.key as Node)
    if (key === undefined) continue
    const value =
      pair.value === null ? absentValue(key.keySpan) : convert(conversion, pair.value as Node, depth + 1, unsafe)
    if (key.text === '<<') merged.push(...mergedEntries(value))
    else if (entries.has(key.text)) conversion.diagnostics.push(duplicateKey(key.text, key.keySpan, entries))
    else entries.set(key.text, { key: key.text, keySpan: key.keySpan, value })
  }
  for (const entry of merged) if (!entries.has(entry.key)) entries.set(entry.key, entry)
  return [...entries.values()]
}

/** `<<`: entries of the mapping, or of the mappings of the list, the first of them winning. */
function mergedEntries(value: SourceNode): readonly SourceEntry[] {
  if (value.kind === 'map') return value.entries
  return value.kind === 'list' ? value.items.flatMap(mergedEntries) : []
}

function absentValue(keySpan: Span): SourceScalar {
  return { kind: 'scalar', value: null, style: 'plain', literal: false, span: keySpan }
}

function duplicateKey(key: string, span: Span, entries: ReadonlyMap<string, SourceEntry>): Diagnostic {
  const first = entries.get(key)
  const evidence = first === undefined ? [] : [`first at line ${positionOf(first.keySpan).line}`]
  return error('YAML_DUPLICATE_KEY', `the key ${JSON.stringify(key)} is written twice`, {
    source: positionOf(span),
    evidence,
  })
}

/** Keys are text as written, also where YAML would read a number. */
function convertKey(conversion: Conversion, key: Node): { text: string; keySpan: Span } | undefined {
  const keySpan = spanOf(conversion, key)
  if (isScalar(key)) return { text: typeof key.value === 'string' ? key.value : rawText(keySpan), keySpan }
  const template = rawText(keySpan).startsWith('{')
  const hint = template ? { hint: 'quote a value that begins with "{{"' } : {}
  conversion.diagnostics.push(error('YAML_SYNTAX', 'a key is text', { source: positionOf(keySpan), ...hint }))
  return undefined
}

function spanOf(conversion: Conversion, node: Node): Span {
  const [start, end] = node.range ?? [0, 0]
  return { source: conversion.source, start, end: Math.max(start, end) }
}
