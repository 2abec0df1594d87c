import type { Bytes } from '../core/bytes.ts'
import { findBuiltin, isLikelyCommand } from './shell-builtins.ts'
import { parseShellCommands } from './shell-commands.ts'
import type { ShellCommand } from './shell-syntax.ts'
import { expand } from './shell-expansion.ts'
import type { Expansion } from './shell-expansion.ts'
import { abort, positionAt, setAllUnknown, setUnknown, textOf } from './shell-state.ts'
import type { Doubt, EvaluatedShell, ShellFile, ShellPosition, ShellProblem, State } from './shell-state.ts'
import { findAssignment, findStaticText } from './shell-word-text.ts'
import type { ShellAssignment } from './shell-word-text.ts'
import type { ShellPart, ShellWord } from './shell-words.ts'

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
  if (name === undefined) {
    if (doubt === null) abort(state, first.start, 'the shell runs this line as a command, known only at run time')
    return void setAllUnknown(state, first.start, 'the name of a command is known only at run time')
  }
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

/** What is no name of a variable ends dash; whether it is one shows only at run time. */
function declareUnknown(state: State, call: Call, doubt: Doubt): void {
  const why = `${call.name} of a name known only at run time`
  if (doubt === null) abort(state, call.start, why)
  setAllUnknown(state, call.start, why)
}

/** export and readonly. Their words are assignments to dash too: nothing is split or globbed. */
function declare(state: State, call: Call, doubt: Doubt): void {
  for (const word of call.words) {
    const assignment = findAssignment(word)
    const name = assignment?.name ?? findStaticText(word.parts)
    if (name === undefined) declareUnknown(state, call, doubt)
    if (assignment !== undefined) assign(state, assignment, doubt)
    else if (name !== undefined) declareText(state, call, name, doubt)
    if (name !== undefined && call.name === 'readonly') state.frozen.add(name.replace(/=.*/s, ''))
  }
}

/** A word that is no plain assignment: a name, an option, or an assignment in quotes, which dash takes all the same. */
function declareText(state: State, call: Call, text: string, doubt: Doubt): void {
  const name = text.replace(/=.*/s, '')
  if (checkName(state, call, name, doubt) && name !== text) {
    setUnknown(state, name, call.start, `it is set by a quoted word of ${call.name}`)
  }
}

/** dash ends at a word that is no name. A carriage return at its end makes it none. */
function checkName(state: State, call: Call, name: string, doubt: Doubt): boolean {
  if (/^(?:[A-Za-z_]\w*|-[fpv-])$/.test(name)) return true
  if (doubt === null)
    abort(state, call.start, `${call.name} of ${JSON.stringify(name)}, which is no name of a variable`)
  return false
}

function unset(state: State, call: Call, doubt: Doubt): void {
  const names = call.words.map((word) => findStaticText(word.parts))
  if (names.includes('-f')) return
  for (const name of names) {
    if (name === undefined) setAllUnknown(state, call.start, 'unset of a name known only at run time')
    else if (!checkName(state, call, name, doubt)) continue
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
