import { accessSync, closeSync, constants, existsSync, openSync, readSync, statSync } from 'node:fs'
import { dirname, extname, join, resolve } from 'node:path'
import { error, warning } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import { readAdjacentVariables } from './adjacent-variables.ts'
import { finishInventory } from './finish-inventory.ts'
import { draftGroup, emptyDraft } from './inventory.ts'
import type { Inventory, InventoryDraft } from './inventory.ts'
import { addHosts } from './inventory-hosts.ts'
import type { InventoryReading } from './inventory-hosts.ts'
import { findKind, listNames, specialSkipped } from './list-paths.ts'
import type { ShownPath } from './list-paths.ts'
import { parseInventoryIni } from './parse-inventory-ini.ts'
import { parseInventoryList } from './parse-inventory-list.ts'
import { parseInventoryYaml } from './parse-inventory-yaml.ts'
import { readText } from './read-text.ts'
import { sourceText } from './source-node.ts'

/** Runs `PATH --list` (absolute path) and gives its standard output; config itself starts no process. */
export type RunInventoryScript = (
  path: string,
) => Promise<{ readonly ok: true; readonly output: string } | { readonly ok: false; readonly diagnostic: Diagnostic }>

export type InventoryRequest = {
  /** As given with `-i`: paths, or hosts with a comma. Empty: `./inventory.yaml` or `./inventory/`. */
  readonly sources: readonly string[]
  /** Absolute. */
  readonly cwd: string
  readonly runScript: RunInventoryScript
}

type Loading = InventoryRequest & {
  readonly draft: InventoryDraft
  readonly diagnostics: Diagnostic[]
  /** Directories whose group_vars and host_vars count, by absolute path. */
  readonly directories: Map<string, ShownPath>
}

/** Names in a directory that Ansible passes over (constants.REJECT_EXTS, INVENTORY_IGNORE_EXTS). */
const ignoredEndings = ['~', '.pyc', '.pyo', '.swp', '.bak', '.rpm', '.md', '.txt', '.rst', '.orig', '.cfg', '.retry']
const yamlExtensions = ['.yaml', '.yml', '.json']

/** Loads all inventory sources in order, and the group_vars and host_vars beside them. All problems come out together. */
export async function loadInventory(
  request: InventoryRequest,
): Promise<{ readonly inventory: Inventory; readonly diagnostics: readonly Diagnostic[] }> {
  const loading: Loading = { ...request, draft: emptyDraft(), diagnostics: [], directories: new Map() }
  draftGroup(loading.draft, 'all', { source: sourceText('', ''), start: 0, end: 0 })
  if (existsSync(join(request.cwd, 'ansible.cfg'))) loading.diagnostics.push(configurationIgnored())
  for (const source of request.sources.length > 0 ? request.sources : defaultSources(loading)) {
    if (source.includes(',')) readHostList(loading, source)
    else await readSource(loading, { path: resolve(request.cwd, source), shown: source })
  }
  const names = {
    groups: new Set([...loading.draft.groups.keys(), 'ungrouped']),
    hosts: [...loading.draft.hosts.keys()],
  }
  const beside = [...loading.directories.values()].map((directory) => readAdjacentVariables(directory, names))
  const { inventory, diagnostics } = finishInventory(
    loading.draft,
    beside.map(({ adjacent }) => adjacent),
  )
  const found = [...loading.diagnostics, ...beside.flatMap((read) => read.diagnostics), ...diagnostics]
  return { inventory, diagnostics: found }
}

function configurationIgnored(): Diagnostic {
  return warning('ANSIBLE_CFG_IGNORED', 'passway does not read ansible.cfg', {
    hint: 'say it with options: -i, -u, --private-key, -b, --forks; ssh settings belong into ~/.ssh/config',
  })
}

/** What counts without `-i`, as far as it is there: one of them, or it is a mistake. */
export function defaultInventories(cwd: string): readonly string[] {
  return ['inventory.yaml', 'inventory'].filter((name) => existsSync(join(cwd, name)))
}

function defaultSources({ cwd, diagnostics }: Loading): readonly string[] {
  const found = defaultInventories(cwd)
  if (found.length === 1) return found
  const hint = 'name one: -i PATH, or hosts with a comma: -i root@pve1,'
  const missing = 'there is neither ./inventory.yaml nor ./inventory/'
  const ambiguous = 'there is both ./inventory.yaml and ./inventory/'
  const [code, message] = found.length === 0 ? ['INVENTORY_MISSING', missing] : ['INVENTORY_AMBIGUOUS', ambiguous]
  diagnostics.push(error(code, message, { hint }))
  return []
}

/** `-i root@pve1,pve2:2222,`. A connection that ssh alone does not find belongs into a file. */
function readHostList(loading: Loading, list: string): void {
  const source = sourceText('--inventory', list)
  for (const match of list.matchAll(/[^,\s]+/g)) {
    const span = { source, start: match.index, end: match.index + match[0].length }
    addHosts(readingIn(loading, loading.cwd), { text: match[0], span, group: 'ungrouped', variables: new Map() })
  }
}

function readingIn({ draft, diagnostics }: Loading, directory: string): InventoryReading {
  return { draft, diagnostics, directory }
}

/** Named by the user: also a pipe, as a shell makes of `<(…)`. */
async function readSource(loading: Loading, source: ShownPath): Promise<void> {
  const kind = findKind(source, loading.diagnostics)
  if (kind === 'missing') {
    const hint = `hosts are named with a comma: -i ${source.shown},`
    loading.diagnostics.push(error('INVENTORY_MISSING', `there is no inventory ${source.shown}`, { hint }))
  } else if (kind === 'directory') await readDirectory(loading, source, new Set())
  else if (kind !== undefined) await readInventoryFile(loading, source)
}

async function readDirectory(loading: Loading, directory: ShownPath, seen: Set<string>): Promise<void> {
  loading.directories.set(directory.path, directory)
  for (const name of listNames(directory, seen, loading.diagnostics)) {
    if (isPassedOver(name)) continue
    const source = { path: join(directory.path, name), shown: join(directory.shown, name) }
    if (name.endsWith('.ini')) loading.diagnostics.push(iniPassedOver(source.shown))
    else await readListed(loading, source, seen)
  }
}

async function readListed(loading: Loading, source: ShownPath, seen: Set<string>): Promise<void> {
  const kind = findKind(source, loading.diagnostics)
  if (kind === 'directory') await readDirectory(loading, source, seen)
  else if (kind === 'file') await readInventoryFile(loading, source)
  else if (kind === 'special') loading.diagnostics.push(specialSkipped(source.shown))
}

function isPassedOver(name: string): boolean {
  if (name.startsWith('.') || name === 'group_vars' || name === 'host_vars') return true
  return ignoredEndings.some((ending) => name.endsWith(ending))
}

/** Ansible passes over `*.ini` in directories without a word. */
function iniPassedOver(shown: string): Diagnostic {
  const message = `${shown} is not read: as in Ansible, *.ini in an inventory directory does not count`
  return warning('INVENTORY_FILE_SKIPPED', message, { hint: 'rename it without an extension, or name it with -i' })
}

async function readInventoryFile(loading: Loading, file: ShownPath): Promise<void> {
  const directory = { path: dirname(file.path), shown: dirname(file.shown) }
  loading.directories.set(directory.path, loading.directories.get(directory.path) ?? directory)
  if (isExecutable(file.path)) return runInventory(loading, file, directory.path)
  const read = readText(file.path, file.shown)
  if (!read.ok) {
    loading.diagnostics.push(read.diagnostic)
    return
  }
  readInventoryText(readingIn(loading, directory.path), file.shown, read.text)
}

/** The executable bit alone says nothing where a file system sets it on every file; `#!` or a binary does. */
function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    if (!statSync(path).isFile()) return false
  } catch {
    return false
  }
  const start = firstBytes(path)
  return start.startsWith('#!') || start.startsWith('\x7fELF')
}

function firstBytes(path: string): string {
  try {
    const file = openSync(path, 'r')
    const buffer = Buffer.alloc(4)
    const length = readSync(file, buffer, 0, 4, 0)
    closeSync(file)
    return buffer.toString('latin1', 0, length)
  } catch {
    return ''
  }
}

function readInventoryText(reading: InventoryReading, file: string, text: string): void {
  const extension = extname(file)
  if (text.startsWith('#!')) {
    const hint = `make it executable: chmod +x ${file}`
    reading.diagnostics.push(error('INVENTORY_INVALID', `${file} is a program that is not executable`, { hint }))
  } else if (extension === '.toml') {
    const hint = 'convert it: ansible-inventory -i FILE --list --yaml'
    reading.diagnostics.push(error('INVENTORY_INVALID', `${file}: passway reads no TOML inventories`, { hint }))
  } else if (yamlExtensions.includes(extension) || looksLikeYaml(text)) parseInventoryYaml(reading, file, text)
  else parseInventoryIni(reading, file, text)
}

/** By the first line that is not a comment; INI has no line that ends with a colon. */
function looksLikeYaml(text: string): boolean {
  const first = text.split('\n').find((line) => /^\s*[^\s#;]/.test(line)) ?? ''
  return /^(---|\{|\$ANSIBLE_VAULT|[^\s[][^=[]*:(\s|$))/.test(first.replace(/\r$/, ''))
}

async function runInventory(loading: Loading, file: ShownPath, directory: string): Promise<void> {
  const list = await loading.runScript(file.path)
  if (list.ok) parseInventoryList(readingIn(loading, directory), file.shown, list.output)
  else loading.diagnostics.push(list.diagnostic)
}
