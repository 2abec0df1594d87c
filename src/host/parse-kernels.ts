import { foldName } from '../core/fold-name.ts'
import type { InstalledKernel, ModuleAvailability } from '../core/snapshot.ts'
import type { NodeStat } from './parse-paths.ts'
import { grepLines, sectionLines, type ProbeOutput } from './probe-sections.ts'

type Asked = {
  readonly running: string
  readonly modules: readonly string[]
  readonly symbols: readonly string[]
  readonly stats: ReadonlyMap<string, NodeStat>
}

type Tables = {
  readonly config: ReadonlyMap<string, ReadonlyMap<string, string>>
  readonly loadable: ReadonlySet<string>
  readonly builtin: ReadonlySet<string>
  readonly aliases: ReadonlyMap<string, InstalledKernel['pciAliases'][number][]>
  readonly softdeps: ReadonlyMap<string, readonly string[]>
  readonly maps: ReadonlyMap<string, InstalledKernel['systemMap']>
  readonly boot: ReadonlyMap<string, NodeStat & { readonly path: string }>
}

/** Kernels that have modules, in byte order of their releases. */
export function parseKernels(output: ProbeOutput, asked: Asked): InstalledKernel[] {
  const tables: Tables = {
    config: parseConfig(output),
    ...parseModuleFiles(output),
    aliases: parseAliases(output),
    softdeps: parseSoftdeps(output),
    maps: parseMaps(output, asked.symbols),
    boot: parseBootFiles(asked.stats),
  }
  const releases = sectionLines(output, 'kernels').flatMap((line) => {
    const [kind, release] = line.split('\t')
    return kind === 'kernel' && release !== undefined ? [release] : []
  })
  return [...new Set(releases)].sort().map((release) => composeKernel(release, asked, tables))
}

function composeKernel(release: string, asked: Asked, tables: Tables): InstalledKernel {
  const image = tables.boot.get(`vmlinuz-${release}`)
  const initrd = tables.boot.get(`initrd.img-${release}`)
  return {
    release,
    running: release === asked.running,
    image: image?.path ?? null,
    initrd: initrd ? { path: initrd.path, inode: initrd.inode, size: initrd.size, mtime: initrd.mtime } : null,
    config: tables.config.get(release) ?? new Map(),
    modules: new Map(asked.modules.map((name) => [name, findAvailability(`${release}/${name}`, tables)])),
    pciAliases: tables.aliases.get(release) ?? [],
    softdeps: tables.softdeps.get(release) ?? [],
    systemMap: tables.maps.get(release) ?? { state: 'absent', symbols: [] },
  }
}

function findAvailability(key: string, tables: Tables): ModuleAvailability {
  if (tables.builtin.has(key)) return 'builtin'
  return tables.loadable.has(key) ? 'loadable' : 'absent'
}

/** Written with the path that the host itself would use, also where /boot is a link. */
function parseBootFiles(stats: ReadonlyMap<string, NodeStat>): Tables['boot'] {
  const found = new Map<string, NodeStat & { path: string }>()
  for (const [path, stat] of stats) {
    const name = /\/((?:vmlinuz|initrd\.img)-[^/]+)$/.exec(path)?.[1]
    if (name !== undefined) found.set(name, { ...stat, path: `/boot/${name}` })
  }
  return found
}

function parseConfig(output: ProbeOutput): Map<string, Map<string, string>> {
  const all = new Map<string, Map<string, string>>()
  for (const { match, text } of grepLines(output, 'config', /^config-([^:]+)(?=:)/)) {
    const line = /^(?:# (CONFIG_\w+) is not set|(CONFIG_\w+)=(.*))$/.exec(text)
    if (!line) continue
    addTo(all, match[1] ?? '').set(line[1] ?? line[2] ?? '', line[3]?.replace(/^"(.*)"$/, '$1') ?? 'n')
  }
  return all
}

function addTo<Value>(all: Map<string, Map<string, Value>>, key: string): Map<string, Value> {
  const found = all.get(key) ?? new Map<string, Value>()
  all.set(key, found)
  return found
}

/** Keys are `RELEASE/NAME`, names folded to underscores. */
function parseModuleFiles(output: ProbeOutput): { loadable: Set<string>; builtin: Set<string> } {
  const [loadable, builtin] = [new Set<string>(), new Set<string>()]
  for (const { match, text } of grepLines(output, 'modules', /^([^/:]+)\/modules\.(dep|builtin)(?=:)/)) {
    const name = /\/([\w-]+)\.ko(?:\.\w+)?(?:$|:)/.exec(`/${text}`)?.[1]
    if (name !== undefined) (match[2] === 'dep' ? loadable : builtin).add(`${match[1]}/${foldName(name)}`)
  }
  return { loadable, builtin }
}

/** modules.alias holds `alias PATTERN MODULE`, modules.builtin.modinfo records `MODULE.alias=PATTERN`, each ended by NUL. */
function parseAliases(output: ProbeOutput): Map<string, InstalledKernel['pciAliases'][number][]> {
  const all = new Map<string, InstalledKernel['pciAliases'][number][]>()
  const add = (release: string, alias: InstalledKernel['pciAliases'][number]): void => {
    const known = all.get(release)
    if (known) known.push(alias)
    else all.set(release, [alias])
  }
  for (const { match, text } of grepLines(output, 'aliases', /^([^/:]+)\/modules\.alias(?=:)/)) {
    const [keyword, pattern = '', module = ''] = text.split(' ')
    if (keyword === 'alias' && pattern.startsWith('pci:')) {
      add(match[1] ?? '', { pattern, module: foldName(module), builtin: false })
    }
  }
  for (const record of (output.sections.get('builtin-aliases') ?? '').split('\0')) {
    const match = /^([^/:]+)\/modules\.builtin\.modinfo:([\w-]+)\.alias=(pci:.*)$/s.exec(record)
    if (match) add(match[1] ?? '', { pattern: match[3] ?? '', module: foldName(match[2] ?? ''), builtin: true })
  }
  return all
}

function parseSoftdeps(output: ProbeOutput): Map<string, string[]> {
  const all = new Map<string, string[]>()
  for (const { match, text } of grepLines(output, 'aliases', /^([^/:]+)\/modules\.softdep(?=:)/)) {
    all.set(match[1] ?? '', [...(all.get(match[1] ?? '') ?? []), text])
  }
  return all
}

/** Debian's /boot/System.map-* is one line that says where the real one is. */
const stubText = 'The real System.map is in the'

function parseMaps(output: ProbeOutput, symbols: readonly string[]): Map<string, InstalledKernel['systemMap']> {
  const firstLines = new Map(
    grepLines(output, 'system-maps', /^System\.map-([^:]+)(?=:)/).map(({ match, text }) => [match[1], text]),
  )
  const maps = new Map<string, InstalledKernel['systemMap']>()
  for (const line of sectionLines(output, 'kernels')) {
    const [kind, release = '', access] = line.split('\t')
    if (kind !== 'map') continue
    const stub = (firstLines.get(release) ?? stubText).includes(stubText)
    const state = access !== 'readable' ? 'unreadable' : stub ? 'stub' : 'real'
    maps.set(release, { state, symbols: state === 'real' ? findSymbols(output, `System.map-${release}`, symbols) : [] })
  }
  return maps
}

/** Those of the symbols asked for that a file of symbols holds: lines `ADDRESS TYPE NAME [MODULE]`. */
export function findSymbols(output: ProbeOutput, file: string, symbols: readonly string[]): string[] {
  const found = new Set<string>()
  for (const line of sectionLines(output, 'symbols')) {
    const at = line.indexOf(`/${file}:`)
    const name = at < 0 ? undefined : line.slice(at + file.length + 2).split(/\s+/)[2]
    if (name !== undefined) found.add(name)
  }
  return symbols.filter((symbol) => found.has(symbol))
}
