import { foldName } from '../core/fold-name.ts'
import type { InstalledKernel, PciFunction, Snapshot } from '../core/snapshot.ts'
import { findDriverModules, isOfModule } from '../pci/builtin-drivers.ts'
import type { DriverModules } from '../pci/builtin-drivers.ts'
import { byAddress, findAliases, isVfioDriver } from '../pci/devices.ts'
import { findDriverName, isDriverNameKnown } from '../pci/driver-names.ts'
import type { ArgumentList } from './argument-list.ts'
import { hasName } from './argument-list.ts'
import { runOverrideRules } from './override-rules.ts'
import { readRules } from './read-rules.ts'

/** What is the same in every course that the boot may take: hardware, the kernel, its modules and arguments. */
export type BootWorld = {
  readonly kernel: InstalledKernel
  /** The kernel that runs now is the one that boots. */
  readonly isSame: boolean
  readonly args: ArgumentList
  /** In order of address, the order in which udev is told of them. */
  readonly functions: readonly PciFunction[]
  /** Loadable modules whose aliases match, in the order of modules.alias, by address: udev asks for all of them. */
  readonly aliased: ReadonlyMap<string, readonly string[]>
  /** Those of them that register a driver. */
  readonly candidates: ReadonlyMap<string, readonly string[]>
  /** The driver that the kernel brings along for it, by address. */
  readonly builtins: ReadonlyMap<string, Builtin>
  readonly driverOf: (module: string) => string
  /** Modules that are a driver of some function of this host. */
  readonly drivers: ReadonlySet<string>
  /** Functions, by address, whose driver_override of now is one that a rule of /etc sets. */
  readonly explained: ReadonlySet<string>
  /** Loaded in the kernel that runs. */
  readonly loadedNow: ReadonlySet<string>
  /** Modules the kernel refuses: the last module_blacklist= counts, names are compared exactly (kernel/module/main.c). */
  readonly refused: ReadonlySet<string>
}

export type Builtin = {
  readonly driver: string
  /** False where it is taken from what the kernel that runs now does, and another one boots. */
  readonly certain: boolean
  readonly because: string
}

export function composeWorld(snapshot: Snapshot, kernel: InstalledKernel, args: ArgumentList): BootWorld {
  const isSame = kernel.running || kernel.release === snapshot.kernelRelease
  const functions = snapshot.pci.toSorted(byAddress)
  const aliased = new Map(functions.map((each) => [each.address, findLoadable(kernel, each)]))
  const matching = functions.map((each) => [each, findDriverModules(kernel, each)] as const)
  const candidates = new Map(matching.map(([{ address }, { loadable }]) => [address, loadable]))
  const names = learnNames(snapshot, functions, candidates)
  const driverOf = (module: string) => names.get(module) ?? findDriverName(module)
  const { loadedModules: loadedNow } = snapshot
  const world = {
    kernel,
    isSame,
    args,
    functions,
    aliased,
    candidates,
    driverOf,
    drivers: new Set([...aliased.values()].flat()),
    explained: findExplained(snapshot),
    loadedNow,
    refused: findRefused(args),
  }
  const builtins = matching.flatMap(([target, modules]) => {
    const builtin = findBuiltin(snapshot, world, target, modules)
    return builtin === null ? [] : [[target.address, builtin] as const]
  })
  return { ...world, builtins: new Map(builtins) }
}

function findLoadable(kernel: InstalledKernel, target: PciFunction): readonly string[] {
  const loadable = findAliases(kernel, target).filter(({ builtin }) => !builtin)
  return [...new Set(loadable.map(({ module }) => module))]
}

function findExplained(snapshot: Snapshot): ReadonlySet<string> {
  const rules = readRules(snapshot)
  const explained = snapshot.pci.filter((target) => {
    if (target.driverOverride === null) return false
    return runOverrideRules(rules, target, null).override?.driver === target.driverOverride
  })
  return new Set(explained.map(({ address }) => address))
}

function findRefused(args: ArgumentList): ReadonlySet<string> {
  const last = args.findLast((argument) => hasName(argument, 'module_blacklist'))
  return new Set((last?.value ?? '').split(',').filter((name) => name !== ''))
}

/** A driver whose name is not the module's is known by what it holds now, where no other module can have brought it. */
function learnNames(
  snapshot: Snapshot,
  functions: readonly PciFunction[],
  candidates: BootWorld['candidates'],
): ReadonlyMap<string, string> {
  const names = new Map<string, string>()
  for (const { address, driver } of functions) {
    if (driver === null || isVfioDriver(driver) || snapshot.loadedModules.has(foldName(driver))) continue
    const [module, ...others] = (candidates.get(address) ?? []).filter((each) => snapshot.loadedModules.has(each))
    if (module === undefined || others.length > 0 || isDriverNameKnown(module)) continue
    if (foldName(driver) !== module) names.set(module, driver)
  }
  return names
}

type WithoutBuiltins = Omit<BootWorld, 'builtins'>

function findBuiltin(
  snapshot: Snapshot,
  world: WithoutBuiltins,
  target: PciFunction,
  { loadable, builtin: [module] }: DriverModules,
): Builtin | null {
  const { kernel, isSame, driverOf } = world
  if (module !== undefined) return { driver: driverOf(module), certain: true, because: `${module} is built in` }
  const now = target.driver
  if (now === null || isVfioDriver(now) || isOfModule(snapshot, now, { loadable, driverOf })) return null
  // What built-in drivers match stands nowhere before kernel 6.18; that this one holds the function shows it.
  if (isSame) return { driver: now, certain: true, because: `${now} is built in to this kernel` }
  if (now === 'pcieport' && kernel.config.get('CONFIG_PCIEPORTBUS') === 'y') {
    return { driver: now, certain: true, because: 'CONFIG_PCIEPORTBUS=y' }
  }
  return { driver: now, certain: false, because: `another kernel boots, and whether it has ${now} cannot be told` }
}
