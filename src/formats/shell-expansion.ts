import { lookUp, positionAt } from './shell-state.ts'
import type { ShellByte, ShellPosition, State, Unknown } from './shell-state.ts'
import type { ShellContext, ShellPart } from './shell-words.ts'

export type Expansion = { bytes: ShellByte[]; from: ShellPosition[]; unknown: Unknown | null; tilde: boolean }

export function expand(state: State, parts: readonly ShellPart[], owner: string, into: Expansion): void {
  for (const part of parts) {
    if (into.unknown !== null) return
    expandPart(state, part, owner, into)
  }
}

function expandPart(state: State, part: ShellPart, owner: string, into: Expansion): void {
  if (part.kind === 'opaque') {
    into.unknown = { state: 'unknown', ...positionAt(state, part.start), why: part.why }
  } else if (part.kind === 'quoted') {
    into.tilde = false
    expand(state, part.parts, owner, into)
    into.tilde = false
  } else if (part.kind === 'variable') expandVariable(state, part, owner, into)
  else if (part.kind === 'escape') {
    into.bytes.push(...part.value.split('').map((byte) => ({ ...placeOf(state, part, owner), byte })))
    into.tilde &&= part.value === ''
  } else expandLiteral(state, part, owner, into)
}

function placeOf(state: State, part: ShellPart & { context: ShellContext }, owner: string) {
  return { file: state.file, start: part.start, end: part.end, context: part.context, owner }
}

/** An unquoted `~` at the start or behind a colon stands for a home directory. */
function expandLiteral(
  state: State,
  part: Extract<ShellPart, { kind: 'literal' }>,
  owner: string,
  into: Expansion,
): void {
  const place = placeOf(state, part, owner)
  for (let index = 0; index < part.value.length; index++) {
    const byte = part.value.charAt(index)
    const start = part.start + index
    if (part.context === 'none' && byte === '~' && into.tilde) {
      into.unknown = { state: 'unknown', ...positionAt(state, start), why: 'it holds a home directory (~)' }
      return
    }
    into.tilde = part.context === 'none' && byte === ':'
    into.bytes.push({ ...place, byte, start, end: start + 1 })
  }
}

function expandVariable(
  state: State,
  part: Extract<ShellPart, { kind: 'variable' }>,
  owner: string,
  into: Expansion,
): void {
  into.tilde = false
  const variable = lookUp(state, part.name)
  if (variable.state === 'unknown') {
    into.unknown = variable.line > 0 ? variable : { ...variable, ...positionAt(state, part.start) }
    return
  }
  const isSet = variable.state === 'known' && (!part.operator.startsWith(':') || variable.bytes.length > 0)
  if (part.operator.endsWith('+') ? isSet : part.operator !== '' && !isSet) {
    into.tilde = true
    expand(state, part.word, owner, into)
  } else if (variable.state === 'known' && !part.operator.endsWith('+')) {
    into.bytes.push(...variable.bytes)
    into.from.push(...variable.assignedAt)
  }
}
