import { error } from '../core/diagnostic.ts'
import { meantHint } from './did-you-mean.ts'
import { draftGroup, mergeVariables } from './inventory.ts'
import { addHosts, checkVariableNames } from './inventory-hosts.ts'
import type { InventoryReading } from './inventory-hosts.ts'
import { describeNode, findEntry, isNull, positionOf, variablesOf } from './source-node.ts'
import type { SourceEntry, SourceNode, Span } from './source-node.ts'
import { parseYaml } from './yaml-source.ts'

const groupKeys = ['hosts', 'children', 'vars']

/** Reads Ansible's YAML inventory: groups by name, each with `hosts`, `children` and `vars`. */
export function parseInventoryYaml(reading: InventoryReading, file: string, text: string): void {
  const { node, diagnostics } = parseYaml(file, text)
  reading.diagnostics.push(...diagnostics)
  if (node === null || isNull(node)) return
  const plugin = findEntry(node, 'plugin')
  if (plugin !== undefined) return refusePlugin(reading, plugin)
  if (node.kind !== 'map') {
    invalid(reading, node.span, `an inventory is a mapping of groups, not ${describeNode(node)}`, 'begin with "all:"')
    return
  }
  for (const entry of node.entries) readTopEntry(reading, entry)
}

function refusePlugin(reading: InventoryReading, plugin: SourceEntry): void {
  const name = plugin.value.kind === 'scalar' ? String(plugin.value.value) : ''
  const message = `passway runs no inventory plugins (${name})`
  const hint = 'use an executable that answers --list: #!/bin/sh, ansible-inventory -i THIS --list'
  const source = positionOf(plugin.keySpan)
  reading.diagnostics.push(error('INVENTORY_PLUGIN_UNSUPPORTED', message, { source, hint }))
}

function readTopEntry(reading: InventoryReading, entry: SourceEntry): void {
  if (groupKeys.includes(entry.key)) {
    return invalid(reading, entry.keySpan, `${JSON.stringify(entry.key)} stands below a group`, 'put it under "all:"')
  }
  readGroup(reading, entry)
}

function invalid(reading: InventoryReading, span: Span, message: string, hint: string): void {
  reading.diagnostics.push(error('INVENTORY_INVALID', message, { source: positionOf(span), hint }))
}

function readGroup(reading: InventoryReading, { key, keySpan, value }: SourceEntry): void {
  if (/[:[\]\s]|^$/.test(key))
    return invalid(reading, keySpan, `${JSON.stringify(key)} is no name of a group`, 'use letters, digits, "_" and "-"')
  const group = draftGroup(reading.draft, key, keySpan)
  if (isNull(value)) return
  if (value.kind !== 'map') {
    return invalid(
      reading,
      value.span,
      `the group ${JSON.stringify(key)} is a mapping, not ${describeNode(value)}`,
      'it has "hosts", "children" and "vars"',
    )
  }
  for (const entry of value.entries) {
    if (entry.key === 'hosts') readHosts(reading, key, entry.value)
    else if (entry.key === 'vars') {
      checkVariables(reading, entry)
      group.variables = mergeVariables(group.variables, variablesOf(entry.value))
    } else if (entry.key === 'children') readChildren(reading, group.children, entry.value)
    else unknownKey(reading, key, entry)
  }
}

function checkVariables(reading: InventoryReading, { key, value }: SourceEntry): void {
  checkVariableNames(value, reading.diagnostics)
  if (value.kind === 'map' || isNull(value)) return
  invalid(
    reading,
    value.span,
    `${JSON.stringify(key)} is a mapping of variables, not ${describeNode(value)}`,
    'write NAME: VALUE',
  )
}

function unknownKey(reading: InventoryReading, group: string, entry: SourceEntry): void {
  const nearest = meantHint(entry.key, groupKeys).hint
  const hint = nearest ?? 'a host stands under "hosts:", a group under "children:", a variable under "vars:"'
  const source = positionOf(entry.keySpan)
  const message = `the group ${JSON.stringify(group)} has no key ${JSON.stringify(entry.key)}`
  reading.diagnostics.push(error('KEY_UNKNOWN', message, { source, hint }))
}

function readHosts(reading: InventoryReading, group: string, hosts: SourceNode): void {
  if (isNull(hosts)) return
  if (hosts.kind !== 'map') {
    return invalid(
      reading,
      hosts.span,
      `"hosts" is a mapping, not ${describeNode(hosts)}`,
      'write each host as a key: "pve1:"',
    )
  }
  for (const { key, keySpan, value } of hosts.entries) {
    checkVariables(reading, { key, keySpan, value })
    addHosts(reading, { text: key, span: keySpan, group, variables: variablesOf(value) })
  }
}

function readChildren(reading: InventoryReading, children: Map<string, Span>, node: SourceNode): void {
  if (isNull(node)) return
  if (node.kind !== 'map') {
    return invalid(
      reading,
      node.span,
      `"children" is a mapping, not ${describeNode(node)}`,
      'write each group as a key: "gpu:"',
    )
  }
  for (const entry of node.entries) {
    children.set(entry.key, entry.keySpan)
    readGroup(reading, entry)
  }
}
