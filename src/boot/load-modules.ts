import { matchesModule } from '../formats/modprobe.ts'
import { foldName } from '../core/fold-name.ts'
import { findBlacklisting, findInstall, findSoftdep, loadsNothing } from './kmod-configuration.ts'
import type { KmodConfiguration } from './kmod-configuration.ts'

/** Where modules are loaded from: the image or the root file system. */
export type LoadingPlace = {
  readonly configuration: KmodConfiguration
  /** True for modules that can be loaded here; built-in ones cannot and need not. */
  readonly holds: (module: string) => boolean
  /** What a module depends on, in the order of loading. */
  readonly needs: (module: string) => readonly string[]
  /** Names that the kernel itself refuses (`module_blacklist=`). */
  readonly refused: ReadonlySet<string>
}

/** One module that kmod hands to the kernel, and why just then. */
export type Insertion = { readonly module: string; readonly because: string }

export type Loading = {
  readonly insertions: readonly Insertion[]
  /** Asked for and not loaded: module → why. */
  readonly held: ReadonlyMap<string, string>
  /** Modules whose install command is a program of its own: what it loads is not known. */
  readonly opaque: ReadonlyMap<string, string>
}

type Request = {
  /** Modules, by name, in the order in which they are asked for. */
  readonly modules: readonly string[]
  readonly because: string
}

/** Aliases of modprobe.d stand before everything else (libkmod-module.c kmod_module_new_from_lookup). */
export function resolveAlias(place: LoadingPlace, alias: string): readonly string[] {
  const targets = place.configuration.aliases.filter(({ pattern }) => matchesModule(pattern, alias))
  return [...new Set(targets.map(({ module }) => foldName(module)))]
}

function resolveName(place: LoadingPlace, name: string): readonly string[] {
  const targets = resolveAlias(place, name)
  return targets.length > 0 ? targets : [foldName(name)]
}

/**
 * What kmod_module_probe_insert_module() does for these modules, `loaded` ones left out: the blacklist, softdeps before
 * and after, install commands, the kernel's own refusal. All that loads modules by itself while a host boots has the
 * blacklist apply to names as well: udev and systemd-modules-load (KMOD_PROBE_APPLY_BLACKLIST), and every modprobe of
 * initramfs-tools, whose init sets MODPROBE_OPTIONS=-qb. Softdeps and dependencies come in all the same.
 */
export function loadModules(place: LoadingPlace, request: Request, loaded: ReadonlySet<string>): Loading {
  const loading = { insertions: [] as Insertion[], held: new Map<string, string>(), opaque: new Map<string, string>() }
  const known = new Set(loaded)
  for (const name of request.modules) {
    for (const module of resolveName(place, name)) loadOne(place, { ...request, module }, known, loading)
  }
  return loading
}

type Collected = {
  readonly insertions: Insertion[]
  readonly held: Map<string, string>
  readonly opaque: Map<string, string>
}

function loadOne(
  place: LoadingPlace,
  request: Omit<Request, 'modules'> & { readonly module: string },
  loaded: Set<string>,
  into: Collected,
): void {
  const { module } = request
  if (loaded.has(module) || !place.holds(module)) return
  const blacklisted = findBlacklisting(place.configuration, module)
  if (blacklisted !== undefined) {
    into.held.set(module, `${module} is on the blacklist (${blacklisted.place})`)
    return
  }
  for (const step of listSteps(place, module, request.because, new Set())) insert(place, step, loaded, into)
}

type Step = Insertion & { readonly ignoresInstall: boolean }

/**
 * The module after its dependencies, each with what its softdep wants before and after it, and theirs (libkmod-module.c
 * __kmod_module_get_probe_list). Neither is asked for on the blacklist.
 */
function listSteps(place: LoadingPlace, module: string, because: string, visited: Set<string>): readonly Step[] {
  if (visited.has(module)) return []
  visited.add(module)
  const needed = place.needs(module).filter((name) => place.holds(name))
  return [
    ...needed.flatMap((name) => listSteps(place, name, `${name} is loaded before ${module}, which needs it`, visited)),
    ...listSoftSteps(place, module, because, visited),
  ]
}

function listSoftSteps(place: LoadingPlace, module: string, because: string, visited: Set<string>): readonly Step[] {
  const softdep = findSoftdep(place.configuration, module)
  const resolve = (names: readonly string[]) =>
    names.flatMap((name) => resolveName(place, name)).filter((name) => place.holds(name))
  const pre = resolve(softdep?.pre ?? [])
  const post = resolve(softdep?.post ?? [])
  const at = softdep === undefined ? '' : ` (${softdep.place})`
  return [
    ...pre.flatMap((name) => listSteps(place, name, `${name} is loaded before ${module}${at}`, visited)),
    // kmod drops install commands of a module with a softdep (libkmod-module.c __kmod_module_fill_softdep: ignorecmd).
    { module, because, ignoresInstall: pre.length + post.length > 0 },
    ...post.flatMap((name) => listSteps(place, name, `${name} is loaded after ${module}${at}`, visited)),
  ]
}

function insert(place: LoadingPlace, { module, because, ignoresInstall }: Step, loaded: Set<string>, into: Collected) {
  if (loaded.has(module)) return
  const missing = place.needs(module).find((name) => place.holds(name) && !loaded.has(name))
  const install = ignoresInstall ? undefined : findInstall(place.configuration, module)
  if (install !== undefined && loadsNothing(install.command)) {
    into.held.set(module, `an install command stands in for ${module} (${install.place})`)
  } else if (install !== undefined) {
    into.opaque.set(module, `what the install command of ${module} does cannot be told (${install.place})`)
  } else if (place.refused.has(module)) {
    into.held.set(module, `the kernel refuses ${module} (module_blacklist=)`)
  } else if (missing !== undefined) {
    const notLoaded = into.opaque.has(missing) ? into.opaque : into.held
    notLoaded.set(module, `${module} needs ${missing}: ${notLoaded.get(missing) ?? 'which is not loaded'}`)
  } else {
    loaded.add(module)
    into.insertions.push({ module, because })
  }
}
