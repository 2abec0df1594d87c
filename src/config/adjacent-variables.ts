import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { error, warning } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import { mergeVariables } from './inventory.ts'
import type { AdjacentVariables } from './inventory.ts'
import { checkVariableNames } from './inventory-hosts.ts'
import { readText } from './read-text.ts'
import { describeNode, isNull, positionOf, variablesOf } from './source-node.ts'
import type { Variables } from './source-node.ts'
import { parseYaml } from './yaml-source.ts'

/** In Ansible's order: the first that exists is read. */
const extensions = ['', '.yml', '.yaml', '.json']

/** A directory as it is opened and as it is shown. */
export type ShownDirectory = { readonly path: string; readonly shown: string }

/**
 * Reads `group_vars/` and `host_vars/` of a directory: for a group `gpu` the file or directory `gpu`, or `gpu.yml`,
 * `gpu.yaml`, `gpu.json`. In a directory all such files count, by name, subdirectories too.
 */
export function readAdjacentVariables(
  directory: ShownDirectory,
  names: { readonly groups: Iterable<string>; readonly hosts: Iterable<string> },
): { readonly adjacent: AdjacentVariables; readonly diagnostics: readonly Diagnostic[] } {
  const diagnostics: Diagnostic[] = []
  const groups = readNamed(below(directory, 'group_vars'), names.groups, diagnostics)
  const hosts = readNamed(below(directory, 'host_vars'), names.hosts, diagnostics)
  return { adjacent: { directory: directory.path, groups, hosts }, diagnostics }
}

function below({ path, shown }: ShownDirectory, name: string): ShownDirectory {
  return { path: join(path, name), shown: join(shown, name) }
}

function readNamed(
  directory: ShownDirectory,
  names: Iterable<string>,
  diagnostics: Diagnostic[],
): ReadonlyMap<string, Variables> {
  const found = new Map<string, Variables>()
  const listed = new Set(listDirectory(directory.path))
  if (listed.size === 0) return found
  for (const name of names) {
    const candidates = extensions.map((extension) => name + extension).filter((file) => listed.has(file))
    const [first, ...hidden] = candidates
    if (first === undefined) continue
    for (const file of hidden) diagnostics.push(hiddenFile(directory, first, file))
    found.set(name, readVariables(below(directory, first), diagnostics))
  }
  return found
}

function listDirectory(path: string): readonly string[] {
  return isDirectory(path) ? readdirSync(path).sort() : []
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

function hiddenFile(directory: ShownDirectory, read: string, hidden: string): Diagnostic {
  const message = `${join(directory.shown, hidden)} is not read: ${read} comes first`
  return warning('VARIABLES_HIDDEN', message, { hint: `put both into the directory ${read}/ or join them` })
}

function readVariables(file: ShownDirectory, diagnostics: Diagnostic[]): Variables {
  if (!isDirectory(file.path)) return readVariableFile(file, diagnostics)
  const names = listDirectory(file.path).filter((name) => !name.startsWith('.') && !name.endsWith('~'))
  const read = names.filter((name) => extensions.includes(extensionOf(name)) || isDirectory(join(file.path, name)))
  return mergeVariables(...read.map((name) => readVariables(below(file, name), diagnostics)))
}

function extensionOf(name: string): string {
  const dot = name.lastIndexOf('.')
  return dot === -1 ? '' : name.slice(dot)
}

/** Reads one file of variables: a mapping, or nothing. */
export function readVariableFile(file: ShownDirectory, diagnostics: Diagnostic[]): Variables {
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
