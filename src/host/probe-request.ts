import { foldName } from '../core/fold-name.ts'
import type { Reads } from '../core/snapshot.ts'
import { baseReads, configNames, toolNames, unitDirectories } from './base-reads.ts'

/** What one probe is to read. */
export type ProbeRequest = {
  /** `passway_root`: absolute directory on the host that stands for it; null for the host itself. */
  readonly root: string | null
  /** The union of what the modules want beyond the base. */
  readonly reads: Reads
}

/** Requests as the probe takes them: `KIND<tab>VALUE`, percent-encoded, the last line `end`. */
export function formatProbeRequest(request: ProbeRequest): string {
  const reads = completeReads(request.reads)
  return [
    `root\t${encodeText((request.root ?? '').replace(/\/+$/, ''))}`,
    ...reads.paths.map((path) => `path\t${encodeText(path)}`),
    ...reads.globs.map((glob) => `glob\t${encodeText(glob)}`),
    ...reads.attributes.map((glob) => `attribute\t${encodeText(glob)}`),
    ...reads.modules.filter(isPlainName).map((name) => `module\t${name.replaceAll(/[-_]/g, '[-_]')}`),
    ...reads.units.map((unit) => `unit\t${encodeText(unit)}`),
    ...reads.symbols.filter(isPlainName).map((symbol) => `symbol\t${symbol}`),
    ...configNames.map((name) => `config\t${name}`),
    ...toolNames.map((name) => `tool\t${name}`),
    'end\n',
  ].join('\n')
}

/** Joins the reads of several tasks; order and repetition do not matter. */
export function uniteReads(all: readonly Reads[]): Reads {
  return {
    paths: unite(all.map((reads) => reads.paths)),
    globs: unite(all.map((reads) => reads.globs)),
    attributes: unite(all.map((reads) => reads.attributes)),
    modules: unite(all.map((reads) => reads.modules)),
    units: unite(all.map((reads) => reads.units)),
    symbols: unite(all.map((reads) => reads.symbols)),
  }
}

/** The base and what a request adds: all that the answer can be asked about. */
export function completeReads(reads: Reads): Required<Reads> {
  const units = unite([reads.units])
  return {
    paths: unite([baseReads.paths, reads.paths, units.flatMap(unitPaths)]),
    globs: unite([baseReads.globs, reads.globs, units.flatMap(unitGlobs)]),
    attributes: dropCovered(unite([baseReads.attributes, reads.attributes])),
    modules: unite([baseReads.modules, reads.modules?.map(foldName)]),
    units,
    symbols: unite([reads.symbols]),
  }
}

/** True where all of this was asked for, by its name or by a pattern. */
export function coversReads(asked: Reads, { paths = [], attributes = [], units = [] }: Reads): boolean {
  const complete = completeReads(asked)
  const covers = (patterns: readonly string[], text: string): boolean =>
    patterns.some((pattern) => pattern === text || globExpression(pattern).test(text))
  return (
    paths.every((path) => covers([...complete.paths, ...complete.globs], path)) &&
    attributes.every((path) => covers(complete.attributes, path)) &&
    units.every((unit) => complete.units.includes(unit))
  )
}

/** A file that two patterns name would be read twice, and its lines be taken for those of one longer file. */
function dropCovered(patterns: readonly string[]): string[] {
  const globs = patterns
    .filter((pattern) => /[*?[]/.test(pattern))
    .map((pattern) => ({ pattern, expression: globExpression(pattern) }))
  return patterns.filter((each) => !globs.some(({ pattern, expression }) => pattern !== each && expression.test(each)))
}

/** A shell's glob for one path; a pattern matches its own asterisks, so narrower globs are covered as well. */
function globExpression(glob: string): RegExp {
  const source = glob
    .replaceAll(/[.+^${}()|\\]/g, String.raw`\$&`)
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]')
  return new RegExp(`^${source}$`)
}

/** A tree has no systemd to ask: the state of a unit is read off its files. */
function unitPaths(unit: string): string[] {
  return unitDirectories.map((directory) => `${directory}/${unit}`)
}

function unitGlobs(unit: string): string[] {
  return [`/etc/systemd/system/*.wants/${unit}`, `/etc/systemd/system/*.requires/${unit}`]
}

/** In byte order, so that one directory's paths stand together: the probe resolves a directory once. */
function unite(lists: readonly (readonly string[] | undefined)[]): string[] {
  return [...new Set(lists.flatMap((list) => list ?? []))].sort()
}

/** Module and symbol names go into a regular expression. */
function isPlainName(name: string): boolean {
  return /^[\w-]+$/.test(name)
}

function encodeText(text: string): string {
  const bytes = Buffer.from(text, 'utf8').toString('latin1')
  return bytes.replaceAll(
    /[^\w./:@,+*?[\]-]/g,
    (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  )
}
