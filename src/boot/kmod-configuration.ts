import type { Bytes } from '../core/bytes.ts'
import {
  matchesModule,
  mergeModprobeDirectories,
  parseCommandLineModprobe,
  parseModprobe,
  parseModprobeOptions,
  parseSoftdep,
} from '../formats/modprobe.ts'
import type { ModprobeEntry } from '../formats/modprobe.ts'
import { foldName } from '../core/fold-name.ts'

/** A line that counts, and where it stands: `/etc/modprobe.d/vfio.conf:3`, or the argument of the command line. */
type Placed = { readonly place: string }

/** What kmod goes by, in the order in which it reads it. */
export type KmodConfiguration = {
  readonly options: readonly (Placed & { readonly module: string; readonly text: Bytes })[]
  readonly softdeps: readonly (Placed & {
    readonly pattern: string
    readonly pre: readonly string[]
    readonly post: readonly string[]
  })[]
  readonly blacklist: readonly (Placed & { readonly module: string })[]
  readonly aliases: readonly (Placed & { readonly pattern: string; readonly module: string })[]
  readonly installs: readonly (Placed & { readonly pattern: string; readonly command: Bytes })[]
}

type Input = {
  readonly files: readonly { readonly path: string; readonly content: Bytes }[]
  /** Lines of the kernel's modules.softdep. */
  readonly softdeps: readonly string[]
  readonly commandLine: Bytes
}

/**
 * kmod sorts all files by name, whatever their directory, and modules.softdep of the kernel is one of them: only the first
 * softdep of a module counts, so a file that sorts behind `modules.softdep` does not change one that stands there. What
 * the command line says comes last (libkmod-config.c kmod_config_new; seen with kmod 30).
 */
export function composeKmodConfiguration({ files, softdeps, commandLine }: Input): KmodConfiguration {
  const entries = mergeModprobeDirectories(files)
  const own = parseModprobe(softdeps.join('\n')).lines.map((line) => ({ ...line, path: 'modules.softdep' }))
  const later = entries.findIndex(({ path }) => nameOf(path) > 'modules.softdep')
  const at = later === -1 ? entries.length : later
  const all = [...entries.slice(0, at), ...own, ...entries.slice(at)].map((entry) => ({ ...entry, ...placeOf(entry) }))
  const argued = parseCommandLineModprobe(commandLine)
  const ofKind = (kind: ModprobeEntry['kind']) => all.filter((entry) => entry.kind === kind)
  return {
    options: [
      ...ofKind('options').map(({ module, value, place }) => ({ module, text: value, place })),
      ...argued.flatMap((each) =>
        each.kind === 'options'
          ? [{ module: each.module, text: each.value, place: `${each.module}.${each.value}` }]
          : [],
      ),
    ],
    softdeps: ofKind('softdep').map(({ module, value, place }) => ({ pattern: module, ...parseSoftdep(value), place })),
    blacklist: [
      ...ofKind('blacklist'),
      ...argued.flatMap((each) =>
        each.kind === 'blacklist' ? [{ module: each.module, place: `modprobe.blacklist=${each.module}` }] : [],
      ),
    ],
    aliases: ofKind('alias').map(({ module, value, place }) => ({ pattern: module, module: value, place })),
    installs: ofKind('install').map(({ module, value, place }) => ({ pattern: module, command: value, place })),
  }
}

function placeOf({ path, line }: ModprobeEntry): Placed {
  return { place: path.startsWith('/') ? `${path}:${line}` : path }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** Only the first one counts (libkmod-module.c kmod_module_get_softdeps). */
export function findSoftdep(configuration: KmodConfiguration, module: string) {
  return configuration.softdeps.find(({ pattern }) => matchesModule(pattern, module))
}

/** The command that stands for loading the module; only the first one counts. */
export function findInstall(configuration: KmodConfiguration, module: string) {
  return configuration.installs.find(({ pattern }) => matchesModule(pattern, module))
}

/** Names are compared exactly: what the command line says is not folded there. */
export function findBlacklisting(configuration: KmodConfiguration, module: string) {
  return configuration.blacklist.find((each) => each.module === module)
}

/** True where the command loads nothing: it is given to a shell, so words behind it may be another command. */
export function loadsNothing(command: Bytes): boolean {
  return /^(:|exit( \d+)?|(\/usr)?\/bin\/(true|false)|true|false)(\s[^;&|`$()<>\n]*)?$/.test(command.trim())
}

/** Options that a list of modules has behind the name: modprobe hands them over last. */
export type GivenArguments = { readonly text: string; readonly place: string }

/** The last value of an option that a loaded module gets: kmod hands over all of them, those of the command line last. */
export function findOption(
  configuration: KmodConfiguration,
  module: string,
  option: string,
  args: GivenArguments = { text: '', place: '' },
): { readonly value: string | null; readonly place: string } | undefined {
  const own = configuration.options.filter((each) => each.module === foldName(module))
  const all = [...own, args].flatMap(({ text, place }) =>
    parseModprobeOptions(text).map(({ name, value }) => ({ name, value: value ?? null, place })),
  )
  return all.findLast(({ name }) => foldName(name) === option)
}
