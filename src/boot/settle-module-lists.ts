import type { Claim } from '../core/claim.ts'
import { findFile } from '../core/snapshot.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { addModules, formatModuleList, hasModule, parseModuleList, removeModules } from '../formats/module-list.ts'
import type { ModuleList, ModuleListEntry } from '../formats/module-list.ts'
import { foldName } from '../core/fold-name.ts'
import { compareBytes, listFiles } from './list-files.ts'
import type { MergedClaim } from './tasked.ts'
import { editFile, openFile } from './workspace.ts'
import type { Workspace } from './workspace.ts'

export type EarlyMerged = MergedClaim & { readonly claim: Extract<Claim, { of: 'early-module' }> }
export type BootMerged = MergedClaim & { readonly claim: Extract<Claim, { of: 'boot-module' }> }

export const earlyModulesPath = '/etc/initramfs-tools/modules'
export const ownModulesLoadPath = '/etc/modules-load.d/passway.conf'
const ownHeader = '# Written by passway: kernel modules to load at boot.\n'

/** Settles the list of modules that initramfs-tools puts into the images and loads early, in its order. */
export function settleEarlyModules(workspace: Workspace, claims: readonly EarlyMerged[]): void {
  if (claims.length === 0) return
  const file = openFile(
    workspace,
    earlyModulesPath,
    claims.flatMap(({ tasks }) => tasks),
  )
  if (file === undefined) return
  const list = parseModuleList(file.content ?? '', 'initramfs')
  const present = claims.filter(({ claim }) => claim.want === 'present')
  const absent = claims.filter(({ claim }) => claim.want === 'absent')
  const missing = present.filter(({ claim }) => !hasModule(list, claim.module))
  const unwanted = absent.filter(({ claim }) => hasModule(list, claim.module))
  const rest = removeModules(
    list,
    unwanted.map(({ claim }) => claim.module),
  )
  const added = addModules(
    rest,
    missing.map(({ claim }) => claim.module),
  )
  const ordered = orderModules(added, present)
  const moved = ordered.content === added.content ? [] : present
  const tasks = [...missing, ...unwanted, ...moved].flatMap((merged) => merged.tasks)
  const content = formatModuleList(ordered)
  if (content === (file.content ?? '')) return
  editFile(workspace, { path: file.path, content, tasks, takesEffect: 'boot', regenerate: ['initramfs'] })
}

/** Lines change places only where two modules of one task stand the wrong way round. */
function orderModules(list: ModuleList, claims: readonly EarlyMerged[]): ModuleList {
  const places = claims.map(({ claim }) => list.entries.findIndex((entry) => isModule(entry, claim.module)))
  const wrong = claims.some((a, first) =>
    claims.some((b, second) => {
      const together = a.tasks.some((task) => b.tasks.includes(task))
      return first < second && together && (places[first] ?? 0) > (places[second] ?? 0)
    }),
  )
  if (!wrong) return list
  const entries = places.flatMap((place) => list.entries[place] ?? [])
  return moveLines(list, entries)
}

function isModule(entry: ModuleListEntry, module: string): boolean {
  return foldName(entry.module) === foldName(module)
}

/** The lines of these entries, in this order, at the places that they hold together. */
function moveLines(list: ModuleList, wanted: readonly ModuleListEntry[]): ModuleList {
  const slots = wanted.toSorted((a, b) => a.start - b.start)
  const textOf = (entry: ModuleListEntry) => list.content.slice(entry.start, entry.end).replace(/\r?\n$/, '')
  let content = ''
  let at = 0
  for (const [index, slot] of slots.entries()) {
    const lineEnd = list.content.slice(slot.start, slot.end).slice(textOf(slot).length)
    content += list.content.slice(at, slot.start) + textOf(wanted[index] ?? slot) + lineEnd
    at = slot.end
  }
  return parseModuleList(content + list.content.slice(at), list.dialect)
}

const modulesLoadDirectories = ['/etc', '/run', '/usr/local/lib', '/usr/lib', '/lib'].map(
  (at) => `${at}/modules-load.d`,
)

/** Files that are read at boot: a name in an earlier directory masks later ones (modules-load.d(5)), and /etc/modules. */
export function listModulesLoadFiles(snapshot: Snapshot): readonly string[] {
  const chosen = new Map<string, string>()
  for (const directory of modulesLoadDirectories) {
    for (const path of listFiles(snapshot, directory, '.conf')) {
      const name = path.slice(directory.length + 1)
      if (!chosen.has(name)) chosen.set(name, path)
    }
  }
  const paths = [...chosen].toSorted(([a], [b]) => compareBytes(a, b)).map(([, path]) => path)
  return [...new Set([...paths, '/etc/modules'].map((path) => findFile(snapshot, path).path))]
}

/** Settles modules loaded at boot: those that no file lists go into passway's own. */
export function settleBootModules(
  workspace: Workspace,
  claims: readonly BootMerged[],
  loadedNow: ReadonlySet<string>,
): void {
  if (claims.length === 0) return
  const lists = listModulesLoadFiles(workspace.snapshot).map((path) =>
    parseModuleList(contentOf(workspace, path), 'modules-load'),
  )
  const present = claims.filter(({ claim }) => claim.want === 'present')
  const absent = claims.filter(({ claim }) => claim.want === 'absent')
  const missing = present.filter(({ claim }) => !lists.some((list) => hasModule(list, claim.module)))
  const tasks = [...missing, ...absent].flatMap((merged) => merged.tasks)
  const file = openFile(workspace, ownModulesLoadPath, tasks)
  if (file === undefined) return
  const list = parseModuleList(file.content ?? ownHeader, 'modules-load')
  const rest = removeModules(
    list,
    absent.map(({ claim }) => claim.module),
  )
  const next = addModules(
    rest,
    missing.map(({ claim }) => claim.module),
  )
  if (next.content === (file.content ?? ownHeader)) return
  const content = next.entries.length === 0 && next.content === ownHeader ? null : next.content
  const isLive = missing.every(({ claim }) => loadedNow.has(foldName(claim.module)))
  editFile(workspace, { path: file.path, content, tasks, takesEffect: isLive ? 'now' : 'boot' })
}

function contentOf(workspace: Workspace, path: string): string {
  const state = workspace.snapshot.files.get(path)
  return state?.type === 'file' ? state.content : ''
}
