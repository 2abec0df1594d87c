import type { PciFunction } from '../core/snapshot.ts'
import { isBridge } from '../pci/devices.ts'
import type { BootWorld } from './boot-world.ts'
import { findOpenDoubts } from './find-open-doubts.ts'
import { foldName } from '../core/fold-name.ts'
import { findBuiltinIds, findLoadedIds, isGiven, isTaker, takers } from './id-takers.ts'
import type { GivenIds } from './id-takers.ts'
import { findOption } from './kmod-configuration.ts'
import type { GivenArguments } from './kmod-configuration.ts'
import { loadModules, resolveAlias } from './load-modules.ts'
import type { LoadingPlace } from './load-modules.ts'
import { judgeModeset } from './judge-modeset.ts'
import { runOverrideRules } from './override-rules.ts'
import type { OverrideRule } from './override-rules.ts'

/** A module that a list names, and where; `args`: options behind its name, which count after those of modprobe.d. */
export type ListedModule = { readonly module: string; readonly args: string; readonly place: string }

/** The image or the root file system, as one phase of the boot sees it. */
export type Phase = LoadingPlace & {
  readonly name: 'image' | 'root'
  readonly rules: readonly OverrideRule[]
  readonly listed: readonly ListedModule[]
}

/** One of the courses that a boot may take, as far as files leave it open. */
export type Course = {
  /** null: the entry has no image. */
  readonly image: Phase | null
  readonly root: Phase
  /** udev's workers run side by side: each at once with its modules, or all rules first and modules in reverse order. */
  readonly events: 'in-order' | 'rules-first'
  /** systemd-modules-load and udev's coldplug start together. */
  readonly rootFirst: 'list' | 'coldplug'
  /** Whether functions have an IOMMU group, without which vfio refuses them. */
  readonly hasGroup: (target: PciFunction) => boolean
}

/** `explain`: why; worked out for the course that is told of, not for all. */
export type Outcome = { readonly driver: string | null; readonly explain: () => string }

export type Doubt = { readonly code: string; readonly why: string }

export type SimulatedBoot = {
  readonly outcomes: ReadonlyMap<string, Outcome>
  /** Functions of which no rule tells what they get. */
  readonly doubts: ReadonlyMap<string, Doubt>
  /** Functions that something beyond these rules may bring to another end. */
  readonly open: ReadonlyMap<string, Doubt>
  readonly loaded: ReadonlySet<string>
}

export type Bound = { readonly driver: string; readonly because: string }

type State = {
  readonly world: BootWorld
  readonly course: Course
  readonly bound: Map<string, Bound>
  readonly overrides: Map<string, { readonly driver: string; readonly place: string }>
  /** Module → why it was loaded when it was. */
  readonly loaded: Map<string, string>
  readonly ids: Map<string, GivenIds | null>
  /** Asked for and not loaded. */
  readonly held: Map<string, string>
  readonly doubts: Map<string, Doubt>
  /** Functions that vfio-pci was given and refused. */
  readonly refused: Map<string, string>
  /** Loaded modules that may have refused to start, and why. */
  readonly hesitant: Map<string, string>
}

/**
 * A boot with initramfs-tools and systemd: built-in drivers; in the image udev's coldplug (scripts/init-top/udev), then
 * the list of modules (`load_modules` of its init); from the root file system systemd-modules-load and coldplug again.
 */
export function simulateBoot(world: BootWorld, course: Course): SimulatedBoot {
  const state: State = {
    world,
    course,
    bound: new Map(),
    overrides: new Map(),
    loaded: new Map(),
    ids: new Map(),
    held: new Map(),
    doubts: new Map(),
    refused: new Map(),
    hesitant: new Map(),
  }
  bindBuiltins(state)
  if (course.image !== null) {
    coldplug(state, course.image)
    loadList(state, course.image)
  }
  const steps = [() => loadList(state, course.root), () => coldplug(state, course.root)]
  for (const step of course.rootFirst === 'list' ? steps : steps.toReversed()) step()
  for (const target of world.functions) noteHidden(state, target)
  return {
    outcomes: new Map(world.functions.map((target) => [target.address, findOutcome(state, target)])),
    doubts: state.doubts,
    open: findOpenDoubts(state),
    loaded: new Set(state.loaded.keys()),
  }
}

/** Ids of a built-in vfio-pci or pci-stub come from the command line; pci-stub registers before other drivers. */
function bindBuiltins(state: State): void {
  const { world } = state
  for (const module of takers) {
    if (world.kernel.modules.get(module) !== 'builtin') continue
    state.ids.set(module, findBuiltinIds(world, module))
    state.loaded.set(module, `${world.driverOf(module)} is built in`)
  }
  for (const target of world.functions) {
    const taker = takers.toReversed().find((module) => isGiven(state.ids.get(module) ?? null, target))
    const builtin = world.builtins.get(target.address)
    if (builtin !== undefined && taker === 'vfio_pci') {
      const why = `vfio-pci and ${builtin.driver} are both built in, and which comes first cannot be told`
      state.doubts.set(target.address, { code: 'BUILTIN_ORDER', why })
    }
    if (builtin !== undefined && !builtin.certain) {
      state.doubts.set(target.address, { code: 'KERNEL_OTHER', why: builtin.because })
    }
    if (taker === 'pci_stub' || (taker !== undefined && builtin === undefined)) bindGiven(state, taker, target)
    else if (builtin !== undefined) state.bound.set(target.address, builtin)
  }
}

/**
 * A driver that is built in and that no alias names shows only while it holds the function. One that is kept from it now
 * by driver_override, or that lost it to a driver for guests, may be there or not.
 */
function noteHidden({ world, overrides, bound, doubts }: State, target: PciFunction): void {
  const { address, driver, driverOverride } = target
  const isKept = driver === null ? driverOverride !== null : takers.includes(foldName(driver))
  if (!isKept || world.builtins.has(address) || world.candidates.get(address)?.length !== 0) return
  const next = bound.get(address)
  const staysTaken = next !== undefined && takers.includes(foldName(next.driver)) && driverOverride === null
  if (overrides.has(address) || staysTaken) return
  const why = `whether this kernel has a driver for it built in cannot be told while it has ${driver ?? 'none'}`
  doubts.set(address, { code: 'BUILTIN_HIDDEN', why })
}

function bindGiven(state: State, module: string, target: PciFunction): void {
  const given = state.ids.get(module) ?? null
  const loading = state.loaded.get(module)
  const because = [loading, given === null ? '' : `its id is given to it (${given.place})`].join('; ')
  bind(state, module, target, because)
}

function bind(state: State, module: string, target: PciFunction, because: string): void {
  if (module === 'vfio_pci' && !state.course.hasGroup(target)) {
    state.refused.set(target.address, `${because}; but it has no IOMMU group, without which vfio-pci takes nothing`)
    return
  }
  if (state.doubts.get(target.address)?.code === 'DRIVER_DECLINES') state.doubts.delete(target.address)
  state.bound.set(target.address, { driver: state.world.driverOf(module), because })
}

/** A module is in the kernel: its driver looks at every function that has none (drivers/pci/pci-driver.c). */
function insert(state: State, phase: Phase, module: string, because: string, args?: GivenArguments): void {
  const { world } = state
  if (state.loaded.has(module)) return
  const modeset = judgeModeset(module, world.args, findOption(phase.configuration, module, 'modeset', args))
  if (modeset?.certain === true) {
    state.held.set(module, modeset.why)
    return
  }
  if (modeset !== undefined) state.hesitant.set(module, modeset.why)
  state.loaded.set(module, because)
  if (isTaker(module)) state.ids.set(module, findLoadedIds(phase.configuration, module, args))
  for (const target of world.functions) {
    if (!state.bound.has(target.address)) probe(state, module, target)
  }
}

/** pci_match_device(): with driver_override only the driver of that name, else ids given, else the driver's own table. */
function probe(state: State, module: string, target: PciFunction): void {
  const { world } = state
  const override = state.overrides.get(target.address)
  if (override !== undefined) {
    if (override.driver === world.driverOf(module)) {
      bind(state, module, target, `driver_override is ${override.driver} (${override.place})`)
    }
    return
  }
  if (isTaker(module)) {
    if (isGiven(state.ids.get(module) ?? null, target)) bindGiven(state, module, target)
    return
  }
  if (world.candidates.get(target.address)?.includes(module) !== true) return
  const declined = findDeclined(state, module, target) ?? findChoice(state, module, target)
  if (declined !== undefined) state.doubts.set(target.address, declined)
  else bind(state, module, target, explainNative(state, module, target))
}

/** The same kernel has the module loaded and the function free: its driver refused it, or somebody took it off. */
function findDeclined({ world }: State, module: string, target: PciFunction): Doubt | undefined {
  if (!world.isSame || target.driver !== null || target.driverOverride !== null) return undefined
  if (!world.loadedNow.has(module)) return undefined
  const why = `${module} is loaded now and has not taken it; whether it refuses it or was taken off cannot be told`
  return { code: 'DRIVER_DECLINES', why }
}

/** Another module that matches as well has it now although this one is loaded: which of them refuses it is not known. */
function findChoice({ world }: State, module: string, target: PciFunction): Doubt | undefined {
  const others = (world.candidates.get(target.address) ?? []).filter((each) => each !== module)
  const owner = others.find((each) => world.driverOf(each) === target.driver)
  if (!world.isSame || owner === undefined || !world.loadedNow.has(module)) return undefined
  return { code: 'DRIVER_CHOICE', why: `${module} matches it as well as ${owner}, which has it now` }
}

function explainNative(state: State, module: string, { address }: PciFunction): string {
  const given = findGiven(state, address)
  const loading = state.loaded.get(module) ?? ''
  return given === undefined ? loading : `${loading}; nothing makes ${module} wait for ${given}`
}

/** The driver that is given the id of the function by the files of the root file system. */
function findGiven(state: State, address: string): string | undefined {
  const target = state.world.functions.find((each) => each.address === address)
  const module = takers.find(
    (each) =>
      target !== undefined &&
      isGiven(state.ids.get(each) ?? findLoadedIds(state.course.root.configuration, each), target),
  )
  return module === undefined ? undefined : state.world.driverOf(module)
}

type Request = { readonly module: string; readonly because: string; readonly args?: GivenArguments }

function load(state: State, phase: Phase, { module: name, because, args }: Request): void {
  const loading = loadModules(phase, { modules: [name], because }, new Set(state.loaded.keys()))
  for (const [module, why] of loading.held) state.held.set(module, why)
  for (const [module, why] of loading.opaque) noteOpaque(state, module, why)
  for (const { module, because: why } of loading.insertions) {
    insert(state, phase, module, why, foldName(name) === module ? args : undefined)
  }
}

function noteOpaque({ world, doubts, bound }: State, module: string, why: string): void {
  for (const { address } of world.functions) {
    if (bound.has(address) || world.candidates.get(address)?.includes(module) !== true) continue
    doubts.set(address, { code: 'INSTALL_COMMAND', why })
  }
}

function loadList(state: State, phase: Phase): void {
  const where = phase.name === 'image' ? 'in the initramfs' : 'at boot'
  for (const { module, args, place } of phase.listed) {
    const because = `${state.world.driverOf(foldName(module))} is loaded ${where} (${place})`
    load(state, phase, { module, because, args: { text: args, place } })
  }
}

/** udev is told of every function again; with each it runs the rules, then loads what the modalias asks for. */
function coldplug(state: State, phase: Phase): void {
  const { functions } = state.world
  if (state.course.events === 'rules-first') {
    for (const target of functions) runRules(state, phase, target)
    for (const target of functions.toReversed()) loadAliases(state, phase, target)
    return
  }
  for (const target of functions) {
    runRules(state, phase, target)
    loadAliases(state, phase, target)
  }
}

function runRules(state: State, phase: Phase, target: PciFunction): void {
  if (phase.rules.length === 0) return
  const { address } = target
  const effect = runOverrideRules(phase.rules, target, state.bound.get(address)?.driver ?? null)
  if (effect.unclear !== null) state.doubts.set(address, { code: 'RULE_UNCLEAR', why: effect.unclear })
  if (effect.override !== null) state.overrides.set(address, effect.override)
  if (effect.unbinds) state.bound.delete(address)
  for (const { module, place } of effect.loads) {
    load(state, phase, { module, because: `${place} loads ${module}` })
  }
  if (effect.probes && !state.bound.has(address)) {
    for (const module of state.loaded.keys()) {
      if (!state.bound.has(address)) probe(state, module, target)
    }
    bindBuiltinOverride(state, target)
  }
}

/** A built-in driver is there to probe as well. */
function bindBuiltinOverride(state: State, target: PciFunction): void {
  const override = state.overrides.get(target.address)
  const builtin = state.world.builtins.get(target.address)
  if (state.bound.has(target.address) || builtin === undefined) return
  if (override === undefined || override.driver === builtin.driver) state.bound.set(target.address, builtin)
}

function loadAliases(state: State, phase: Phase, target: PciFunction): void {
  const aliased = target.modalias === null ? [] : resolveAlias(phase, target.modalias)
  const modules = aliased.length > 0 ? aliased : (state.world.aliased.get(target.address) ?? [])
  for (const module of modules) {
    if (!phase.holds(module)) continue
    load(state, phase, { module, because: `${module} matches it` })
  }
}

function findOutcome(state: State, target: PciFunction): Outcome {
  const bound = state.bound.get(target.address)
  if (bound !== undefined) return { driver: bound.driver, explain: () => explainBound(state, target, bound) }
  return { driver: null, explain: () => explainNone(state, target) }
}

function explainBound(state: State, target: PciFunction, { driver, because }: Bound): string {
  const refused = state.refused.get(target.address)
  if (refused !== undefined && driver !== 'vfio-pci') return refused
  const given = findGiven(state, target.address)
  const builtin = state.world.builtins.get(target.address)
  if (builtin?.driver !== driver || given === undefined || given === driver) return because
  return `${because} and comes before ${given}`
}

function explainNone(state: State, target: PciFunction): string {
  const { world, held, overrides, refused, loaded } = state
  const refusal = refused.get(target.address)
  if (refusal !== undefined) return refusal
  const override = overrides.get(target.address)
  if (override !== undefined)
    return `driver_override is ${override.driver} (${override.place}), and no such driver came`
  const given = findGiven(state, target.address)
  const isTakerLoaded = takers.some((module) => world.driverOf(module) === given && loaded.has(module))
  if (given !== undefined && !isTakerLoaded) {
    const isAbsent = world.kernel.modules.get(foldName(given)) === 'absent'
    return isAbsent ? `this kernel has no ${given}` : `its id is given to ${given}, but nothing loads ${given}`
  }
  const candidates = world.candidates.get(target.address) ?? []
  const why = candidates.flatMap((module) => held.get(module) ?? [])
  if (why.length > 0) return why.join('; ')
  if (isBridge(target)) return 'no driver takes this bridge'
  return candidates.length === 0 ? 'no driver of this kernel matches it' : `${candidates.join(', ')} is not loaded`
}
