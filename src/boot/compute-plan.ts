import type { Claim, ClaimOfTask } from '../core/claim.ts'
import { isForBoot } from '../core/change.ts'
import { hasErrors } from '../core/diagnostic.ts'
import type { ModulePlan } from '../core/module.ts'
import type { HostPlan, PlannedTask, ResolvedTask } from '../core/plan.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { applyChanges } from './apply-changes.ts'
import { attachDiagnostics } from './attach-diagnostics.ts'
import type { AttachedDiagnostics } from './attach-diagnostics.ts'
import { formatSlot } from './claim-identity.ts'
import { checkIommu } from './check-iommu.ts'
import { detectBootStack } from './detect-stack.ts'
import type { DetectedStack } from './boot-stack.ts'
import { mergeClaims } from './merge-claims.ts'
import { predictNextBoot } from './next-boot.ts'
import type { PredictedBoot } from './next-boot.ts'
import { parseOwnedClaims } from '../core/parse-owned-claims.ts'
import type { SettleContext } from './settle-context.ts'
import { concernsBoot, settle } from './settle.ts'
import type { Settled } from './settle.ts'
import type { MergedClaim, TaskDiagnostic } from './tasked.ts'
import { findInterest } from './vfio-claims.ts'

export type PlanInput = {
  readonly tasks: readonly ResolvedTask[]
  /** One per task. Diagnostics without a source get the task's. */
  readonly modulePlans: readonly ModulePlan[]
  readonly snapshot: Snapshot
  /** Removes what the last record holds and no task makes any more. */
  readonly prune: boolean
}

/**
 * The plan of one host, from what its tasks claim and what the host is. A plan with an error wants no changes: nothing
 * of it may be applied.
 */
export function computePlan({ tasks, modulePlans, snapshot, prune }: PlanInput): HostPlan {
  const owned = parseOwnedClaims(snapshot.lastRecord)
  const { merged, orphans, diagnostics } = mergeClaims(claimsOfTasks(tasks, modulePlans), owned, { prune })
  const detected = detectBootStack(snapshot)
  const stack = detected.ok ? detected.stack : null
  const settled = settle({ merged, snapshot, stack, context: contextOf(tasks, owned) })
  const planned = predict(snapshot, detected, settled, merged)
  const attached = attachDiagnostics(tasks, [
    ...diagnostics,
    ...checkStack(detected, merged),
    ...settled.diagnostics,
    ...checkIommu(snapshot, planned.nextBoot, merged),
  ])
  const all = [...modulePlans.flatMap((plan) => plan.diagnostics), ...attached.byTask.flat(), ...attached.ofHost]
  const isRefused = hasErrors(all)
  const plan = isRefused ? refuse(settled) : settled
  const boot = isRefused ? predict(snapshot, detected, plan, merged) : planned
  const pending = [...plan.pending, ...boot.pending]
  return {
    machineId: snapshot.machineId,
    kernelRelease: snapshot.kernelRelease,
    bootId: snapshot.bootId,
    tasks: planTasks(tasks, modulePlans, plan, attached),
    changes: plan.changes,
    regenerate: plan.regenerate,
    pending,
    orphans,
    reboot: needsReboot(plan) || pending.length > 0 ? 'needed' : 'none',
    nextBoot: boot.nextBoot,
    diagnostics: attached.ofHost,
    claims: heldClaims(merged, settled),
    expectation: plan.expectation,
  }
}

function claimsOfTasks(tasks: readonly ResolvedTask[], modulePlans: readonly ModulePlan[]): readonly ClaimOfTask[] {
  return modulePlans.flatMap(({ claims }, task) =>
    claims.map((claim) => ({ claim, task, adopt: tasks[task]?.adopt ?? false })),
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

/** The boot stack must be known only where a claim concerns the boot. */
function checkStack(detected: DetectedStack, merged: readonly MergedClaim[]): readonly TaskDiagnostic[] {
  const concerned = merged.filter((each) => concernsBoot(each) && (each.tasks.length > 0 || each.pruned === true))
  if (detected.ok || concerned.length === 0) return []
  const tasks = [...new Set(concerned.flatMap((each) => each.tasks))].toSorted((a, b) => a - b)
  return [{ diagnostic: detected.diagnostic, tasks }]
}

function refuse(settled: Settled): Settled {
  return { ...settled, changes: [], regenerate: [], pending: [], outdated: new Map(), expectation: null }
}

function predict(
  snapshot: Snapshot,
  detected: DetectedStack,
  settled: Settled,
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

function needsReboot({ changes, regenerate }: Settled): boolean {
  const rebuilt = regenerate.some(isForBoot)
  return rebuilt || changes.some(({ takesEffect }) => takesEffect === 'boot')
}

function planTasks(
  tasks: readonly ResolvedTask[],
  modulePlans: readonly ModulePlan[],
  settled: Settled,
  attached: AttachedDiagnostics,
): readonly PlannedTask[] {
  return tasks.map(({ play, name, module, params, source }, index) => ({
    play,
    name,
    module,
    params,
    ...expansionOf(modulePlans[index]),
    source,
    changes: settled.changes.flatMap((change, at) => (change.tasks.includes(index) ? [at] : [])),
    diagnostics: [
      ...(modulePlans[index]?.diagnostics ?? []).map((each) => ({ source, ...each })),
      ...(attached.byTask[index] ?? []),
    ],
  }))
}

function expansionOf(plan: ModulePlan | undefined): Pick<PlannedTask, 'expands'> {
  return plan?.expands === undefined ? {} : { expands: plan.expands }
}

/** What holds after this plan: all that tasks want, what earlier records hold still, and what was taken over. */
function heldClaims(merged: readonly MergedClaim[], settled: Settled): readonly Claim[] {
  return [...merged.filter(({ pruned }) => pruned !== true).map(({ claim }) => claim), ...settled.adopted]
}
