import { dirname, resolve } from 'node:path'
import { error } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import { evaluateNode } from './expression.ts'
import { findHostPatterns } from './host-pattern.ts'
import { emptyDraft } from './inventory.ts'
import { finishInventory } from './finish-inventory.ts'
import type { PlayHeader } from './playbook.ts'
import { readText } from './read-text.ts'
import { describeNode, findEntry, isNull, nodeFromValue, positionOf } from './source-node.ts'
import type { SourceMap, SourceNode, SourceScalar, Variables } from './source-node.ts'
import { hostScope } from './variables.ts'
import { parseYaml } from './yaml-source.ts'

type Reading = {
  readonly file: string
  readonly directory: string
  readonly extra: Variables
  readonly diagnostics: Diagnostic[]
}

/**
 * Reads playbooks and tells the name and the hosts of every play, which is all that is needed before connecting.
 * `hosts:` may use variables of `-e`. The plays are checked as a whole by `loadPlays`.
 */
export function readPlaybooks(
  files: readonly string[],
  cwd: string,
  extra: Variables = new Map(),
): { readonly plays: readonly PlayHeader[]; readonly diagnostics: readonly Diagnostic[] } {
  const diagnostics: Diagnostic[] = []
  const plays = files.flatMap((file) => {
    const path = resolve(cwd, file)
    const read = readText(path, file)
    if (read.ok) return readPlaybook({ file, directory: dirname(path), extra, diagnostics }, read.text)
    diagnostics.push(read.diagnostic)
    return []
  })
  return { plays, diagnostics }
}

function readPlaybook(reading: Reading, text: string): readonly PlayHeader[] {
  const { node, diagnostics } = parseYaml(reading.file, text)
  reading.diagnostics.push(...diagnostics)
  if (node !== null && node.kind === 'list') return node.items.flatMap((item) => readPlay(reading, item))
  if (hasSyntaxError(diagnostics)) return []
  if (node === null || isNull(node)) refuseEmpty(reading)
  else
    invalid(
      reading,
      node,
      `a playbook is a list of plays, not ${describeNode(node)}`,
      'begin each play with "- hosts:"',
    )
  return []
}

function hasSyntaxError(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.length > 0
}

function refuseEmpty({ file, diagnostics }: Reading): void {
  const details = { source: { file, line: 1, column: 1 }, hint: 'begin each play with "- hosts:"' }
  diagnostics.push(error('PLAYBOOK_INVALID', 'this playbook has no plays', details))
}

function invalid(reading: Reading, node: SourceNode, message: string, hint: string): void {
  reading.diagnostics.push(error('PLAYBOOK_INVALID', message, { source: positionOf(node.span), hint }))
}

function readPlay(reading: Reading, node: SourceNode): readonly PlayHeader[] {
  if (node.kind !== 'map') {
    invalid(reading, node, `a play is a mapping, not ${describeNode(node)}`, 'it has "hosts" and "tasks"')
    return []
  }
  const hosts = readHosts(reading, node)
  const name = findEntry(node, 'name')?.value
  const named = name?.kind === 'scalar' && name.value !== null ? String(name.value) : undefined
  const { file, directory } = reading
  return [{ name: named ?? hosts.map(({ value }) => value).join(','), hosts, node, file, directory }]
}

function readHosts(reading: Reading, play: SourceMap): readonly SourceScalar[] {
  const entry = findEntry(play, 'hosts')
  if (entry === undefined) {
    if (!isImport(play))
      invalid(reading, playStart(play), 'this play has no "hosts"', 'write "hosts: all", a group or a host')
    return []
  }
  const written = findHostPatterns(entry.value)
  if (written !== undefined) return written.flatMap((scalar) => readPattern(reading, scalar))
  invalid(
    reading,
    isNull(entry.value) ? keyNode(entry.keySpan) : entry.value,
    '"hosts" is a host pattern',
    'write "hosts: all", a group or a host',
  )
  return []
}

/** Named by `loadPlays`, with the way to do it. */
function isImport(play: SourceMap): boolean {
  return play.entries.some(({ key }) => key.endsWith('import_playbook'))
}

function playStart(play: SourceMap): SourceNode {
  const [first] = play.entries
  return first === undefined ? play : keyNode(first.keySpan)
}

function keyNode(span: SourceNode['span']): SourceNode {
  return { kind: 'scalar', value: null, style: 'plain', literal: true, span }
}

function readPattern(reading: Reading, scalar: SourceScalar): readonly SourceScalar[] {
  if (!String(scalar.value).includes('{{')) return [scalar]
  const { inventory } = finishInventory(emptyDraft(), [])
  const scope = hostScope({ inventory, host: '', variables: [reading.extra], facts: null })
  const result = evaluateNode(scalar, scope)
  if (!result.ok) {
    const hint = '"hosts" is read before any host is known: it may use variables of -e and no others'
    reading.diagnostics.push(...result.diagnostics.map((found) => ({ ...found, hint })))
    if (result.needsFacts) invalid(reading, scalar, '"hosts" cannot depend on facts', hint)
    return []
  }
  const patterns = findHostPatterns(nodeFromValue(result.value, scalar.span, { style: 'value', literal: true }))
  if (patterns === undefined)
    invalid(reading, scalar, '"hosts" is a host pattern', 'write "hosts: all", a group or a host')
  return patterns ?? []
}
