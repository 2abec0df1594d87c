import type { PciFunction, Snapshot } from '../core/snapshot.ts'
import { findNativeDrivers, foldModuleName, isVfioDriver } from './devices.ts'
import { classDrivers, findDriverName } from './driver-names.ts'

/** A driver that takes a function before any module can. */
export type BuiltinDriver = {
  /** Its module's name where one is known, else its name in sysfs. */
  readonly name: string
  /** Releases of the kernels in which it is built in. */
  readonly releases: readonly string[]
}

export function findBuiltinDrivers(snapshot: Snapshot, target: PciFunction): readonly BuiltinDriver[] {
  const native = findNativeDrivers(snapshot, target)
  const named = native.filter(({ builtinIn }) => builtinIn.length > 0)
  if (native.length > 0) return named.map(({ module, builtinIn }) => ({ name: module, releases: builtinIn }))
  const byClass = findByClass(snapshot, target)
  if (byClass.length > 0) return byClass
  const holding = findHolding(snapshot, target)
  return holding === null ? [] : [{ name: holding, releases: [snapshot.kernelRelease] }]
}

function findByClass({ kernels }: Snapshot, target: PciFunction): readonly BuiltinDriver[] {
  return classDrivers
    .filter(({ classes }) => classes.test(target.class))
    .map(({ module }) => ({
      name: module,
      releases: kernels.filter(({ modules }) => modules.get(module) === 'builtin').map(({ release }) => release),
    }))
    .filter(({ releases }) => releases.length > 0)
}

/**
 * The driver that has the function and is no module's: before 6.18 no file of a kernel names what its built-in drivers
 * match, and the one that holds the function shows it. null also where nothing is known of modules.
 */
function findHolding({ kernels, loadedModules }: Snapshot, { driver }: PciFunction): string | null {
  if (driver === null || isVfioDriver(driver) || loadedModules.size === 0) return null
  const folded = foldModuleName(driver)
  const running = kernels.find((kernel) => kernel.running)
  if (running === undefined || running.modules.get(folded) === 'loadable' || loadedModules.has(folded)) return null
  return [...loadedModules].some((module) => findDriverName(module) === driver) ? null : driver
}
