import { warning } from '../core/diagnostic.ts'
import type { DriverPrediction, NextBoot } from '../core/plan.ts'
import type { PciFunction, Snapshot } from '../core/snapshot.ts'
import { parseKernelCommandLine } from '../formats/kernel-arguments.ts'
import { refuse } from '../core/refuse.ts'
import { describeConsole } from '../pci/check-host.ts'
import { findLines, findScreens, showsConsole } from '../pci/lives-on/consoles.ts'
import { describePrediction } from './describe-prediction.ts'
import type { FollowedPlan } from './follow-plan.ts'
import type { NextBootQuestion } from './next-boot-question.ts'
import { tellTasks } from './tell-tasks.ts'
import type { MergedClaim, TaskDiagnostic } from './tasked.ts'
import { findTakers } from './vfio-claims.ts'

/** Something shows the next boot: a card that keeps its driver, a serial line that stays, a management controller. */
export function checkNextConsole(question: NextBootQuestion): readonly TaskDiagnostic[] {
  const { input, snapshot, planned, nextBoot, unchanged, findCauses } = question
  const { merged } = planned.joined
  const loss = findLoss(question, planned)
  if (loss === null) return []
  const isWorse = findLossOf(question, unchanged(), snapshot, []) === null
  const takers = loss.leaving.flatMap((found) => findTakers(merged, snapshot, found))
  const text = describeLoss(snapshot, nextBoot, loss)
  const { message, evidence } = text
  if (isWorse || takers.length > 0) {
    const causes = isWorse
      ? findCauses((plan) => findLoss(question, plan) !== null)
      : [...new Set(takers)].toSorted(byNumber)
    return tellTasks(input.tasks, causes, (options) => refuse(options, 'BOOT_VGA_ONLY', message, text))
  }
  const hint = 'this plan does not change that: the files of the host lead there already'
  return [{ diagnostic: warning('BOOT_VGA_ONLY', message, { hint, evidence }), tasks: [] }]
}

function byNumber(a: number, b: number): number {
  return a - b
}

/** All that shows the host now goes: these cards, and these lines. */
type ConsoleLoss = { readonly leaving: readonly PciFunction[]; readonly lines: readonly string[] }

function findLoss(question: NextBootQuestion, { boot, joined, after }: FollowedPlan): ConsoleLoss | null {
  return boot.nextBoot === null ? null : findLossOf(question, boot.nextBoot, after, joined.merged)
}

/** `after`: the host with all changes made, of which some bind cards anew now. */
function findLossOf(
  { snapshot, unchanged }: NextBootQuestion,
  nextBoot: NextBoot,
  after: Snapshot,
  merged: readonly MergedClaim[],
): ConsoleLoss | null {
  const screens = findScreens(snapshot)
  const lines = findLines(snapshot)
  const gone = lines.filter((name) => isTakenOff(name, snapshot.commandLine, nextBoot.kernelCommandLine))
  if (snapshot.ipmi || gone.length < lines.length || screens.length + lines.length === 0) return null
  const isNamed = (found: PciFunction) => findTakers(merged, snapshot, found).length > 0
  const driverAfter = new Map(after.pci.map(({ address, driver }) => [address, driver]))
  const isLive = screens.some(({ address, driver }) => driverAfter.get(address) !== driver)
  const staying = snapshot.pci.filter((found) => {
    const prediction = nextBoot.drivers[found.address]
    const isOnNow = !isLive || showsConsole(found, driverAfter.get(found.address) ?? null)
    if (prediction === undefined || !showsConsole(found, prediction.next) || !isOnNow) return false
    if (screens.includes(found) && isNamed(found)) return false
    // A doubt that was there before says nothing against the plan.
    return prediction.certain || isDoubted(unchanged().drivers[found.address])
  })
  if (staying.length > 0) return null
  return screens.length > 0 || gone.length > 0 ? { leaving: screens, lines: gone } : null
}

function isDoubted(prediction: DriverPrediction | undefined): boolean {
  return prediction?.certain === false
}

/** A line that is there for its `console=` goes with it; one that was there without stays. */
function isTakenOff(name: string, now: string, next: string): boolean {
  const isAsked = (line: string) =>
    parseKernelCommandLine(line).some(
      (argument) => argument.name === 'console' && namesLine(argument.value?.split(',')[0] ?? '', name),
    )
  return isAsked(now) && !isAsked(next)
}

/** `console=uart8250,io,0x3f8` becomes the ttyS of that port (Documentation/admin-guide/kernel-parameters.txt). */
function namesLine(value: string, name: string): boolean {
  return value === name || (value.startsWith('uart') && name.startsWith('ttyS'))
}

function describeLoss(snapshot: Snapshot, nextBoot: NextBoot, { leaving, lines }: ConsoleLoss) {
  const told = leaving.length > 0 ? describeConsole(snapshot, leaving) : describeLines(lines)
  const drivers = leaving.flatMap((found) => {
    const prediction = nextBoot.drivers[found.address]
    return prediction === undefined ? [] : [describePrediction(found, prediction)]
  })
  const args = lines.map((name) => `next boot: no console=${name} on the command line`)
  return { ...told, evidence: [...told.evidence, ...drivers, ...args] }
}

function describeLines(lines: readonly string[]) {
  return {
    message: `${lines.join(', ')} is the only console of the host, and the next boot would not have it`,
    hint: 'leave it on the command line, or give the host a graphics card; ssh alone does not show a boot that fails',
    evidence: [`/proc/consoles: ${lines.join(' ')}`],
  }
}
