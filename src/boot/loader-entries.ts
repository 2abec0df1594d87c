import { findContent, findFile } from '../core/snapshot.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { parseLoaderEntry, parseLoaderLines } from '../formats/loader-entry.ts'
import type { LoaderEntry } from '../formats/loader-entry.ts'
import { compareEntries, matchesGlob } from '../formats/loader-order.ts'
import type { Sortable } from '../formats/loader-order.ts'
import { bootRoots } from './kernel-install.ts'
import { listFiles } from './list-files.ts'

/** An entry of systemd-boot's menu. Of unified images (`entry: null`) nothing but the name is known. */
export type MenuEntry = Sortable & {
  readonly path: string
  readonly root: string
  /** Name of the file without `.conf` and without what counts boots. */
  readonly name: string
  readonly entry: LoaderEntry | null
}

/** null where a directory with entries may not be read. */
export function listMenu(snapshot: Snapshot): readonly MenuEntry[] | null {
  const states = bootRoots.flatMap((root) =>
    ['loader', 'loader/entries'].map((name) => findFile(snapshot, `${root}/${name}`).state.type),
  )
  if (states.includes('unreadable')) return null
  const found = bootRoots.flatMap((root) =>
    listFiles(snapshot, `${root}/loader/entries`, '.conf').map((path) => readEntry(snapshot, root, path)),
  )
  const images = snapshot.efi.images.map((path) => composeEntry(path, '', null))
  // One directory under two names is one.
  const unique = new Map(found.map((each) => [findFile(snapshot, each.path).path, each]))
  return [...unique.values(), ...images].filter(isShown).toSorted(compareEntries)
}

/** The loader leaves out names of its own and what starts nothing. */
function isShown({ id, entry }: MenuEntry): boolean {
  return entry === null || (!id.startsWith('auto-') && entry.starts !== null)
}

function readEntry(snapshot: Snapshot, root: string, path: string): MenuEntry {
  return composeEntry(path, root, parseLoaderEntry(findContent(snapshot, path) ?? ''))
}

function composeEntry(path: string, root: string, entry: LoaderEntry | null): MenuEntry {
  const file = path.slice(path.lastIndexOf('/') + 1)
  const counted = /\+(\d+)(?:-\d+)?\.(?:conf|efi)$/i.exec(file)
  return {
    path,
    root,
    entry,
    id: file.toLowerCase(),
    name: file.replace(/(?:\+\d+(?:-\d+)?)?\.(?:conf|efi)$/i, ''),
    sortKey: entry?.sortKey ?? null,
    machineId: entry?.machineId ?? null,
    version: entry?.version ?? null,
    triesLeft: counted === null ? null : Number(counted[1]),
  }
}

/** `exact`: its id is what was asked for, so that no other entry of the menu can be meant. */
export type ChosenEntry = {
  readonly entry: MenuEntry
  readonly once: boolean
  readonly exact: boolean
  readonly because: string
}

/** What boots by itself, as boot.c config_default_entry_select chooses: once, variable, loader.conf, the first. */
export function chooseEntry(snapshot: Snapshot, menu: readonly MenuEntry[]): ChosenEntry | undefined {
  const { variables } = snapshot.efi
  const once = findByPattern(menu, variables.get('LoaderEntryOneShot'))
  if (once !== undefined) return { entry: once, once: true, exact: true, because: 'LoaderEntryOneShot' }
  const patterns = [
    ['LoaderEntryDefault', variables.get('LoaderEntryDefault')],
    ['loader.conf', findConfiguredDefault(snapshot)],
  ] as const
  for (const [because, pattern] of patterns) {
    // While a transaction is open its entry of before is the default; when it ends that is as it was.
    if (pattern === undefined || isOurs(pattern)) continue
    const wanted = pattern.toLowerCase() === '@saved' ? variables.get('LoaderEntryLastBooted') : pattern
    const entry = findByPattern(menu, wanted)
    if (entry !== undefined) return { entry, once: false, exact: entry.id === wanted?.toLowerCase(), because }
  }
  const [first] = menu
  return first && { entry: first, once: false, exact: false, because: 'the order of entries' }
}

/** Entries that the agent made (`passway-before-ID`, `passway-trial-ID`). */
export function isOurs(id: string): boolean {
  return /^passway-(before|trial)-/.test(id)
}

function findByPattern(menu: readonly MenuEntry[], pattern: string | undefined): MenuEntry | undefined {
  if (pattern === undefined || pattern === '') return undefined
  return menu.find(({ id }) => matchesGlob(pattern.toLowerCase(), id))
}

function findConfiguredDefault(snapshot: Snapshot): string | undefined {
  const path = bootRoots.map((root) => `${root}/loader/loader.conf`).find((each) => findContent(snapshot, each))
  const lines = parseLoaderLines(path === undefined ? '' : (findContent(snapshot, path) ?? ''))
  return lines.findLast(({ key, value }) => key === 'default' && (!value.startsWith('@') || /^@saved$/i.test(value)))
    ?.value
}
