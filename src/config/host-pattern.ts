import { isIPv6 } from 'node:net'
import { error, warning } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import { meantHint } from './did-you-mean.ts'
import type { Inventory } from './inventory.ts'
import { positionOf, sourceText } from './source-node.ts'
import type { SourceNode, SourceScalar } from './source-node.ts'
import { spanInScalar } from './yaml-source.ts'

export type PatternProblem = {
  /** `unmatched`: the part is well-formed and names nothing. */
  readonly kind: 'unmatched' | 'invalid'
  readonly message: string
  readonly offset: number
  readonly length: number
  readonly hint?: string
}

type PatternPart = { readonly text: string; readonly offset: number }
type Matched = { readonly hosts: readonly string[] } | { readonly problem: Pick<PatternProblem, 'message' | 'hint'> }

/**
 * The hosts that a pattern names, in the order of the inventory: `a:b` or `a,b` both, `a:&b` in both, `a:!b` without;
 * names of hosts and groups, globs, `~regex`, `all` and `*`, `group[0]`, `group[-1]`, `group[1:3]` (both ends count).
 * As in Ansible `&` and `!` apply after all others, whatever the order.
 */
export function matchHosts(
  inventory: Inventory,
  pattern: string,
): { readonly hosts: readonly string[]; readonly problems: readonly PatternProblem[] } {
  const problems: PatternProblem[] = []
  const parts = splitPattern(inventory, pattern)
  const match = (part: PatternPart): readonly string[] => {
    const text = part.text.replace(/^[!&]/, '')
    const matched = matchPart(inventory, text)
    if ('hosts' in matched && matched.hosts.length > 0) return matched.hosts
    problems.push(partProblem(inventory, text, part, matched))
    return []
  }
  const plain = parts.filter(({ text }) => !/^[!&]/.test(text))
  const added = new Set(plain.length > 0 || parts.length === 0 ? plain.flatMap(match) : inventory.hosts.keys())
  for (const part of parts.filter(({ text }) => text.startsWith('&'))) keepOnly(added, new Set(match(part)))
  for (const part of parts.filter(({ text }) => text.startsWith('!')))
    for (const host of match(part)) added.delete(host)
  return { hosts: [...inventory.hosts.keys()].filter((host) => added.has(host)), problems }
}

/** What decides about the hosts of a play. */
export type PlayHosts = { readonly hosts: readonly SourceScalar[] }

export type Selection = {
  /** Hosts that at least one play is for, in the order of the inventory. */
  readonly hosts: readonly string[]
  /** Indexes of the plays for each of them, in order. */
  readonly plays: ReadonlyMap<string, readonly number[]>
  readonly diagnostics: readonly Diagnostic[]
}

/**
 * Selects the hosts of plays. A part of `hosts:` that matches nothing is a warning, a part of `--limit` an error,
 * and so is a limit that leaves no host.
 */
export function selectHosts(inventory: Inventory, plays: readonly PlayHosts[], limit?: string): Selection {
  const diagnostics: Diagnostic[] = []
  const limited = limit === undefined ? undefined : matchLimit(inventory, limit, diagnostics)
  const playsOf = new Map<string, number[]>()
  for (const [index, play] of plays.entries()) {
    for (const host of matchPlay(inventory, play, diagnostics)) {
      if (limited === undefined || limited.has(host)) playsOf.set(host, [...(playsOf.get(host) ?? []), index])
    }
  }
  const hosts = [...inventory.hosts.keys()].filter((host) => playsOf.has(host))
  if (hosts.length === 0 && diagnostics.every(({ severity }) => severity !== 'error')) {
    diagnostics.push(nothingSelected(inventory, limit))
  }
  return { hosts, plays: playsOf, diagnostics }
}

function nothingSelected(inventory: Inventory, limit: string | undefined): Diagnostic {
  if (inventory.hosts.size === 0) return error('NO_HOSTS', 'the inventory names no host')
  const message =
    limit === undefined ? 'no play names a host of the inventory' : `--limit ${limit} leaves no host of these plays`
  return error('NO_HOSTS', message, { evidence: [`hosts: ${[...inventory.hosts.keys()].slice(0, 10).join(', ')}`] })
}

function matchPlay(inventory: Inventory, play: PlayHosts, diagnostics: Diagnostic[]): readonly string[] {
  const pattern = joinScalars(play.hosts)
  const { hosts, problems } = matchHosts(inventory, pattern.text)
  for (const problem of problems) {
    const place = pattern.find(problem.offset)
    const source = place && positionOf(spanInScalar(place.scalar, place.offset, problem.length))
    diagnostics.push(patternDiagnostic(problem, { unmatched: warning, ...(source === undefined ? {} : { source }) }))
  }
  return hosts
}

/** A list of patterns is one pattern, joined by commas. */
function joinScalars(scalars: readonly SourceScalar[]): {
  text: string
  find: (offset: number) => { scalar: SourceScalar; offset: number } | undefined
} {
  const starts: number[] = []
  let text = ''
  for (const scalar of scalars) {
    if (text !== '') text += ','
    starts.push(text.length)
    text += String(scalar.value)
  }
  const find = (offset: number): { scalar: SourceScalar; offset: number } | undefined => {
    const index = starts.findLastIndex((start) => start <= offset)
    const scalar = scalars[index]
    return scalar && { scalar, offset: offset - (starts[index] ?? 0) }
  }
  return { text, find }
}

function matchLimit(inventory: Inventory, limit: string, diagnostics: Diagnostic[]): ReadonlySet<string> {
  const source = sourceText('--limit', limit)
  if (limit.startsWith('@')) {
    const details = { source: positionOf({ source, start: 0, end: limit.length }), hint: 'name hosts or groups' }
    diagnostics.push(error('LIMIT_INVALID', 'passway reads no retry files', details))
    return new Set()
  }
  const { hosts, problems } = matchHosts(inventory, limit)
  for (const problem of problems) {
    const span = { source, start: problem.offset, end: problem.offset + problem.length }
    diagnostics.push(patternDiagnostic(problem, { unmatched: error, source: positionOf(span) }))
  }
  return new Set(hosts)
}

type Severity = { readonly unmatched: typeof error; readonly source?: ReturnType<typeof positionOf> }

function patternDiagnostic(problem: PatternProblem, { unmatched, source }: Severity): Diagnostic {
  const { kind, message, hint } = problem
  const details = { ...(source === undefined ? {} : { source }), ...(hint === undefined ? {} : { hint }) }
  return kind === 'invalid'
    ? error('PATTERN_INVALID', message, details)
    : unmatched('HOSTS_UNMATCHED', message, details)
}

function splitPattern(inventory: Inventory, pattern: string): readonly PatternPart[] {
  const parts: PatternPart[] = []
  for (const match of pattern.matchAll(/(?:[^,[\]]|\[[^\]]*\]?|\])+/g)) {
    const text = match[0].trim()
    const offset = match.index + match[0].indexOf(text)
    if (text !== '') parts.push(...splitColons(inventory, { text, offset }))
  }
  return parts
}

/** A colon joins patterns, unless it belongs to an address, a name of the inventory, a regex or a subscript. */
function splitColons(inventory: Inventory, part: PatternPart): readonly PatternPart[] {
  const bare = part.text.replace(/^[!&]/, '')
  if (bare.startsWith('~') || isIPv6(bare) || inventory.hosts.has(bare)) return [part]
  const pieces = [...part.text.matchAll(/(?:[^:[\]]|\[[^\]]*\]?|\])+/g)]
  return pieces.map((piece) => ({ text: piece[0].trim(), offset: part.offset + piece.index }))
}

function keepOnly(hosts: Set<string>, wanted: ReadonlySet<string>): void {
  for (const host of hosts) if (!wanted.has(host)) hosts.delete(host)
}

function partProblem(inventory: Inventory, text: string, part: PatternPart, matched: Matched): PatternProblem {
  const place = { offset: part.offset, length: part.text.length }
  if ('problem' in matched) return { kind: 'invalid', ...matched.problem, ...place }
  const message = `${JSON.stringify(text)} names no host of the inventory`
  return { kind: 'unmatched', message, ...place, ...unmatchedHint(inventory, text) }
}

/** There is no implicit localhost: what a run changes is always named. */
function unmatchedHint(inventory: Inventory, text: string): { hint?: string } {
  if (text === 'localhost') return { hint: 'name it: -i localhost, -e ansible_connection=local' }
  return meantHint(text, [...inventory.groups.keys(), ...inventory.hosts.keys()])
}

function matchPart(inventory: Inventory, text: string): Matched {
  const [, name, from, separator, to] = /^(.+)\[(-?\d+)(?:([:-])(\d*))?\]$/.exec(text) ?? []
  if (name === undefined) return matchNames(inventory, text)
  const matched = matchNames(inventory, name)
  if ('problem' in matched) return matched
  const start = Number(from)
  if (separator === undefined) return { hosts: matched.hosts.slice(start, start === -1 ? undefined : start + 1) }
  return { hosts: matched.hosts.slice(start, to === '' ? undefined : Number(to) + 1) }
}

function matchNames(inventory: Inventory, text: string): Matched {
  if (text === 'all' || text === '*') return { hosts: [...inventory.hosts.keys()] }
  const pattern = patternExpression(text)
  if (pattern === undefined) return { problem: { message: `${JSON.stringify(text)} is no regular expression` } }
  const groups = [...inventory.groups.values()].filter(({ name }) => pattern.test(name))
  const hosts = new Set(groups.flatMap((group) => group.hosts))
  if (groups.length === 0 || /^~|[.?*[]/.test(text)) {
    for (const name of inventory.hosts.keys()) if (pattern.test(name)) hosts.add(name)
  }
  return { hosts: [...inventory.hosts.keys()].filter((name) => hosts.has(name)) }
}

function patternExpression(text: string): RegExp | undefined {
  if (!text.startsWith('~')) return globExpression(text)
  try {
    return new RegExp(`^(?:${text.slice(1)})`)
  } catch {
    return undefined
  }
}

/** Shell globs as Python's fnmatch reads them: `*`, `?`, `[abc]`, `[!abc]`. */
function globExpression(glob: string): RegExp {
  const source = glob.replaceAll(/\[(!?)([^\]]+)\]|[^]/g, (part, not: string | undefined, set: string | undefined) => {
    if (set !== undefined) return `[${not === '!' ? '^' : ''}${set.replaceAll(/[\\^[]/g, '\\$&')}]`
    if (part === '*') return '.*'
    return part === '?' ? '.' : part.replaceAll(/[\\^$.|+()[\]{}]/g, '\\$&')
  })
  try {
    return new RegExp(`^(?:${source})$`, 's')
  } catch {
    return /^(?!)$/
  }
}

/** `hosts:` of a play: one pattern or a list of them; undefined for anything else. */
export function findHostPatterns(node: SourceNode): readonly SourceScalar[] | undefined {
  const items = node.kind === 'list' ? node.items : [node]
  const scalars = items.filter((item) => item.kind === 'scalar')
  const texts = scalars.filter(({ value }) => value !== null && String(value).trim() !== '')
  return texts.length === items.length && texts.length > 0 ? texts : undefined
}
