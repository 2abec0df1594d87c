import { relative } from 'node:path'
import type { Diagnostic } from '../core/diagnostic.ts'
import { readAdjacentVariables } from './adjacent-variables.ts'
import type { AdjacentVariables, Inventory } from './inventory.ts'
import type { PlayHeader } from './playbook.ts'

/** Directory of a playbook → the group_vars and host_vars there. */
export type PlaybookVariables = ReadonlyMap<string, AdjacentVariables>

/** Reads group_vars and host_vars beside the playbooks, each directory once. */
export function readPlaybookVariables(
  plays: readonly PlayHeader[],
  inventory: Inventory,
  cwd: string,
): { readonly variables: PlaybookVariables; readonly diagnostics: readonly Diagnostic[] } {
  const variables = new Map<string, AdjacentVariables>()
  const diagnostics: Diagnostic[] = []
  const known = new Set(inventory.adjacent.map(({ directory }) => directory))
  const names = { groups: [...inventory.groups.keys()], hosts: [...inventory.hosts.keys()] }
  for (const { directory } of plays) {
    if (variables.has(directory)) continue
    const read = readAdjacentVariables({ path: directory, shown: relative(cwd, directory) || '.' }, names)
    variables.set(directory, read.adjacent)
    if (!known.has(directory)) diagnostics.push(...read.diagnostics)
  }
  return { variables, diagnostics }
}
