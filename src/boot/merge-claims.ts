import type { Claim, ClaimOfTask } from '../core/claim.ts'
import { error } from '../core/diagnostic.ts'
import { formatIdentity, formatSlot } from './claim-identity.ts'
import { describeConflicts } from './describe-conflicts.ts'
import { findConflict, findFileConflict, findSequenceConflict } from './find-conflict.ts'
import { concernsPool, findPoolConflict } from './find-pool-conflict.ts'
import { orderClaims } from './order-claims.ts'
import type { MergedClaim, TaskDiagnostic } from './tasked.ts'

export type Merged = {
  /** In an order that does not depend on the order of independent tasks; orphans that still hold come last. */
  readonly merged: readonly MergedClaim[]
  /** Held by the last record, made by no task any more. */
  readonly orphans: readonly Claim[]
  readonly diagnostics: readonly TaskDiagnostic[]
}

/**
 * Joins the claims of all tasks with those that the last committed record holds. Claims that cannot all hold are
 * CLAIM_CONFLICT, naming the tasks, whatever the host has at present.
 */
export function mergeClaims(
  claims: readonly ClaimOfTask[],
  ownedByRecord: readonly Claim[],
  options: { readonly prune: boolean },
): Merged {
  const { identities, conflicts } = orderClaims(claims)
  const joined = joinClaims(claims)
  const merged = identities.flatMap((identity) => joined.get(identity) ?? [])
  const orphans = findOrphans(merged, ownedByRecord)
  const held = orphans.filter((orphan) => !options.prune || isPrunable(orphan, ownedByRecord))
  return {
    merged: [...merged, ...held.map((claim) => keepOrphan(claim, options.prune))],
    orphans,
    diagnostics: [...conflicts.map(describeOrder), ...findConflicts(merged)],
  }
}

function joinClaims(claims: readonly ClaimOfTask[]): ReadonlyMap<string, MergedClaim> {
  const joined = new Map<string, MergedClaim>()
  for (const { claim, task, adopt } of claims) {
    const identity = formatIdentity(claim)
    const known = joined.get(identity)
    const tasks = [...new Set([...(known?.tasks ?? []), task])].toSorted((a, b) => a - b)
    joined.set(identity, { claim: pickSpelling(claim, known?.claim), tasks, adopt: adopt || known?.adopt === true })
  }
  return joined
}

/** `vfio-pci` and `vfio_pci` are one claim; which spelling is written must not depend on the order of tasks. */
function pickSpelling(claim: Claim, known: Claim | undefined): Claim {
  if (known === undefined) return claim
  return JSON.stringify(claim) < JSON.stringify(known) ? claim : known
}

/** Claims of one slot against each other; across slots only sequences and whole files can be in the way. */
function findConflicts(merged: readonly MergedClaim[]): readonly TaskDiagnostic[] {
  const slots = new Map<string, MergedClaim[]>()
  for (const each of merged) slots.set(formatSlot(each.claim), [...(slots.get(formatSlot(each.claim)) ?? []), each])
  const within = [...slots.values()].flatMap((slot) =>
    slot.flatMap((a, index) => slot.slice(index + 1).map((b) => [a, b, findConflict(a.claim, b.claim)] as const)),
  )
  const wide = merged.filter(({ claim }) => claim.of === 'argument-sequence' || claim.of === 'file')
  const across = wide.flatMap((a) => merged.map((b) => [a, b, findWideConflict(a.claim, b.claim)] as const))
  const pools = merged.filter(({ claim }) => concernsPool(claim))
  const betweenPools = pools.flatMap((a, index) => {
    const others = pools.slice(index + 1).filter((b) => formatSlot(a.claim) !== formatSlot(b.claim))
    return others.map((b) => [a, b, findPoolConflict(a.claim, b.claim)] as const)
  })
  const all = [...within, ...across, ...betweenPools]
  return describeConflicts(all.flatMap(([a, b, why]) => (why === undefined ? [] : [{ a, b, why }])))
}

function findWideConflict(a: Claim, b: Claim): string | undefined {
  return findSequenceConflict(a, b) ?? findFileConflict(a, b)
}

function describeOrder(conflict: { list: string; tasks: readonly number[] }): TaskDiagnostic {
  return {
    diagnostic: error('CLAIM_CONFLICT', `These tasks want different orders of the ${conflict.list}`, {
      hint: 'give both lists the same order',
    }),
    tasks: conflict.tasks,
  }
}

/** Claims of the record that no task makes and that no task's claim replaces. What was wanted absent leaves nothing. */
function findOrphans(merged: readonly MergedClaim[], owned: readonly Claim[]): readonly Claim[] {
  const identities = new Set(merged.map(({ claim }) => formatIdentity(claim)))
  return owned
    .filter((claim) => claim.want === 'present' && !identities.has(formatIdentity(claim)))
    .filter((claim) => !merged.some((other) => isReplaced(claim, other.claim)))
}

function isReplaced(orphan: Claim, wanted: Claim): boolean {
  if (formatSlot(orphan) !== formatSlot(wanted)) return findSequenceConflict(wanted, orphan) !== undefined
  if (orphan.of === 'driver') return true
  if (orphan.of === 'kernel-argument' && wanted.of === 'kernel-argument' && wanted.value === orphan.value) return true
  return findConflict(orphan, wanted) !== undefined
}

/** Live values have no earlier value that is known here: they are left as they are. A unit of our own is disabled. */
function isPrunable(claim: Claim, owned: readonly Claim[]): boolean {
  if (claim.of === 'unit')
    return owned.some((other) => other.of === 'file' && other.target.endsWith(`/${claim.target}`))
  return claim.of !== 'attribute' && claim.of !== 'kernel-module'
}

function keepOrphan(claim: Claim, prune: boolean): MergedClaim {
  if (!prune) return { claim, tasks: [], adopt: false }
  return { claim: { ...claim, want: 'absent' }, tasks: [], adopt: false, pruned: true }
}
