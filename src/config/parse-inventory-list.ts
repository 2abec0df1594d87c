import { error, warning } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import { draftGroup, mergeVariables } from './inventory.ts'
import { addHosts, checkVariableNames } from './inventory-hosts.ts'
import type { InventoryReading } from './inventory-hosts.ts'
import { nodeFromValue, positionOf, sourceText, variablesOf } from './source-node.ts'
import type { Span, Variables } from './source-node.ts'

type JsonObject = { readonly [key: string]: unknown }

/**
 * Reads what an executable inventory answers to `--list`. Nothing in it is ever a template. Variables of hosts are
 * those in `_meta.hostvars`; an answer without it is named, as `--host` is not asked.
 */
export function parseInventoryList(reading: InventoryReading, file: string, output: string): void {
  const span = scriptSpan(file)
  const list = parseJsonObject(reading, span, output)
  if (list === undefined) return
  const hostVariables = findHostVariables(list)
  if (hostVariables === undefined) reading.diagnostics.push(metaMissing(span))
  const mentioned = new Set<string>()
  for (const [name, value] of Object.entries(list)) {
    if (name !== '_meta') readScriptGroup(reading, { name, value, span, mentioned, hostVariables })
  }
  for (const name of Object.keys(hostVariables ?? {})) {
    if (!mentioned.has(name)) addScriptHost(reading, name, 'ungrouped', span, hostVariables)
  }
}

function metaMissing(span: Span): Diagnostic {
  return warning(
    'INVENTORY_META_MISSING',
    'this executable inventory answers no _meta: its hosts have no variables of their own',
    {
      source: positionOf(span),
      hint: 'let --list answer "_meta": {"hostvars": {…}}; passway does not ask --host',
    },
  )
}

function scriptSpan(file: string): Span {
  return { source: sourceText(file, ''), start: 0, end: 0 }
}

function invalid(reading: InventoryReading, span: Span, message: string): void {
  const hint = 'see what it answers to --list'
  reading.diagnostics.push(error('INVENTORY_INVALID', message, { source: positionOf(span), hint }))
}

function parseJsonObject(reading: InventoryReading, span: Span, text: string): JsonObject | undefined {
  const value = parseJson(text)
  if (isObject(value)) return value
  invalid(reading, span, 'this executable inventory does not answer with a JSON object')
  return undefined
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function findHostVariables(list: JsonObject): JsonObject | undefined {
  const meta = list['_meta']
  const found = isObject(meta) ? meta['hostvars'] : undefined
  return isObject(found) ? found : undefined
}

type ScriptGroup = {
  readonly name: string
  readonly value: unknown
  readonly span: Span
  readonly mentioned: Set<string>
  readonly hostVariables: JsonObject | undefined
}

/** A group is an object, or short a list of hosts. */
function readScriptGroup(reading: InventoryReading, script: ScriptGroup): void {
  const { name, span } = script
  const value = Array.isArray(script.value) ? { hosts: script.value } : script.value
  if (!isObject(value))
    return invalid(reading, span, `the group ${JSON.stringify(name)} is neither an object nor a list`)
  const group = draftGroup(reading.draft, name, span)
  for (const host of textsOf(value['hosts'])) {
    script.mentioned.add(host)
    addScriptHost(reading, host, name, span, script.hostVariables)
  }
  for (const child of textsOf(value['children'])) {
    group.children.set(child, span)
    draftGroup(reading.draft, child, span)
  }
  group.variables = mergeVariables(group.variables, literalVariables(reading, value['vars'], span))
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}

function addScriptHost(
  reading: InventoryReading,
  name: string,
  group: string,
  span: Span,
  hostVariables: JsonObject | undefined,
): void {
  const own = hostVariables !== undefined && Object.hasOwn(hostVariables, name) ? hostVariables[name] : undefined
  addHosts(reading, { text: name, span, group, variables: literalVariables(reading, own, span) })
}

function literalVariables(reading: InventoryReading, value: unknown, span: Span): Variables {
  const node = nodeFromValue(isObject(value) ? value : {}, span, { style: 'value', literal: true })
  checkVariableNames(node, reading.diagnostics)
  return variablesOf(node)
}
