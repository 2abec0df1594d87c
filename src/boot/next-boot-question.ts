import { isForBoot } from '../core/change.ts'
import type { NextBoot } from '../core/plan.ts'
import type { Snapshot } from '../core/snapshot.ts'
import type { DetectedStack } from './boot-stack.ts'
import { followPlan, predictBoot } from './follow-plan.ts'
import type { FollowedPlan, PlanInput } from './follow-plan.ts'

/** A finished plan, and what is asked of it where its next boot is not as it should be. */
export type NextBootQuestion = {
  readonly input: PlanInput
  readonly snapshot: Snapshot
  readonly planned: FollowedPlan
  readonly nextBoot: NextBoot
  /** What the next boot would bring if nothing were changed. */
  readonly unchanged: () => NextBoot
  /** Tasks that make something so, ascending; none where it comes of what `--prune` removes. */
  readonly findCauses: (isSo: (plan: FollowedPlan) => boolean) => readonly number[]
}

/** undefined where the next boot cannot be followed. Only what is asked is worked out. */
export function askNextBoot(
  input: PlanInput,
  detected: DetectedStack,
  planned: FollowedPlan,
): NextBootQuestion | undefined {
  const { snapshot } = input
  const { nextBoot } = planned.boot
  if (nextBoot === null || !snapshot.kernels.some(({ release }) => release === nextBoot.entry.kernel)) return undefined
  const files = { changes: [], regenerate: [], leftToDo: [], uncertain: [] }
  const unchanged = once(() => predictBoot(snapshot, detected, files, []).nextBoot ?? nextBoot)
  const followed = new Map<string, FollowedPlan>()
  const follow = (chosen: readonly number[]): FollowedPlan => {
    const key = chosen.join()
    const plan = followed.get(key) ?? followPlan({ ...input, prune: false }, detected, chosen)
    followed.set(key, plan)
    return plan
  }
  const findCauses = (isSo: (plan: FollowedPlan) => boolean) => listCauses(input, planned, follow, isSo)
  return { input, snapshot, planned, nextBoot, unchanged, findCauses }
}

/** Those without which it would not be so, and those that make it so alone; where none can be singled out, all for the boot. */
function listCauses(
  { tasks, prune }: PlanInput,
  planned: FollowedPlan,
  follow: (chosen: readonly number[]) => FollowedPlan,
  isSo: (plan: FollowedPlan) => boolean,
): readonly number[] {
  const all = tasks.map((_, index) => index)
  if (prune && !isSo(follow(all))) return []
  const causes = all.filter((task) => isSo(follow([task])) || !isSo(follow(all.filter((other) => other !== task))))
  return causes.length > 0 ? causes : all.filter((task) => changesBoot(planned, task))
}

function changesBoot({ settled }: FollowedPlan, task: number): boolean {
  const isRebuilt = [...settled.outdated].some(([name, tasks]) => isForBoot(name) && tasks.includes(task))
  return isRebuilt || settled.changes.some(({ takesEffect, tasks }) => takesEffect === 'boot' && tasks.includes(task))
}

function once<Value>(compute: () => Value): () => Value {
  let known: { readonly value: Value } | undefined
  return () => (known ??= { value: compute() }).value
}
