import { error, warning } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import type {
  AdjacentVariables,
  DraftGroup,
  Inventory,
  InventoryDraft,
  InventoryGroup,
  InventoryHost,
} from './inventory.ts'
import { positionOf, sourceText } from './source-node.ts'
import type { Variables } from './source-node.ts'

type Finished = { readonly inventory: Inventory; readonly diagnostics: readonly Diagnostic[] }

/** Works out members, depths and the order of groups; finds loops of groups. */
export function finishInventory(draft: InventoryDraft, adjacent: readonly AdjacentVariables[]): Finished {
  const diagnostics: Diagnostic[] = []
  const groups = new Map(draft.groups)
  for (const name of ['all', 'ungrouped']) if (!groups.has(name)) groups.set(name, emptyGroup())
  cutLoops(groups, diagnostics)
  const depths = measureDepths(groups)
  const members = collectMembers(draft, groups)
  const finished = new Map<string, InventoryGroup>()
  for (const [name, group] of groups) {
    const context = { draft, members: members.get(name) ?? new Set(), depth: depths.get(name) ?? 1, diagnostics }
    finished.set(name, finishGroup(name, group, context))
  }
  const groupsOf = collectGroups(finished, members)
  const hosts = new Map<string, InventoryHost>()
  for (const name of draft.hosts.keys()) hosts.set(name, finishHost(name, draft, groupsOf.get(name) ?? []))
  warnSameNames(draft, groups, diagnostics)
  return { inventory: { hosts, groups: withUngrouped(finished, hosts), adjacent }, diagnostics }
}

function emptyGroup(): DraftGroup {
  return {
    variables: new Map(),
    children: new Map(),
    hosts: new Set(),
    span: { source: sourceText('', ''), start: 0, end: 0 },
  }
}

/** Removes the child that closes a loop, and says so. */
function cutLoops(groups: Map<string, DraftGroup>, diagnostics: Diagnostic[]): void {
  const done = new Set<string>()
  const visit = (name: string, path: readonly string[]): void => {
    if (done.has(name)) return
    for (const [child, span] of groups.get(name)?.children ?? []) {
      const loop = [...path, name].indexOf(child)
      if (loop === -1) visit(child, [...path, name])
      else {
        groups.get(name)?.children.delete(child)
        const evidence = [[...path.slice(loop), name, child].join(' > ')]
        const message = `the group ${JSON.stringify(child)} would contain itself`
        diagnostics.push(error('GROUP_CYCLE', message, { source: positionOf(span), evidence }))
      }
    }
    done.add(name)
  }
  for (const name of groups.keys()) visit(name, [])
}

/** The longest way down from `all`. */
function measureDepths(groups: ReadonlyMap<string, DraftGroup>): ReadonlyMap<string, number> {
  const depths = new Map<string, number>([['all', 0]])
  const visit = (name: string, depth: number): void => {
    if ((depths.get(name) ?? -1) >= depth) return
    depths.set(name, depth)
    for (const child of groups.get(name)?.children.keys() ?? []) visit(child, depth + 1)
  }
  for (const name of groups.keys()) visit(name, 1)
  return depths
}

/** Direct and indirect members; loops are cut before. */
function collectMembers(
  draft: InventoryDraft,
  groups: ReadonlyMap<string, DraftGroup>,
): ReadonlyMap<string, ReadonlySet<string>> {
  const members = new Map<string, ReadonlySet<string>>()
  const collect = (name: string): ReadonlySet<string> => {
    const known = members.get(name)
    if (known !== undefined) return known
    const group = groups.get(name)
    const inside = new Set([
      ...(group?.hosts ?? []),
      ...[...(group?.children.keys() ?? [])].flatMap((child) => [...collect(child)]),
    ])
    members.set(name, inside)
    return inside
  }
  for (const name of groups.keys()) collect(name)
  return members.set('all', new Set(draft.hosts.keys()))
}

/** Groups by host, those that override others last. */
function collectGroups(
  groups: ReadonlyMap<string, InventoryGroup>,
  members: ReadonlyMap<string, ReadonlySet<string>>,
): ReadonlyMap<string, readonly string[]> {
  const groupsOf = new Map<string, string[]>()
  for (const { name } of [...groups.values()].toSorted(compareGroups)) {
    if (name === 'all') continue
    for (const host of members.get(name) ?? []) groupsOf.set(host, [...(groupsOf.get(host) ?? []), name])
  }
  return groupsOf
}

type GroupContext = {
  readonly draft: InventoryDraft
  readonly members: ReadonlySet<string>
  readonly depth: number
  readonly diagnostics: Diagnostic[]
}

function finishGroup(name: string, group: DraftGroup, context: GroupContext): InventoryGroup {
  const { draft, members, depth, diagnostics } = context
  return {
    name,
    variables: group.variables,
    children: [...group.children.keys()],
    hosts: [...draft.hosts.keys()].filter((host) => members.has(host)),
    depth: name === 'all' ? 0 : depth,
    priority: readPriority(group.variables, diagnostics),
  }
}

function readPriority(variables: Variables, diagnostics: Diagnostic[]): number {
  const node = variables.get('ansible_group_priority')
  if (node === undefined) return 1
  const priority = node.kind === 'scalar' && node.value !== null && node.value !== '' ? Number(node.value) : Number.NaN
  if (Number.isInteger(priority)) return priority
  const details = { source: positionOf(node.span) }
  diagnostics.push(error('VARIABLE_INVALID', 'ansible_group_priority is a whole number', details))
  return 1
}

/** A host that is in no other group is `ungrouped`. */
function finishHost(name: string, draft: InventoryDraft, groups: readonly string[]): InventoryHost {
  const host = draft.hosts.get(name)
  const named = groups.filter((group) => group !== 'ungrouped')
  return {
    name,
    variables: host?.variables ?? new Map(),
    groups: named.length === 0 ? ['ungrouped'] : named,
    source: host === undefined ? { file: '', line: 1, column: 1 } : positionOf(host.span),
    directory: host?.directory ?? '.',
  }
}

/** Later ones override: deeper, of higher priority, by name. */
function compareGroups(left: InventoryGroup, right: InventoryGroup): number {
  const order = left.depth - right.depth || left.priority - right.priority
  return order === 0 ? (left.name < right.name ? -1 : 1) : order
}

function withUngrouped(
  groups: ReadonlyMap<string, InventoryGroup>,
  hosts: ReadonlyMap<string, InventoryHost>,
): ReadonlyMap<string, InventoryGroup> {
  const outside = [...hosts.values()].filter((host) => host.groups.every((name) => name === 'ungrouped'))
  const ungrouped = groups.get('ungrouped')
  if (ungrouped === undefined) return groups
  return new Map(groups).set('ungrouped', { ...ungrouped, hosts: outside.map((host) => host.name) })
}

function warnSameNames(
  draft: InventoryDraft,
  groups: ReadonlyMap<string, DraftGroup>,
  diagnostics: Diagnostic[],
): void {
  for (const [name, host] of draft.hosts) {
    if (!groups.has(name)) continue
    const message = `${JSON.stringify(name)} is both a host and a group`
    diagnostics.push(warning('NAME_AMBIGUOUS', message, { source: positionOf(host.span), hint: 'rename one of them' }))
  }
}
