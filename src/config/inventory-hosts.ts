import { error } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import { parseHostNames } from './host-names.ts'
import { draftHost } from './inventory.ts'
import type { InventoryDraft } from './inventory.ts'
import { nodeFromValue, positionOf } from './source-node.ts'
import type { SourceNode, Span, Variables } from './source-node.ts'

/** What reading one inventory source needs: where it stands, where its results and problems go. */
export type InventoryReading = {
  readonly draft: InventoryDraft
  readonly diagnostics: Diagnostic[]
  /** Absolute directory of the source. */
  readonly directory: string
}

/** Names that passway gives a meaning of its own. */
const reservedVariables = new Set(['facts', 'inventory_hostname', 'group_names', 'groups'])

/** Adds the hosts that one spelling stands for (`root@node[01:20]:2222`); its user and port become variables. */
export function addHosts(
  reading: InventoryReading,
  spelling: { readonly text: string; readonly span: Span; readonly group: string; readonly variables: Variables },
): void {
  const parsed = parseHostNames(spelling.text)
  if (!parsed.ok) {
    const details = { source: positionOf(spelling.span), ...(parsed.hint === undefined ? {} : { hint: parsed.hint }) }
    reading.diagnostics.push(error('HOST_NAME_INVALID', parsed.message, details))
    return
  }
  const variables = new Map<string, SourceNode>()
  if (parsed.user !== undefined) variables.set('ansible_user', literalNode(parsed.user, spelling.span))
  if (parsed.port !== undefined) variables.set('ansible_port', literalNode(parsed.port, spelling.span))
  for (const [name, value] of spelling.variables) variables.set(name, value)
  const { group, span } = spelling
  for (const name of parsed.names)
    draftHost(reading.draft, { name, group, variables, span, directory: reading.directory })
}

function literalNode(value: string | number, span: Span): SourceNode {
  return nodeFromValue(value, span, { style: 'value', literal: true })
}

/** Variables may not take the names of passway's own. */
export function checkVariableNames(node: SourceNode, diagnostics: Diagnostic[]): void {
  if (node.kind !== 'map') return
  for (const { key, keySpan } of node.entries) {
    if (!reservedVariables.has(key)) continue
    const details = { source: positionOf(keySpan), hint: 'choose another name' }
    diagnostics.push(error('VARIABLE_RESERVED', `${JSON.stringify(key)} is a variable of passway itself`, details))
  }
}
