import { warning } from '../core/diagnostic.ts'
import type { DriverPrediction, NextBoot } from '../core/plan.ts'
import type { PciFunction } from '../core/snapshot.ts'
import { findNeeds, refuseNeed } from '../pci/check-host.ts'
import type { Need } from '../pci/check-host.ts'
import { isVfioDriver } from '../pci/devices.ts'
import { describePrediction } from './describe-prediction.ts'
import type { FollowedPlan } from './follow-plan.ts'
import type { NextBootQuestion } from './next-boot-question.ts'
import { tellTasks } from './tell-tasks.ts'
import type { TaskDiagnostic } from './tasked.ts'
import { findTakers } from './vfio-claims.ts'

/** What the host lives on keeps its driver, whatever takes it away: ids, blacklists, lists of modules, rules. */
export function checkNextDrivers(question: NextBootQuestion): readonly TaskDiagnostic[] {
  const { snapshot, planned } = question
  return snapshot.pci.flatMap((found) => {
    const prediction = predictionOf(planned, found)
    // Virtual functions come after the boot: what they stand on is their physical function.
    if (prediction === undefined || found.physicalFunction !== null || rank(prediction) === 0) return []
    const needs = findNeeds(snapshot, found).filter((need) => isLost(need, found, prediction))
    return needs.flatMap((need) => tellLoss(question, found, prediction, need))
  })
}

/** How far a function is from keeping its driver: 0 it does · 1 most likely · 2 most likely not · 3 it does not. */
function rank({ now, next, certain }: DriverPrediction): number {
  return now === next ? (certain ? 0 : 1) : certain ? 3 : 2
}

/** A management controller's graphics need no driver, and the ISA bridge none either: they only must not be taken away. */
function isLost({ uses }: Need, { driver }: PciFunction, { next }: DriverPrediction): boolean {
  if (driver !== null && isVfioDriver(driver)) return false
  const needsDriver = uses?.some((what) => what !== 'bmc-vga') === true && driver !== null
  const mayBeTaken = next === driver
  return needsDriver || mayBeTaken || (next !== null && isVfioDriver(next))
}

function tellLoss(
  question: NextBootQuestion,
  found: PciFunction,
  prediction: DriverPrediction,
  need: Need,
): readonly TaskDiagnostic[] {
  const { input, snapshot, planned, unchanged, findCauses } = question
  const takers = findTakers(planned.joined.merged, snapshot, found)
  if (takers.some((task) => hasTold(input.modulePlans[task]))) return []
  const lost = rank(prediction)
  const text = describeLoss(need, found, prediction)
  const before = unchanged().drivers[found.address]
  const isWorse = before === undefined || lost > rank(before)
  if (isWorse || takers.length > 0) {
    const causes = isWorse ? findCauses((plan) => rank(predictionOf(plan, found) ?? prediction) >= lost) : takers
    return tellTasks(input.tasks, causes, (options) => refuseNeed(text, options))
  }
  // What files leave open without this plan is told as an uncertain driver.
  if (lost < 2) return []
  const { message, evidence } = text
  const hint = 'this plan does not change that; take off what takes it away before the host is started again'
  return [{ diagnostic: warning('HOST_DEPENDS', message, { hint, evidence }), tasks: [] }]
}

function hasTold(plan: NextBootQuestion['input']['modulePlans'][number] | undefined): boolean {
  return plan?.diagnostics.some(({ code }) => code === 'HOST_DEPENDS') === true
}

function predictionOf({ boot }: FollowedPlan, { address }: PciFunction): NextBoot['drivers'][string] | undefined {
  return boot.nextBoot?.drivers[address]
}

function describeLoss(need: Need, found: PciFunction, prediction: DriverPrediction): Need {
  const { now, next, certain } = prediction
  const would = certain ? 'would' : 'may'
  const what =
    now === next
      ? `may take ${now ?? 'it'} off it`
      : next === null
        ? `${would} leave it without a driver`
        : `${would} give it to ${next}`
  return {
    ...need,
    message: `${need.message}; the next boot ${what}`,
    hint: 'take off what takes its driver away, or move what stands on it first',
    evidence: [...need.evidence, describePrediction(found, prediction)],
  }
}
