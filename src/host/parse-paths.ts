import type { Bytes } from '../core/bytes.ts'
import type { FileState } from '../core/snapshot.ts'
import { sectionLines, type ProbeOutput } from './probe-sections.ts'

/** What stat said of a path that is free of links. */
export type NodeStat = {
  readonly type: 'file' | 'directory' | 'other'
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  readonly inode: number
  /** Whole seconds. */
  readonly mtime: number
  readonly device: number
}

export type ParsedPaths = {
  readonly files: Map<string, FileState>
  readonly globs: Map<string, readonly string[]>
  /** By real path. */
  readonly stats: ReadonlyMap<string, NodeStat>
}

const statLine = /^([0-9a-f]+) (\d+) (\d+) (\d+) (\d+) (-?\d+) (\d+) [^|]*\|\.(\/.*)$/

/** `attributes`: what was read of files below /proc and /sys, which have no size of their own. */
export function parsePaths(output: ProbeOutput, attributes: ReadonlyMap<string, readonly string[]>): ParsedPaths {
  const stats = parseStats(output)
  const contents = parseContents(output, stats)
  const files = new Map<string, FileState>()
  const globs = new Map<string, string[]>()
  const hidden = new Set<string>()
  let matches: string[] = []
  for (const line of sectionLines(output, 'paths')) {
    const [kind, path = '', ...rest] = line.split('\t')
    if (kind === 'glob') globs.set(path, (matches = []))
    else if (kind === 'match') matches.push(path)
    else if (kind === 'hidden') hidden.add(path)
    else if (kind === 'link') files.set(path, parseLink(rest))
    else if (kind === 'node') addNode(files, path, nodeState(rest[0] ?? '', { stats, contents, attributes, output }))
    else if (kind === 'odd') output.problems.push(`a name that matches ${path} has a tab or a line end in it`)
    else output.problems.push(`path line not understood: ${line}`)
  }
  for (const path of hidden) files.set(path, { type: 'unreadable', reason: 'permission denied' })
  return { files, globs: new Map([...globs].map(([glob, paths]) => [glob, paths.sort()])), stats }
}

function addNode(files: Map<string, FileState>, path: string, state: FileState | undefined): void {
  if (state) files.set(path, state)
}

function parseLink([to = '', resolved = '', problem = '']: readonly string[]): FileState {
  if (resolved !== '') return { type: 'link', to, resolved }
  return {
    type: 'link',
    to,
    resolved: null,
    problem: problem === 'loop' || problem === 'escapes' ? problem : 'dangling',
  }
}

type Sources = {
  readonly stats: ReadonlyMap<string, NodeStat>
  readonly contents: ReadonlyMap<string, Bytes | null>
  readonly attributes: ReadonlyMap<string, readonly string[]>
  readonly output: ProbeOutput
}

/** `undefined`: it went away while it was read, so it is absent. */
function nodeState(real: string, sources: Sources): FileState | undefined {
  const stat = sources.stats.get(real)
  if (!stat) return undefined
  const { mode, uid, gid } = stat
  if (stat.type === 'directory') return { type: 'directory', mode, uid, gid }
  if (stat.type === 'other') return { type: 'other' }
  const content = sources.contents.get(real) ?? joinAttribute(sources.attributes.get(real))
  if (content !== undefined) return { type: 'file', mode, uid, gid, content }
  return {
    type: 'unreadable',
    reason: sources.contents.has(real) ? 'it changed while it was read' : 'permission denied',
  }
}

function joinAttribute(lines: readonly string[] | undefined): Bytes | undefined {
  return lines?.map((line) => `${line}\n`).join('')
}

function parseStats(output: ProbeOutput): Map<string, NodeStat> {
  const stats = new Map<string, NodeStat>()
  for (const line of sectionLines(output, 'stat')) {
    const parsed = parseStat(line)
    if (parsed) stats.set(parsed.path, parsed.stat)
    else output.problems.push(`stat line not understood: ${line}`)
  }
  return stats
}

function parseStat(line: string): { path: string; stat: NodeStat } | undefined {
  const match = statLine.exec(line)
  if (!match) return undefined
  const raw = Number.parseInt(match[1] ?? '', 16)
  const [uid = 0, gid = 0, size = 0, inode = 0, mtime = 0, device = 0] = match.slice(2, 8).map(Number)
  return {
    path: match[8] ?? '',
    stat: { type: fileType(raw), mode: raw & 0o7777, uid, gid, size, inode, mtime, device },
  }
}

/** S_IFMT of inode(7). */
function fileType(raw: number): NodeStat['type'] {
  const type = raw & 0o170000
  if (type === 0o100000) return 'file'
  return type === 0o040000 ? 'directory' : 'other'
}

/** Contents by real path; null: it changed each time it was read. */
function parseContents(output: ProbeOutput, stats: Map<string, NodeStat>): Map<string, Bytes | null> {
  const paths = sectionLines(output, 'content-paths').map((path) => path.slice(1))
  const verdict = output.sections.get('verdict')?.trimEnd()
  if (verdict === 'steady') return sliceContents(output, paths, stats)
  if (verdict !== 'unsteady') output.problems.push('no word on whether files changed while they were read')
  return new Map(paths.map((path) => [path, singleContent(output, path, stats)]))
}

function sliceContents(
  output: ProbeOutput,
  paths: readonly string[],
  stats: ReadonlyMap<string, NodeStat>,
): Map<string, Bytes> {
  const all = output.sections.get('content') ?? ''
  const contents = new Map<string, Bytes>()
  let at = 0
  for (const path of paths) {
    const size = stats.get(path)?.size ?? 0
    contents.set(path, all.slice(at, at + size))
    at += size
  }
  if (at !== all.length) output.problems.push(`sizes of files add up to ${at}, but ${all.length} bytes were read`)
  return contents
}

function singleContent(output: ProbeOutput, path: string, stats: Map<string, NodeStat>): Bytes | null {
  const single = output.singles.get(path)
  const after = single && parseStat(single.stat)
  if (!after) {
    // It went away.
    stats.delete(path)
    return null
  }
  stats.set(path, after.stat)
  return single.state === 'steady' && single.content.length === after.stat.size ? single.content : null
}
