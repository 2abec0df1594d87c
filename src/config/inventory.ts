import type { SourcePosition } from '../core/diagnostic.ts'
import type { Span, Variables } from './source-node.ts'

export type InventoryHost = {
  readonly name: string
  readonly variables: Variables
  /** Direct and indirect groups, outermost first: depth, then `ansible_group_priority`, then name. Without `all`. */
  readonly groups: readonly string[]
  readonly source: SourcePosition
  /** Directory of the inventory file that named the host first, absolute; `passway_root` is relative to it. */
  readonly directory: string
}

export type InventoryGroup = {
  readonly name: string
  readonly variables: Variables
  readonly children: readonly string[]
  /** Direct and indirect members, in the order of the inventory. */
  readonly hosts: readonly string[]
  /** `all` is 0. */
  readonly depth: number
  readonly priority: number
}

/** Variables in `group_vars/` and `host_vars/` of one directory. */
export type AdjacentVariables = {
  /** Absolute. */
  readonly directory: string
  readonly groups: ReadonlyMap<string, Variables>
  readonly hosts: ReadonlyMap<string, Variables>
}

/** All hosts and groups of a run, `all` and `ungrouped` among the groups. */
export type Inventory = {
  readonly hosts: ReadonlyMap<string, InventoryHost>
  readonly groups: ReadonlyMap<string, InventoryGroup>
  /** Beside the inventory sources, in their order. */
  readonly adjacent: readonly AdjacentVariables[]
}

export type DraftGroup = {
  variables: Variables
  readonly children: Map<string, Span>
  readonly hosts: Set<string>
  readonly span: Span
}
export type DraftHost = { variables: Variables; readonly span: Span; readonly directory: string }

/** An inventory while its sources are read, one after the other. */
export type InventoryDraft = { readonly groups: Map<string, DraftGroup>; readonly hosts: Map<string, DraftHost> }

export function emptyDraft(): InventoryDraft {
  return { groups: new Map(), hosts: new Map() }
}

export function draftGroup(draft: InventoryDraft, name: string, span: Span): DraftGroup {
  const known = draft.groups.get(name)
  if (known !== undefined) return known
  const group: DraftGroup = { variables: new Map(), children: new Map(), hosts: new Set(), span }
  draft.groups.set(name, group)
  return group
}

/** Later sources and later mentions add to a host, and override its variables by name. */
export function draftHost(
  draft: InventoryDraft,
  host: {
    readonly name: string
    readonly group: string
    readonly variables: Variables
    readonly span: Span
    readonly directory: string
  },
): void {
  const { name, variables, span, directory } = host
  const known = draft.hosts.get(name)
  if (known === undefined) draft.hosts.set(name, { variables, span, directory })
  else known.variables = mergeVariables(known.variables, variables)
  draftGroup(draft, host.group, span).hosts.add(name)
}

/** Whole values are replaced, mappings not merged (Ansible's default). */
export function mergeVariables(...layers: readonly Variables[]): Variables {
  return new Map(layers.flatMap((layer) => [...layer]))
}
