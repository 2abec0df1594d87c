import type { ModulePlan } from '../core/module.ts'
import { checkNextConsole } from './check-next-console.ts'
import { checkNextDrivers } from './check-next-drivers.ts'
import { checkNextGroups } from './check-next-groups.ts'
import type { DetectedStack } from './boot-stack.ts'
import type { FollowedPlan, PlanInput } from './follow-plan.ts'
import { askNextBoot } from './next-boot-question.ts'
import type { TaskDiagnostic } from './tasked.ts'

/** What a task says of itself and of now, and what counts for all tasks together and the boot they lead to. */
const judgedWhole: ReadonlySet<string> = new Set(['BOOT_VGA_ONLY', 'GROUP_SHARED'])

export type CheckedNextBoot = {
  readonly diagnostics: readonly TaskDiagnostic[]
  /** Without what is judged here; as they were where the next boot cannot be followed. */
  readonly modulePlans: readonly ModulePlan[]
}

/** Refusals by the next boot of the finished plan: whichever task, and whichever file, leads to it. */
export function checkNextBoot(input: PlanInput, detected: DetectedStack, planned: FollowedPlan): CheckedNextBoot {
  const question = askNextBoot(input, detected, planned)
  if (question === undefined) return { diagnostics: [], modulePlans: input.modulePlans }
  return {
    diagnostics: [...checkNextGroups(question), ...checkNextDrivers(question), ...checkNextConsole(question)],
    modulePlans: input.modulePlans.map((plan) => ({
      ...plan,
      diagnostics: plan.diagnostics.filter(({ code }) => !judgedWhole.has(code)),
    })),
  }
}
