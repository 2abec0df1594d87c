import type { Claim } from '../core/claim.ts'
import { error } from '../core/diagnostic.ts'
import { describeClaim, formatSlot } from './claim-identity.ts'
import type { MergedClaim, TaskDiagnostic } from './tasked.ts'

/** Two claims that cannot both hold. */
export type Conflict = { readonly a: MergedClaim; readonly b: MergedClaim; readonly why: string }

/** One diagnostic per contradiction of tasks: two governors differ on every policy, and are told once. */
export function describeConflicts(conflicts: readonly Conflict[]): readonly TaskDiagnostic[] {
  const groups = new Map<string, Conflict[]>()
  for (const conflict of conflicts.map(inTaskOrder)) {
    const key = formatKey(conflict)
    groups.set(key, [...(groups.get(key) ?? []), conflict])
  }
  return [...groups.values()].flatMap((group) => describeGroup(group))
}

function inTaskOrder({ a, b, why }: Conflict): Conflict {
  return (a.tasks[0] ?? 0) <= (b.tasks[0] ?? 0) ? { a, b, why } : { a: b, b: a, why }
}

function formatKey({ a, b, why }: Conflict): string {
  return JSON.stringify([a.tasks, b.tasks, why, formatPlace(a), formatPlace(b)])
}

/** Attributes that get the same value count as one place. */
function formatPlace({ claim }: MergedClaim): string {
  return claim.of === 'attribute' ? `attribute = ${claim.value}` : formatSlot(claim)
}

function describeGroup(group: readonly Conflict[]): readonly TaskDiagnostic[] {
  const [first] = group
  if (first === undefined) return []
  const opposites = findOpposites(group)
  if (opposites !== undefined) return [describe(opposites, '')]
  if (first.a.claim.of !== 'attribute') return group.map((conflict) => describe(conflict, ''))
  return [describe(first, group.length === 1 ? '' : `, here and in ${group.length - 1} more places`)]
}

function describe({ a, b, why }: Conflict, more: string): TaskDiagnostic {
  return {
    diagnostic: error(
      'CLAIM_CONFLICT',
      `${describeClaim(a.claim)} and ${describeClaim(b.claim)} cannot both hold: ${why}${more}`,
      { hint: 'change one of the two tasks, or keep them apart with when' },
    ),
    tasks: [...new Set([...a.tasks, ...b.tasks])].toSorted((x, y) => x - y),
    claims: [a.claim, b.claim],
  }
}

/** `on` of one task and `off` of the other, each of which removes the other: that is told, not what they remove. */
function findOpposites(group: readonly Conflict[]): Conflict | undefined {
  const claims = group.flatMap(({ a, b }) => [a, b]).filter(({ claim }) => claim.of === 'kernel-argument')
  const present = claims.filter(({ claim }) => claim.want === 'present')
  const removes = (one: MergedClaim, other: MergedClaim) =>
    claims.some(
      ({ claim, tasks }) =>
        claim.want === 'absent' && tasks.some((task) => one.tasks.includes(task)) && isValueOf(claim, other),
    )
  const pairs = present.flatMap((one, index) => present.slice(index + 1).map((other) => [one, other] as const))
  const [found] = pairs.filter(([one, other]) => one !== other && removes(one, other) && removes(other, one))
  return found && inTaskOrder({ a: found[0], b: found[1], why: 'each rules the other out' })
}

function isValueOf(claim: Claim, { claim: other }: MergedClaim): boolean {
  return claim.of === 'kernel-argument' && other.of === 'kernel-argument' && claim.value === other.value
}
