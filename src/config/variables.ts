import { error } from '../core/diagnostic.ts'
import type { Scope } from './evaluate-expression.ts'
import { evaluateNode, FactsNeeded, VariableFailed } from './expression.ts'
import { mergeVariables } from './inventory.ts'
import type { AdjacentVariables, Inventory } from './inventory.ts'
import { positionOf } from './source-node.ts'
import type { PlainValue, SourceNode, Variables } from './source-node.ts'

/**
 * The variables of a host, by name. Later wins, as in Ansible:
 *
 * 1. `all` in the inventory, then its groups: outer before inner, then by `ansible_group_priority`, then by name
 * 2. `group_vars/all` beside the inventory, then beside the playbook
 * 3. `group_vars/GROUP` beside the inventory, then beside the playbook, groups in the same order
 * 4. the host in the inventory, then `host_vars/HOST` beside the inventory, then beside the playbook
 *
 * Above these stand `vars` of the play, `vars` of the task and at last `-e` (`taskVariables`).
 * A value replaces another one as a whole; mappings are not merged.
 */
export function hostVariables(
  inventory: Inventory,
  host: string,
  besidePlaybook: readonly AdjacentVariables[],
): Variables {
  const { variables = new Map(), groups = [] } = inventory.hosts.get(host) ?? {}
  const beside = [...inventory.adjacent, ...besidePlaybook]
  return mergeVariables(
    ...['all', ...groups].map((name) => inventory.groups.get(name)?.variables ?? new Map()),
    ...beside.map((adjacent) => adjacent.groups.get('all') ?? new Map()),
    ...beside.flatMap((adjacent) => groups.map((name) => adjacent.groups.get(name) ?? new Map())),
    variables,
    ...beside.map((adjacent) => adjacent.hosts.get(host) ?? new Map()),
  )
}

export type HostScope = {
  readonly inventory: Inventory
  readonly host: string
  /** Lowest first. */
  readonly variables: readonly Variables[]
  /** null: not known yet; an expression that needs them throws FactsNeeded. */
  readonly facts: PlainValue | null
}

/**
 * The names an expression may use on a host: its variables, `inventory_hostname`, `inventory_hostname_short`,
 * `group_names`, `groups` and `facts`. Variables are evaluated when they are asked for, each once.
 */
export function hostScope({ inventory, host, variables, facts }: HostScope): Scope {
  const written = mergeVariables(...variables)
  const known = new Map<string, PlainValue>()
  const open: string[] = []
  const scope: Scope = {
    names: () => [...written.keys(), ...magicNames],
    lookup: (name) => {
      if (name === 'facts') return requireFacts(facts)
      if (magicNames.includes(name)) return magicVariable(inventory, host, name)
      const node = written.get(name)
      if (node === undefined || known.has(name)) return known.get(name)
      if (open.includes(name))
        throw new VariableFailed([variableCycle(node, [...open.slice(open.indexOf(name)), name])])
      open.push(name)
      const value = evaluateNode(node, scope)
      open.pop()
      if (!value.ok) throw value.needsFacts ? new FactsNeeded() : new VariableFailed(value.diagnostics)
      known.set(name, value.value)
      return value.value
    },
  }
  return scope
}

const magicNames: readonly string[] = [
  'inventory_hostname',
  'inventory_hostname_short',
  'group_names',
  'groups',
  'facts',
]

function magicVariable(inventory: Inventory, host: string, name: string): PlainValue {
  if (name === 'inventory_hostname') return host
  if (name === 'inventory_hostname_short') return host.split('.')[0] ?? host
  if (name === 'group_names') return (inventory.hosts.get(host)?.groups ?? []).toSorted()
  return Object.fromEntries([...inventory.groups.values()].map((group) => [group.name, group.hosts]))
}

function requireFacts(facts: PlainValue | null): PlainValue {
  if (facts === null) throw new FactsNeeded()
  return facts
}

function variableCycle(node: SourceNode, names: readonly string[]): ReturnType<typeof error> {
  const message = `the variable ${JSON.stringify(names.at(-1))} is made of itself`
  return error('VARIABLE_CYCLE', message, { source: positionOf(node.span), evidence: [names.join(' > ')] })
}
