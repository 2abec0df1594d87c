import { foldName } from '../core/fold-name.ts'
import type { InstalledKernel, PciFunction, Snapshot } from '../core/snapshot.ts'
import { findAliases, isVfioDriver } from './devices.ts'
import { classDrivers, findDriverName, isDriverNameKnown, registersDriver } from './driver-names.ts'
import { findBootable } from './kernels.ts'

/** A driver that takes a function before any module can. */
export type BuiltinDriver = {
  /** Its module's name where one is known, else its name in sysfs. */
  readonly name: string
  /** Releases of the kernels in which it is built in. */
  readonly releases: readonly string[]
}

/** Over all kernels that may boot, by name. */
export function findBuiltinDrivers(snapshot: Snapshot, target: PciFunction): readonly BuiltinDriver[] {
  const found = new Map<string, string[]>()
  for (const kernel of findBootable(snapshot)) {
    for (const name of findNames(snapshot, kernel, target)) {
      found.set(name, [...(found.get(name) ?? []), kernel.release])
    }
  }
  return [...found].map(([name, releases]) => ({ name, releases })).toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

function findNames(snapshot: Snapshot, kernel: InstalledKernel, target: PciFunction): readonly string[] {
  const { loadable, builtin } = findDriverModules(kernel, target)
  if (builtin.length > 0) return builtin
  const holding = kernel.running ? findHolding(snapshot, kernel, target, loadable) : null
  return holding === null ? [] : [holding]
}

/** Modules that match a function, by folded name, in the order of their aliases. */
export type DriverModules = { readonly loadable: readonly string[]; readonly builtin: readonly string[] }

/** Of one kernel. Those built in that match by class come last: before 6.18 no file of a kernel has their aliases. */
export function findDriverModules(kernel: InstalledKernel, target: PciFunction): DriverModules {
  const aliases = findAliases(kernel, target).filter(({ module }) => registersDriver(module))
  const byClass = classDrivers.filter(
    ({ module, classes }) => kernel.modules.get(module) === 'builtin' && classes.test(target.class),
  )
  return {
    loadable: namesOf(aliases.filter(({ builtin }) => !builtin)),
    builtin: namesOf([...aliases.filter(({ builtin }) => builtin), ...byClass]),
  }
}

function namesOf(modules: readonly { readonly module: string }[]): readonly string[] {
  return [...new Set(modules.map(({ module }) => module))]
}

/**
 * The driver that has the function and is no module's: before 6.18 no file of a kernel names what its built-in drivers
 * match, and the one that holds the function shows it. null also where nothing is known of modules, and where one that
 * matches is loaded, which may have its driver under another name.
 */
function findHolding(
  snapshot: Snapshot,
  { modules }: InstalledKernel,
  { driver }: PciFunction,
  loadable: readonly string[],
): string | null {
  const { loadedModules } = snapshot
  if (driver === null || isVfioDriver(driver) || loadedModules.size === 0) return null
  if (modules.get(foldName(driver)) === 'loadable') return null
  if (loadable.some((module) => loadedModules.has(module))) return null
  return isOfModule(snapshot, driver, { loadable, driverOf: findDriverName }) ? null : driver
}

/** True where a module brought this driver: one of those that match, or one that is loaded. */
export function isOfModule(
  { loadedModules }: Snapshot,
  driver: string,
  { loadable, driverOf }: Pick<DriverModules, 'loadable'> & { readonly driverOf: (module: string) => string },
): boolean {
  if (loadedModules.has(foldName(driver))) return true
  if (loadable.some((module) => driverOf(module) === driver)) return true
  return [...loadedModules].some((module) => isDriverNameKnown(module) && findDriverName(module) === driver)
}
