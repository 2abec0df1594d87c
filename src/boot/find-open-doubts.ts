import type { PciFunction } from '../core/snapshot.ts'
import { matchesModule } from '../formats/modprobe.ts'
import { displayDrivers, soleDrivers } from '../pci/driver-names.ts'
import type { BootWorld } from './boot-world.ts'
import { foldName } from '../core/fold-name.ts'
import { findLoadedIds, isGiven, isTaker } from './id-takers.ts'
import { judgeModeset } from './judge-modeset.ts'
import type { Bound, Course, Doubt, Phase } from './simulate-boot.ts'

/** A boot that was followed to its end. */
type Ended = {
  readonly world: BootWorld
  readonly course: Course
  readonly bound: ReadonlyMap<string, Bound>
  readonly overrides: ReadonlyMap<string, { readonly driver: string }>
  readonly loaded: ReadonlyMap<string, string>
  /** Loaded modules that may have refused to start, and why. */
  readonly hesitant: ReadonlyMap<string, string>
}

/** What may bring a function to another end than the one that was followed, by address. */
export function findOpenDoubts(ended: Ended): ReadonlyMap<string, Doubt> {
  const phases = [ended.course.image, ended.course.root]
  const untraced = phases.flatMap((phase) => (phase === null ? [] : listUntraced(ended, phase)))
  const found = ended.world.functions.flatMap((target) => {
    const doubt = findDoubt(ended, target, untraced)
    return doubt === undefined ? [] : [[target.address, doubt] as const]
  })
  return new Map(found)
}

function findDoubt(ended: Ended, target: PciFunction, untraced: readonly Untraced[]): Doubt | undefined {
  const next = ended.bound.get(target.address)?.driver ?? null
  const found = findForeign(ended, target, next) ?? findHesitant(ended, target, next)
  if (found !== undefined || (next !== null && ended.world.builtins.get(target.address)?.driver === next)) return found
  const loaded = untraced.find(({ phase, module }) => isWanted(ended, phase, module, target, next))
  return loaded === undefined ? undefined : { code: 'SOFTDEP_UNTRACED', why: loaded.why }
}

/** An override that no rule sets is one of a program (driverctl, a script of the initramfs, a manager of guests). */
function findForeign({ world, overrides }: Ended, target: PciFunction, next: string | null): Doubt | undefined {
  const { address, driverOverride } = target
  if (driverOverride === null || driverOverride === next) return undefined
  if (overrides.has(address) || world.explained.has(address)) return undefined
  const why = `its driver_override is ${driverOverride} now, and who set it, and whether at the next boot again, cannot be told`
  return { code: 'OVERRIDE_FOREIGN', why }
}

function findHesitant({ world, hesitant }: Ended, target: PciFunction, next: string | null): Doubt | undefined {
  const builtin = world.builtins.get(target.address)
  const isBuiltin = builtin !== undefined && builtin.driver === next
  const modules = isBuiltin ? [...displayDrivers] : (world.candidates.get(target.address) ?? [])
  const module = modules.find((each) => next !== null && world.driverOf(each) === next)
  if (module === undefined) return undefined
  const why = isBuiltin ? judgeModeset(module, world.args)?.why : hesitant.get(module)
  return why === undefined ? undefined : { code: 'NOMODESET', why }
}

type Untraced = { readonly phase: Phase; readonly module: string; readonly why: string }

/**
 * What softdeps load with modules that no function asks for: they count where another module needs that one, which
 * modules.dep would tell. Only of files of people: the kernel's own are about modules that belong together.
 */
function listUntraced({ world, loaded }: Ended, phase: Phase): readonly Untraced[] {
  const traced = [...loaded.keys(), ...world.drivers, ...soleDrivers]
  const untraced = phase.configuration.softdeps.filter(
    ({ pattern, place }) =>
      place.startsWith('/') && phase.holds(pattern) && !traced.some((module) => matchesModule(pattern, module)),
  )
  return untraced.flatMap(({ pattern, pre, post, place }) =>
    [...pre, ...post].map(foldName).map((module) => {
      const why = `${module} is loaded with ${pattern} (${place}), and what needs ${pattern} cannot be told`
      return { phase, module, why }
    }),
  )
}

/** This module would have taken the function that another one has at the end, or none. */
function isWanted(ended: Ended, phase: Phase, module: string, target: PciFunction, next: string | null): boolean {
  const { world, overrides } = ended
  if (!phase.holds(module) || world.driverOf(module) === next) return false
  const override = overrides.get(target.address)
  if (override !== undefined) return override.driver === world.driverOf(module)
  if (isTaker(module)) return isGiven(findLoadedIds(phase.configuration, module), target)
  return world.candidates.get(target.address)?.includes(module) === true
}
