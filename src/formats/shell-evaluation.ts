import type { Bytes } from '../core/bytes.ts'
import { lineNumberAt } from './lines.ts'
import { findAssignment, parseShellCommands } from './shell-commands.ts'
import type { ShellAssignment, ShellCommand } from './shell-commands.ts'
import { findBuiltin, isLikelyCommand } from './shell-builtins.ts'
import type { ShellContext, ShellPart, ShellWord } from './shell-words.ts'

export type ShellFile = { readonly path: string; readonly content: Bytes }

export type ShellPosition = { readonly path: string; readonly line: number }

/**
 * `syntax` and `abort` concern everything: dash refuses the file, or grub-mkconfig (which runs under `set -e`) would
 * stop there. `unknown` concerns one variable, or every variable when none is named: what it holds is known only at
 * run time.
 */
export type ShellProblem = ShellPosition & {
  readonly kind: 'syntax' | 'abort' | 'unknown'
  readonly why: string
  readonly variable?: string
}

/** One byte of a value and the source it came from. `owner` is the variable in whose assignment it stands. */
export type ShellByte = {
  readonly byte: string
  readonly file: number
  readonly start: number
  readonly end: number
  readonly context: ShellContext
  readonly owner: string
}

export type ShellVariable =
  | {
      readonly state: 'known'
      readonly bytes: readonly ShellByte[]
      readonly assignedAt: readonly ShellPosition[]
      /** The last assignment. */
      readonly last: { readonly file: number; readonly assignment: ShellAssignment }
    }
  | { readonly state: 'unset' }
  | ({ readonly state: 'unknown'; readonly why: string } & ShellPosition)

export type EvaluatedShell = {
  readonly files: readonly ShellFile[]
  readonly variables: ReadonlyMap<string, ShellVariable>
  /** What every other variable is: unset, or unknown after something that may set any. */
  readonly others: ShellVariable
  /** Values of the variables that are known. */
  readonly values: ReadonlyMap<string, Bytes>
  readonly problems: readonly ShellProblem[]
}

type Unknown = Extract<ShellVariable, { state: 'unknown' }>

type State = {
  readonly files: readonly ShellFile[]
  file: number
  variables: Map<string, ShellVariable>
  /** What any variable that has no entry is. */
  others: ShellVariable
  readonly frozen: Set<string>
  readonly functions: Map<string, readonly ShellCommand[]>
  readonly running: Set<string>
  readonly problems: ShellProblem[]
  /** Set once it is not known whether the rest runs at all. */
  stopped: Unknown | null
}

/** Why what is being read may not run just so; null at the top level. */
type Doubt = string | null

/** Set by grub-mkconfig or the shell before the files are read (util/grub-mkconfig.in): known only on the host. */
const outside =
  /^(PATH|HOME|PWD|OLDPWD|IFS|PPID|OPTIND|OPTARG|PS[124]|LANG|LC_\w+|TERM|USER|LOGNAME|SHELL|TMPDIR|self|prefix|exec_prefix|datarootdir|datadir|bindir|sbindir|sysconfdir|libdir|localedir|PACKAGE_\w+|VERSION|TEXTDOMAIN\w*|pkgdatadir|host_os|bootdir|grub_\w+|GRUB_(PREFIX|DEVICE\w*|FS|UUID|EARLY_INITRD_LINUX_STOCK))$/

/** Evaluates files in order as dash would when it sources them one after the other. */
export function evaluateShellFiles(files: readonly ShellFile[]): EvaluatedShell {
  const state: State = {
    files,
    file: 0,
    variables: new Map(),
    others: { state: 'unset' },
    frozen: new Set(),
    functions: new Map(),
    running: new Set(),
    problems: [],
    stopped: null,
  }
  for (const [index, file] of files.entries()) evaluateFile(state, index, file)
  return { files, problems: state.problems, ...collect(state) }
}

function evaluateFile(state: State, index: number, file: ShellFile): void {
  state.file = index
  const { commands, problem } = parseShellCommands(file.content)
  if (problem === null) return evaluateAll(state, commands, null)
  const found: ShellProblem = { kind: 'syntax', path: file.path, ...problem }
  state.problems.push(found)
  state.stopped ??= { state: 'unknown', path: found.path, line: found.line, why: found.why }
}

function collect(state: State): Pick<EvaluatedShell, 'variables' | 'others' | 'values'> {
  const variables = new Map([...state.variables].map(([name, value]) => [name, state.stopped ?? value]))
  const values = new Map<string, Bytes>()
  for (const [name, variable] of variables) {
    if (variable.state === 'known') values.set(name, textOf(variable.bytes))
  }
  return { variables, others: state.stopped ?? state.others, values }
}

export function textOf(bytes: readonly ShellByte[]): Bytes {
  return bytes.map((byte) => byte.byte).join('')
}

function evaluateAll(state: State, commands: readonly ShellCommand[], doubt: Doubt): void {
  for (const command of commands) evaluate(state, command, doubt)
}

function evaluate(state: State, command: ShellCommand, doubt: Doubt): void {
  if (command.kind === 'apart') return
  if (command.kind === 'group') return evaluateAll(state, command.commands, doubt)
  if (command.kind === 'simple') return evaluateSimple(state, command, doubt)
  if (command.kind === 'function') {
    state.functions.set(command.name, [...(state.functions.get(command.name) ?? []), ...command.commands])
    return
  }
  const why = `it may be set inside ${command.what}`
  for (const word of command.words) noteSideEffects(state, word.parts)
  for (const name of command.sets) setUnknown(state, name, command.start, why)
  evaluateAll(state, command.commands, why)
}

function positionAt(state: State, offset: number): ShellPosition {
  const file = state.files[state.file]
  return { path: file?.path ?? '', line: lineNumberAt(file?.content ?? '', offset) }
}

function setUnknown(state: State, name: string, offset: number, why: string): void {
  const unknown: Unknown = { state: 'unknown', ...positionAt(state, offset), why }
  state.variables.set(name, unknown)
  state.problems.push({ kind: 'unknown', path: unknown.path, line: unknown.line, why, variable: name })
}

function setAllUnknown(state: State, offset: number, why: string): Unknown {
  const unknown: Unknown = { state: 'unknown', ...positionAt(state, offset), why }
  state.variables = new Map()
  state.others = unknown
  state.problems.push({ kind: 'unknown', path: unknown.path, line: unknown.line, why })
  return unknown
}

function abort(state: State, offset: number, why: string): void {
  state.problems.push({ kind: 'abort', ...positionAt(state, offset), why })
}

function evaluateSimple(state: State, command: Extract<ShellCommand, { kind: 'simple' }>, doubt: Doubt): void {
  for (const word of [...command.assignments.map((assignment) => assignment.word), ...command.words]) {
    noteSideEffects(state, word.parts)
  }
  const [first, ...rest] = command.words
  if (first === undefined) {
    for (const assignment of command.assignments) assign(state, assignment, doubt)
    return
  }
  const name = findStaticText(first.parts)
  if (name === undefined)
    return void setAllUnknown(state, first.start, 'the name of a command is known only at run time')
  run(state, { name, start: command.start, words: rest, assignments: command.assignments }, doubt)
}

type Call = {
  readonly name: string
  readonly start: number
  readonly words: readonly ShellWord[]
  readonly assignments: readonly ShellAssignment[]
}

function run(state: State, call: Call, doubt: Doubt): void {
  const body = state.functions.get(call.name)
  if (body !== undefined) return callFunction(state, call, body)
  const builtin = findBuiltin(call.name)
  if (builtin === undefined || (builtin.effect === 'bash' && doubt === null)) return runProgram(state, call, doubt)
  if (builtin.special) {
    for (const assignment of call.assignments)
      setUnknown(state, assignment.name, call.start, `it stands before ${call.name}`)
  }
  if (builtin.effect === 'declares') return declare(state, call, doubt)
  if (builtin.effect === 'unsets') return unset(state, call, doubt)
  if (builtin.effect === 'sets') return setNamed(state, call)
  if (builtin.effect === 'options' && call.words.every(isHarmlessOption)) return
  if (builtin.effect === 'any' || builtin.effect === 'options' || builtin.effect === 'bash') {
    return void setAllUnknown(state, call.start, `${call.name} may change any variable`)
  }
  if (builtin.effect === 'stops') stop(state, call, doubt)
}

function stop(state: State, call: Call, doubt: Doubt): void {
  if (doubt === null && call.name !== 'return') abort(state, call.start, `${call.name} ends the shell`)
  const unknown = setAllUnknown(state, call.start, `${call.name} may end the reading of the file`)
  state.stopped ??= unknown
}

function callFunction(state: State, call: Call, body: readonly ShellCommand[]): void {
  if (state.running.has(call.name)) return
  state.running.add(call.name)
  evaluateAll(state, body, `it may be set by the function ${call.name}`)
  state.running.delete(call.name)
}

/** A program cannot change variables here; at the top level its failure would end grub-mkconfig. */
function runProgram(state: State, call: Call, doubt: Doubt): void {
  if (doubt !== null || isLikelyCommand(call.name, call.assignments.length > 0)) return
  abort(state, call.start, `the shell runs this line as the command ${JSON.stringify(call.name)}`)
}

function isHarmlessOption(word: ShellWord): boolean {
  return /^([-+][aefu]+|--)$/.test(findStaticText(word.parts) ?? '')
}

/** export and readonly. Their words are assignments to dash too: nothing is split or globbed. */
function declare(state: State, call: Call, doubt: Doubt): void {
  for (const word of call.words) {
    const assignment = findAssignment(word)
    const name = assignment?.name ?? findStaticText(word.parts)
    if (name === undefined) setAllUnknown(state, call.start, `${call.name} of a name known only at run time`)
    if (assignment !== undefined) assign(state, assignment, doubt)
    if (name !== undefined && call.name === 'readonly') state.frozen.add(name)
  }
}

function unset(state: State, call: Call, doubt: Doubt): void {
  const names = call.words.map((word) => findStaticText(word.parts))
  if (names.includes('-f')) return
  for (const name of names) {
    if (name === undefined) setAllUnknown(state, call.start, 'unset of a name known only at run time')
    else if (doubt !== null) setUnknown(state, name, call.start, doubt)
    else state.variables.set(name, { state: 'unset' })
  }
}

function setNamed(state: State, call: Call): void {
  for (const word of call.words) {
    const name = findStaticText(word.parts)
    if (name === undefined) setAllUnknown(state, call.start, `${call.name} sets a name known only at run time`)
    else if (/^[A-Za-z_]/.test(name))
      setUnknown(state, name.replace(/=.*/s, ''), call.start, `it is set by ${call.name}`)
  }
}

function assign(state: State, assignment: ShellAssignment, doubt: Doubt): void {
  const { name, start } = assignment
  if (state.frozen.has(name)) abort(state, start, `${name} is read only`)
  if (doubt !== null) return setUnknown(state, name, start, doubt)
  const here = positionAt(state, start)
  const expansion: Expansion = { bytes: [], from: [], unknown: null, tilde: true }
  expand(state, assignment.word.parts, name, expansion)
  if (expansion.unknown !== null) {
    state.variables.set(name, expansion.unknown)
    state.problems.push({
      kind: 'unknown',
      path: expansion.unknown.path,
      line: expansion.unknown.line,
      why: expansion.unknown.why,
      variable: name,
    })
    return
  }
  const assignedAt = [...expansion.from, here].filter(isFirstPosition)
  state.variables.set(name, {
    state: 'known',
    bytes: expansion.bytes,
    assignedAt,
    last: { file: state.file, assignment },
  })
}

function isFirstPosition(position: ShellPosition, index: number, all: readonly ShellPosition[]): boolean {
  return index === all.findIndex((other) => other.path === position.path && other.line === position.line)
}

type Expansion = { bytes: ShellByte[]; from: ShellPosition[]; unknown: Unknown | null; tilde: boolean }

function expand(state: State, parts: readonly ShellPart[], owner: string, into: Expansion): void {
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
    into.bytes.push(...[...part.value].map((byte) => ({ ...placeOf(state, part, owner), byte })))
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

function lookUp(state: State, name: string): ShellVariable {
  const variable = state.variables.get(name)
  if (variable !== undefined) return variable
  if (state.others.state === 'unset' && outside.test(name)) {
    return { state: 'unknown', path: '', line: 0, why: `$${name} comes from outside these files` }
  }
  return state.others
}

/** Variables that a word sets while it is expanded: `${NAME:=x}`, `$((NAME=1))`. */
function noteSideEffects(state: State, parts: readonly ShellPart[]): void {
  for (const part of parts) {
    if (part.kind === 'opaque') {
      for (const name of part.assigns) setUnknown(state, name, part.start, 'it may be set while a word is expanded')
    }
    if (part.kind === 'quoted') noteSideEffects(state, part.parts)
    if (part.kind === 'variable') noteSideEffects(state, part.word)
  }
}

/** Text of a word that holds no expansion, quotes removed. */
function findStaticText(parts: readonly ShellPart[]): string | undefined {
  let text = ''
  for (const part of parts) {
    const piece = part.kind === 'quoted' ? findStaticText(part.parts) : 'value' in part ? part.value : undefined
    if (piece === undefined) return undefined
    text += piece
  }
  return text
}
