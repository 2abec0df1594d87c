import type { Bytes } from '../core/bytes.ts'

/**
 * One logical line: several physical lines where a backslash joins them. `module` is the name as kmod compares it
 * (`-` folded to `_`); for softdep, install, remove and alias it may be a glob. `value` is what stands behind it, as
 * kmod keeps it. `alias`: `module` is the alias, `value` the module. `bad` lines kmod ignores with an error.
 */
export type ModprobeLine = {
  readonly kind:
    | 'options'
    | 'blacklist'
    | 'softdep'
    | 'alias'
    | 'install'
    | 'remove'
    | 'weakdep'
    | 'comment'
    | 'blank'
    | 'bad'
  readonly module: Bytes
  readonly value: Bytes
  readonly start: number
  readonly end: number
  /** The physical line it starts on, from 1. */
  readonly line: number
  /** The exact bytes, line ends included. */
  readonly text: Bytes
}

export type ModprobeDocument = { readonly content: Bytes; readonly lines: readonly ModprobeLine[] }

/** Module names: `-` equals `_` (libkmod underscores(): not inside brackets). */
export function foldModuleName(name: Bytes): Bytes {
  if (!name.includes('-')) return name
  return name.replace(/\[[^\]]*\]|-/g, (found) => (found === '-' ? '_' : found))
}

/** Reads a file of modprobe.d as kmod does (libkmod-config.c kmod_config_parse, freadline_wrapped). */
export function parseModprobe(content: Bytes): ModprobeDocument {
  const lines: ModprobeLine[] = []
  let start = 0
  let line = 1
  while (start < content.length) {
    const logical = readLogicalLine(content, start)
    const text = content.slice(start, logical.end)
    lines.push({ ...parseLine(logical.text), start, end: logical.end, line, text })
    line += text.split('\n').length - 1
    start = logical.end
  }
  return { content, lines }
}

export function formatModprobe(document: ModprobeDocument): Bytes {
  return document.lines.map((line) => line.text).join('')
}

/** Backslash newline joins, before any other byte a backslash is dropped; at the end of the file kmod keeps EOF as 0xFF. */
function readLogicalLine(content: Bytes, start: number): { readonly text: Bytes; readonly end: number } {
  let text = ''
  let at = start
  while (at < content.length && content[at] !== '\n') {
    if (content[at] !== '\\') text += content.charAt(at++)
    else {
      const next = content.charAt(at + 1)
      text += next === '\n' ? '' : next || '\xff'
      at = Math.min(at + 2, content.length)
    }
  }
  return { text: text.split('\0', 1)[0] ?? '', end: Math.min(at + 1, content.length) }
}

type Meaning = Pick<ModprobeLine, 'kind' | 'module' | 'value'>

const bad: Meaning = { kind: 'bad', module: '', value: '' }

function parseLine(text: Bytes): Meaning {
  if (text.startsWith('#')) return { kind: 'comment', module: '', value: '' }
  const [, command, rest] = /^[\t ]*([^\t ]+)(?:[\t ]([^]*))?$/.exec(text) ?? []
  if (command === undefined) return { kind: 'blank', module: '', value: '' }
  const [, name, value] = /^[\t ]*([^\t ]+)(?:[\t ]([^]*))?$/.exec(rest ?? '') ?? []
  if (name === undefined || !isFoldable(name)) return bad
  return parseCommand(command, foldModuleName(name), value ?? '')
}

function parseCommand(command: Bytes, module: Bytes, value: Bytes): Meaning {
  if (command === 'blacklist') return { kind: command, module, value: '' }
  if (command === 'alias') {
    const target = /[^\t ]+/.exec(value)?.[0]
    return target === undefined || !isFoldable(target) ? bad : { kind: command, module, value: foldModuleName(target) }
  }
  if (value === '') return bad
  if (command === 'options') return { kind: command, module, value: value.replaceAll('\t', ' ') }
  if (command === 'softdep' || command === 'weakdep' || command === 'install' || command === 'remove') {
    return { kind: command, module, value }
  }
  return bad
}

/** Brackets must pair, or kmod refuses the line. */
function isFoldable(name: Bytes): boolean {
  return !/[[\]]/.test(name.replace(/\[[^\]]*\]/g, ''))
}

/**
 * The lists of a softdep. Words before the first `pre:` or `post:` count for nothing, as does `pre:x` there. One blank
 * too many behind the module name becomes part of the first word (kmod_config_add_softdep), so `softdep a  pre: b` has
 * no effect.
 */
export function parseSoftdep(value: Bytes): { readonly pre: readonly Bytes[]; readonly post: readonly Bytes[] } {
  const lists: { pre: Bytes[]; post: Bytes[] } = { pre: [], post: [] }
  let into: Bytes[] | null = null
  for (const word of splitSoftdep(value)) {
    if (word === 'pre:') into = lists.pre
    else if (word === 'post:') into = lists.post
    else into?.push(word)
  }
  return lists
}

function splitSoftdep(value: Bytes): readonly Bytes[] {
  const blank = '[ \\t\\n\\v\\f\\r]'
  const glued = new RegExp(`^${blank}(?!${blank})`).test(value)
  const words = value.split(new RegExp(`${blank}+`)).filter((word) => word !== '')
  return words.map((word, index) => (glued && index === 0 ? `${value.charAt(0)}${word}` : word))
}

/** fnmatch() of a softdep, install or alias pattern against a folded module name. */
export function matchesModule(pattern: Bytes, name: Bytes): boolean {
  const folded = foldModuleName(name)
  const expression = findExpression(pattern)
  return typeof expression === 'string' ? expression === folded : expression.test(folded)
}

/** Tables of a host are asked for thousands of names: each pattern is translated once. */
const expressions = new Map<Bytes, RegExp | string>()
const expressionsKept = 5000

/** The folded name itself where a pattern has nothing to expand. */
function findExpression(pattern: Bytes): RegExp | string {
  const known = expressions.get(pattern)
  if (known !== undefined) return known
  const folded = foldModuleName(pattern)
  const expression = /[*?[]/.test(folded) ? globPattern(folded) : folded
  if (expressions.size >= expressionsKept) expressions.clear()
  expressions.set(pattern, expression)
  return expression
}

function globPattern(pattern: Bytes): RegExp {
  const source = pattern.replace(
    /\[(!|\^)?(\]?[^\]]*)\]|[^]/g,
    (found, not: string | undefined, set: string | undefined) => {
      if (set !== undefined && set !== '') return `[${not === undefined ? '' : '^'}${set.replace(/[\\[\]^]/g, '\\$&')}]`
      if (found === '*') return '[^]*'
      return found === '?' ? '[^]' : found.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    },
  )
  try {
    return new RegExp(`^${source}$`)
  } catch {
    // A range like [z-a] matches nothing.
    return /(?!)/
  }
}
