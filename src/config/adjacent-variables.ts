import { join } from 'node:path'
import { error, warning } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import { mergeVariables } from './inventory.ts'
import type { AdjacentVariables } from './inventory.ts'
import { checkVariableNames } from './inventory-hosts.ts'
import { findKind, listNames, specialSkipped } from './list-paths.ts'
import type { ShownPath } from './list-paths.ts'
import { readText } from './read-text.ts'
import { describeNode, isNull, positionOf, variablesOf } from './source-node.ts'
import type { Variables } from './source-node.ts'
import { parseYaml } from './yaml-source.ts'

/** In Ansible's order: the first that exists is read. */
const extensions = ['', '.yml', '.yaml', '.json']

/**
 * Reads `group_vars/` and `host_vars/` of a directory: for a group `gpu` the file or directory `gpu`, or `gpu.yml`,
 * `gpu.yaml`, `gpu.json`. In a directory all such files count, by name, subdirectories too.
 */
export function readAdjacentVariables(
  directory: ShownPath,
  names: { readonly groups: Iterable<string>; readonly hosts: Iterable<string> },
): { readonly adjacent: AdjacentVariables; readonly diagnostics: readonly Diagnostic[] } {
  const diagnostics: Diagnostic[] = []
  const groups = readNamed(below(directory, 'group_vars'), names.groups, diagnostics)
  const hosts = readNamed(below(directory, 'host_vars'), names.hosts, diagnostics)
  return { adjacent: { directory: directory.path, groups, hosts }, diagnostics }
}

function below({ path, shown }: ShownPath, name: string): ShownPath {
  return { path: join(path, name), shown: join(shown, name) }
}

function readNamed(
  directory: ShownPath,
  names: Iterable<string>,
  diagnostics: Diagnostic[],
): ReadonlyMap<string, Variables> {
  const found = new Map<string, Variables>()
  const listed = new Set(listDirectory(directory, new Set(), diagnostics))
  if (listed.size === 0) return found
  for (const name of names) {
    const candidates = extensions.map((extension) => name + extension).filter((file) => listed.has(file))
    const [first, ...hidden] = candidates
    if (first === undefined) continue
    for (const file of hidden) diagnostics.push(hiddenFile(directory, first, file))
    found.set(name, readVariables(below(directory, first), new Set(), diagnostics))
  }
  return found
}

function listDirectory(directory: ShownPath, seen: Set<string>, diagnostics: Diagnostic[]): readonly string[] {
  return findKind(directory, diagnostics) === 'directory' ? listNames(directory, seen, diagnostics) : []
}

function hiddenFile(directory: ShownPath, read: string, hidden: string): Diagnostic {
  const message = `${join(directory.shown, hidden)} is not read: ${read} comes first`
  return warning('VARIABLES_HIDDEN', message, { hint: `put both into the directory ${read}/ or join them` })
}

/** In directories files count by their ending, directories whatever their name. */
function readVariables(place: ShownPath, seen: Set<string>, diagnostics: Diagnostic[]): Variables {
  const kind = findKind(place, diagnostics)
  if (kind === 'file') return readVariableFile(place, diagnostics)
  if (kind === 'special') diagnostics.push(specialSkipped(place.shown))
  if (kind !== 'directory') return new Map()
  const names = listNames(place, seen, diagnostics).filter((name) => !name.startsWith('.') && !name.endsWith('~'))
  const read = names.filter((name) => extensions.includes(extensionOf(name)) || isDirectory(below(place, name)))
  return mergeVariables(...read.map((name) => readVariables(below(place, name), seen, diagnostics)))
}

function isDirectory(place: ShownPath): boolean {
  return findKind(place, []) === 'directory'
}

function extensionOf(name: string): string {
  const dot = name.lastIndexOf('.')
  return dot === -1 ? '' : name.slice(dot)
}

/** Reads one file of variables: a mapping, or nothing. */
export function readVariableFile(file: ShownPath, diagnostics: Diagnostic[]): Variables {
  const read = readText(file.path, file.shown)
  if (!read.ok) {
    diagnostics.push(read.diagnostic)
    return new Map()
  }
  const parsed = parseYaml(file.shown, read.text)
  diagnostics.push(...parsed.diagnostics)
  const { node } = parsed
  if (node === null || isNull(node)) return new Map()
  checkVariableNames(node, diagnostics)
  if (node.kind === 'map') return variablesOf(node)
  const message = `a file of variables is a mapping, not ${describeNode(node)}`
  diagnostics.push(error('VARIABLES_INVALID', message, { source: positionOf(node.span), hint: 'write NAME: VALUE' }))
  return new Map()
}
