import type { ClaimOfTask } from '../core/claim.ts'
import { findOrderedList, formatIdentity } from './claim-identity.ts'

/** Tasks whose claims ask for two orders of one list. */
export type OrderConflict = { readonly list: string; readonly tasks: readonly number[] }

type Node = {
  readonly identity: string
  readonly list: string | null
  readonly rank: number
  readonly later: Set<string>
}

/**
 * Puts claims into an order that does not depend on the order of the tasks: each task's own order holds within a list;
 * what no task orders stands by content. Modules of vfio come before other early modules, so that they are first to
 * see the devices.
 */
export function orderClaims(claims: readonly ClaimOfTask[]): {
  readonly identities: readonly string[]
  readonly conflicts: readonly OrderConflict[]
} {
  const tasks = groupByTask(claims).toSorted((a, b) => compareText(taskKey(a), taskKey(b)))
  const nodes = new Map<string, Node>()
  for (const { claim } of tasks.flat()) {
    const identity = formatIdentity(claim)
    const isVfio = claim.of === 'early-module' && claim.module.startsWith('vfio')
    const node = { identity, list: findOrderedList(claim), rank: isVfio ? 0 : 1, later: new Set<string>() }
    if (!nodes.has(identity)) nodes.set(identity, node)
  }
  for (const task of tasks) addEdges(nodes, task)
  return sortNodes(nodes, tasks)
}

function groupByTask(claims: readonly ClaimOfTask[]): readonly (readonly ClaimOfTask[])[] {
  const groups = new Map<number, ClaimOfTask[]>()
  for (const claim of claims) groups.set(claim.task, [...(groups.get(claim.task) ?? []), claim])
  return [...groups.values()]
}

function taskKey(task: readonly ClaimOfTask[]): string {
  return task.map(({ claim }) => formatIdentity(claim)).join('\n')
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Within one task, each claim of a list comes before the next of that list. */
function addEdges(nodes: ReadonlyMap<string, Node>, task: readonly ClaimOfTask[]): void {
  const last = new Map<string, Node>()
  for (const { claim } of task) {
    const node = nodes.get(formatIdentity(claim))
    if (node === undefined || node.list === null) continue
    const previous = last.get(node.list)
    if (previous !== undefined && previous !== node) previous.later.add(node.identity)
    last.set(node.list, node)
  }
}

/** Kahn's algorithm over the claims of a host; of those that are free the lowest rank, then the first, is taken. */
function sortNodes(nodes: ReadonlyMap<string, Node>, tasks: readonly (readonly ClaimOfTask[])[]) {
  const waiting = countEarlier(nodes)
  const rest = [...nodes.values()].toSorted((a, b) => a.rank - b.rank)
  const identities: string[] = []
  let conflict: OrderConflict | undefined
  while (rest.length > 0) {
    const free = rest.findIndex((node) => waiting.get(node.identity) === 0)
    if (free === -1) conflict ??= { list: rest[0]?.list ?? '', tasks: findTasks(tasks, rest) }
    const [taken] = rest.splice(Math.max(free, 0), 1)
    if (taken === undefined) break
    identities.push(taken.identity)
    for (const later of taken.later) waiting.set(later, (waiting.get(later) ?? 0) - 1)
  }
  return { identities, conflicts: conflict === undefined ? [] : [conflict] }
}

/** How many claims must come before each. */
function countEarlier(nodes: ReadonlyMap<string, Node>): Map<string, number> {
  const counts = new Map([...nodes.keys()].map((identity) => [identity, 0]))
  for (const node of nodes.values()) for (const later of node.later) counts.set(later, (counts.get(later) ?? 0) + 1)
  return counts
}

function findTasks(tasks: readonly (readonly ClaimOfTask[])[], nodes: readonly Node[]): readonly number[] {
  const identities = new Set(nodes.map((node) => node.identity))
  const involved = tasks
    .flat()
    .filter(({ claim }) => identities.has(formatIdentity(claim)) && findOrderedList(claim) !== null)
  return [...new Set(involved.map(({ task }) => task))].toSorted((a, b) => a - b)
}
