import type { Claim, ClaimOfTask } from '../core/claim.ts'
import type { ModulePlan } from '../core/module.ts'
import { parseOwnedClaims } from '../core/parse-owned-claims.ts'
import type { ResolvedTask } from '../core/plan.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { applyChanges } from './apply-changes.ts'
import type { DetectedStack } from './boot-stack.ts'
import { formatSlot } from './claim-identity.ts'
import { mergeClaims } from './merge-claims.ts'
import type { Merged } from './merge-claims.ts'
import { predictNextBoot } from './next-boot.ts'
import type { PredictedBoot } from './next-boot.ts'
import type { SettleContext } from './settle-context.ts'
import { settle } from './settle.ts'
import type { Settled } from './settle.ts'
import type { MergedClaim } from './tasked.ts'
import { findInterest } from './vfio-claims.ts'

export type PlanInput = {
  readonly tasks: readonly ResolvedTask[]
  /** One per task. Diagnostics without a source get the task's. */
  readonly modulePlans: readonly ModulePlan[]
  readonly snapshot: Snapshot
  /** Removes what the last record holds and no task makes any more. */
  readonly prune: boolean
}

/** What some tasks come to, up to the next boot. */
export type FollowedPlan = {
  readonly joined: Merged
  readonly settled: Settled
  /** The host with all changes made. */
  readonly after: Snapshot
  readonly boot: PredictedBoot
}

/** `chosen`: indexes of the tasks that are followed; the others claim nothing. */
export function followPlan(input: PlanInput, detected: DetectedStack, chosen: readonly number[]): FollowedPlan {
  const { snapshot, prune } = input
  const owned = parseOwnedClaims(snapshot.lastRecord)
  const joined = mergeClaims(claimsOfTasks(input, chosen), owned, { prune })
  const stack = detected.ok ? detected.stack : null
  const settled = settle({ merged: joined.merged, snapshot, stack, context: contextOf(input.tasks, owned) })
  const after = applyChanges(snapshot, settled.changes)
  return { joined, settled, after, boot: predictBoot(snapshot, detected, settled, joined.merged) }
}

export function predictBoot(
  snapshot: Snapshot,
  detected: DetectedStack,
  settled: Pick<Settled, 'changes' | 'regenerate' | 'leftToDo' | 'uncertain'>,
  merged: readonly MergedClaim[],
): PredictedBoot {
  const stack = detected.ok ? detected.stack : detected.boots
  if (stack === undefined) return { nextBoot: null, pending: [] }
  const rebuilt = new Set([...settled.regenerate, ...settled.leftToDo])
  return predictNextBoot({
    before: snapshot,
    after: applyChanges(snapshot, settled.changes),
    stack,
    entriesRebuilt: rebuilt.has(stack.entriesBy),
    imagesRebuilt: rebuilt.has('initramfs'),
    interest: findInterest(snapshot, merged),
    uncertain: settled.uncertain,
  })
}

function claimsOfTasks({ tasks, modulePlans }: PlanInput, chosen: readonly number[]): readonly ClaimOfTask[] {
  return chosen.flatMap((task) =>
    (modulePlans[task]?.claims ?? []).map((claim) => ({ claim, task, adopt: tasks[task]?.adopt ?? false })),
  )
}

const explicitModules: ReadonlySet<string> = new Set(['kernel_cmdline', 'grub_cmdline'])

function contextOf(tasks: readonly ResolvedTask[], owned: readonly Claim[]): SettleContext {
  const slots = new Set(owned.map(formatSlot))
  return {
    isExplicit: (merged) => merged.tasks.some((index) => explicitModules.has(tasks[index]?.module ?? '')),
    isOwned: (merged) => slots.has(formatSlot(merged.claim)),
  }
}
