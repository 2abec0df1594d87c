import type { DriverPrediction } from '../core/plan.ts'
import type { PciFunction } from '../core/snapshot.ts'
import type { BootWorld } from './boot-world.ts'
import { listCourses } from './boot-courses.ts'
import type { CourseInput, OpenCourse } from './boot-courses.ts'
import { foldName } from '../core/fold-name.ts'
import { simulateBoot } from './simulate-boot.ts'
import type { Doubt, ListedModule, SimulatedBoot } from './simulate-boot.ts'

/** `general`: what is open for the host as a whole; `why`: what that means for this function. */
export type DriverDoubt = Doubt & { readonly general: string }

export type PredictedDrivers = {
  readonly drivers: ReadonlyMap<string, DriverPrediction>
  readonly doubts: ReadonlyMap<string, DriverDoubt>
  /** Of the modules that lists name, those that are in the kernel at the end whatever course it takes. */
  readonly image: readonly string[]
  readonly boot: readonly string[]
}

type Run = { readonly course: OpenCourse; readonly boot: SimulatedBoot }

/**
 * The driver of every function after the next boot. The boot is followed on every course that files leave open: where
 * all of them end alike, the prediction is certain, else the most likely end stands with the reason of the doubt.
 */
export function predictDrivers(input: CourseInput): PredictedDrivers {
  const { world } = input
  const runs = listCourses(input).map((course) => ({ course, boot: simulateBoot(world, course) }))
  const doubts = new Map<string, DriverDoubt>()
  const drivers = world.functions.map((target) => {
    const [prediction, doubt] = judge(runs, target)
    if (doubt !== null) doubts.set(target.address, doubt)
    return [target.address, prediction] as const
  })
  const first = runs[0]?.course
  return {
    drivers: new Map(drivers),
    doubts,
    image: findLoaded(world, runs, first?.image?.listed ?? []),
    boot: findLoaded(world, runs, first?.root.listed ?? []),
  }
}

function judge(runs: readonly Run[], target: PciFunction): readonly [DriverPrediction, DriverDoubt | null] {
  const { address, driver: now } = target
  if (target.physicalFunction !== null) return judgeVirtual(target)
  const unruled = runs.flatMap(({ boot }) => boot.doubts.get(address) ?? [])[0]
  if (unruled !== undefined)
    return [
      { now, next: now, certain: false, because: unruled.why },
      { ...unruled, general: unruled.why },
    ]
  const outcomes = runs.flatMap(({ boot, course }) => {
    const outcome = boot.outcomes.get(address)
    return outcome === undefined ? [] : [{ ...outcome, course }]
  })
  const [first] = outcomes
  if (first === undefined) throw new Error(`${address} was not followed`)
  const { driver: next } = first
  const because = first.explain()
  const other = outcomes.find(({ driver }) => driver !== next)
  const open = runs.flatMap(({ boot }) => boot.open.get(address) ?? [])[0]
  if (other === undefined && open !== undefined) {
    const text = `${because}; but ${open.why}`
    return [
      { now, next, certain: false, because: text },
      { ...open, why: text, general: open.why },
    ]
  }
  if (other === undefined) return [{ now, next, certain: true, because }, null]
  const doubt = other.course.doubt ?? { code: 'DRIVER_UNCERTAIN', why: '' }
  const text = `${because}; or ${other.driver ?? 'none'}, because ${doubt.why}`
  return [
    { now, next, certain: false, because: text },
    { code: doubt.code, why: text, general: doubt.why },
  ]
}

/** Virtual functions are made after boot, by whoever writes sriov_numvfs. */
function judgeVirtual({ driver: now, physicalFunction }: PciFunction): readonly [DriverPrediction, DriverDoubt] {
  const why = `a virtual function of ${physicalFunction}: there after a boot only when something makes it again`
  return [
    { now, next: now, certain: false, because: why },
    { code: 'VF_AFTER_BOOT', why, general: why },
  ]
}

/** Names that no kernel has stand in lists of real hosts: only those that are known to be loadable are predicted. */
function findLoaded(world: BootWorld, runs: readonly Run[], listed: readonly ListedModule[]): readonly string[] {
  const names = [...new Set(listed.map(({ module }) => foldName(module)))]
  return names.filter((name) => {
    const availability = world.kernel.modules.get(name)
    const isKnown = availability === 'loadable' || (world.isSame && world.loadedNow.has(name))
    return availability === 'builtin' || (isKnown && runs.every(({ boot }) => boot.loaded.has(name)))
  })
}
