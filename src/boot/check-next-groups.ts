import type { DriverPrediction } from '../core/plan.ts'
import type { PciFunction, Snapshot } from '../core/snapshot.ts'
import { describeStaying, keepsGroup, refuseGroup } from '../pci/check-platform.ts'
import { isBridge, isVfioDriver } from '../pci/devices.ts'
import { findCompanions } from '../pci/groups.ts'
import { describePrediction } from './describe-prediction.ts'
import type { NextBootQuestion } from './next-boot-question.ts'
import { tellTasks } from './tell-tasks.ts'
import type { TaskDiagnostic } from './tasked.ts'
import { findNamed, isForGuests } from './vfio-claims.ts'

/** The tasks that hand a function to guests. */
type Handed = ReadonlyMap<PciFunction, readonly number[]>

/** A group is for guests whole: by all tasks together, and by what is there after the boot. */
export function checkNextGroups(question: NextBootQuestion): readonly TaskDiagnostic[] {
  const handed = findHanded(question)
  const groups = [...new Set([...handed.keys()].flatMap(({ iommuGroup }) => iommuGroup ?? []))]
  return groups.toSorted((a, b) => a - b).flatMap((group) => checkGroup(question, handed, group))
}

function findHanded({ snapshot, planned }: NextBootQuestion): Handed {
  const handed = new Map<PciFunction, readonly number[]>()
  for (const { claim, tasks } of planned.joined.merged) {
    if (tasks.length === 0 || !isForGuests(claim)) continue
    for (const found of findNamed(snapshot, claim).filter((each) => !isBridge(each))) {
      handed.set(found, [...(handed.get(found) ?? []), ...tasks])
    }
  }
  return handed
}

function checkGroup(question: NextBootQuestion, handed: Handed, group: number): readonly TaskDiagnostic[] {
  const { input, snapshot, planned, nextBoot } = question
  const members = snapshot.pci.filter((found) => handed.has(found) && found.iommuGroup === group)
  const driverAfter = new Map(planned.after.pci.map(({ address, driver }) => [address, driver]))
  const isLive = members.some(({ address, driver }) => driverAfter.get(address) !== driver)
  const staying = findCompanions(snapshot, members).filter((found) => {
    const after = driverAfter.get(found.address) ?? null
    const isOnNow = isLive && after !== null && !isVfioDriver(after)
    return !handed.has(found) && (isOnNow || willKeepGroup(snapshot, found, nextBoot.drivers[found.address]))
  })
  if (staying.length === 0) return []
  const evidence = staying.flatMap((found) => [describeStaying(found), ...describeChange(found, nextBoot.drivers)])
  const causes = [...new Set(members.flatMap((found) => handed.get(found) ?? []))].toSorted((a, b) => a - b)
  return tellTasks(input.tasks, causes, (options) => refuseGroup(options, { group, members, evidence }))
}

/** Where it cannot be told which driver comes, that of now counts as well. */
function willKeepGroup(snapshot: Snapshot, found: PciFunction, prediction: DriverPrediction | undefined): boolean {
  if (prediction === undefined) return keepsGroup(found, snapshot)
  const { next, certain } = prediction
  const isOfHost = next !== null && !isVfioDriver(next)
  return isOfHost || (!certain && keepsGroup(found, snapshot))
}

function describeChange(found: PciFunction, drivers: Readonly<Record<string, DriverPrediction>>): readonly string[] {
  const prediction = drivers[found.address]
  return prediction === undefined || prediction.next === found.driver ? [] : [describePrediction(found, prediction)]
}
