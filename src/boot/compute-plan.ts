import type { Claim } from '../core/claim.ts'
import { isForBoot } from '../core/change.ts'
import { hasErrors } from '../core/diagnostic.ts'
import type { ModulePlan } from '../core/module.ts'
import type { HostPlan, PlannedTask, ResolvedTask } from '../core/plan.ts'
import { attachDiagnostics } from './attach-diagnostics.ts'
import type { AttachedDiagnostics } from './attach-diagnostics.ts'
import { checkIommu } from './check-iommu.ts'
import { checkNextBoot } from './check-next-boot.ts'
import { detectBootStack } from './detect-stack.ts'
import type { DetectedStack } from './boot-stack.ts'
import { followPlan, predictBoot } from './follow-plan.ts'
import type { PlanInput } from './follow-plan.ts'
import { concernsBoot } from './settle.ts'
import type { Settled } from './settle.ts'
import type { MergedClaim, TaskDiagnostic } from './tasked.ts'

/**
 * The plan of one host, from what its tasks claim and what the host is. A plan with an error wants no changes: nothing
 * of it may be applied.
 */
export function computePlan(input: PlanInput): HostPlan {
  const { tasks, snapshot } = input
  const detected = detectBootStack(snapshot)
  const everyTask = tasks.map((_, index) => index)
  const followed = followPlan(input, detected, everyTask)
  const { settled, boot: planned } = followed
  const { merged, orphans, diagnostics } = followed.joined
  const checked = checkNextBoot(input, detected, followed)
  const { modulePlans } = checked
  const attached = attachDiagnostics(tasks, [
    ...diagnostics,
    ...checkStack(detected, merged),
    ...settled.diagnostics,
    ...checkIommu(snapshot, planned.nextBoot, merged),
    ...checked.diagnostics,
  ])
  const all = [...modulePlans.flatMap((plan) => plan.diagnostics), ...attached.byTask.flat(), ...attached.ofHost]
  const isRefused = hasErrors(all)
  const plan = isRefused ? refuse(settled) : settled
  const boot = isRefused ? predictBoot(snapshot, detected, plan, merged) : planned
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
