import type { Bytes } from '../core/bytes.ts'
import { advance, expect, isOperator, isWord, redirections, skipNewlines, unexpected } from './shell-tokens.ts'
import type { Parser, Token } from './shell-tokens.ts'
import { findAssignment } from './shell-word-text.ts'
import type { ShellCommand, ShellSyntax } from './shell-syntax.ts'
import type { ShellAssignment } from './shell-word-text.ts'
import { fail } from './shell-words.ts'
import type { ShellCursor, ShellWord } from './shell-words.ts'

/** Parses POSIX shell as dash reads it. */
export function parseShellCommands(text: Bytes): ShellSyntax {
  const parser = startParser(text)
  if (text.includes('\0')) fail(parser, text.indexOf('\0'), 'NUL byte')
  advance(parser)
  const commands = readList(parser)
  if (parser.token.kind !== 'end') fail(parser, parser.token.start, `unexpected ${parser.token.text}`)
  return { commands: parser.problem === null ? commands : [], problem: parser.problem }
}

function startParser(text: Bytes): Parser {
  const token: Token = { kind: 'end', start: 0, text: '' }
  return { text, at: 0, depth: 0, problem: null, token, heredocs: [], readCommands: readNested }
}

/** Commands of `$(…)`: ends with the cursor on the closing parenthesis, which the caller checks. */
function readNested(cursor: ShellCursor): void {
  const outer = cursor as Parser
  const nested: Parser = { ...outer, token: { kind: 'end', start: 0, text: '' }, heredocs: [] }
  advance(nested)
  readList(nested)
  if (nested.problem !== null) {
    cursor.problem ??= nested.problem
    cursor.at = cursor.text.length
    return
  }
  const { token } = nested
  if (token.kind === 'end') cursor.at = cursor.text.length
  else if (token.text === ')') cursor.at = token.start
  else fail(cursor, token.start, `unexpected ${token.text}`)
}

const endWords = new Set(['then', 'do', 'done', 'fi', 'elif', 'else', 'esac', '}'])

function isListEnd(parser: Parser): boolean {
  const { token } = parser
  if (parser.problem !== null || token.kind === 'end') return true
  if (token.kind === 'operator') return token.text === ')' || token.text === ';;'
  return token.kind === 'word' && endWords.has(token.text)
}

function readList(parser: Parser): readonly ShellCommand[] {
  const commands: ShellCommand[] = []
  for (;;) {
    skipNewlines(parser)
    if (isListEnd(parser)) return commands
    const command = readAndOr(parser)
    if (isOperator(parser, '&')) commands.push({ kind: 'apart', start: command.start, commands: [command] })
    else commands.push(command)
    if (isOperator(parser, '&') || isOperator(parser, ';')) advance(parser)
    else if (parser.token.kind !== 'newline' && !isListEnd(parser)) unexpected(parser)
  }
}

/** A list that must not be empty. */
function readBody(parser: Parser): readonly ShellCommand[] {
  if (++parser.depth > 100) fail(parser, parser.token.start, 'nested too deep')
  const commands = readList(parser)
  parser.depth--
  if (commands.length === 0) unexpected(parser)
  return commands
}

function readAndOr(parser: Parser): ShellCommand {
  const first = readPipeline(parser)
  const rest: ShellCommand[] = []
  while (isOperator(parser, '&&') || isOperator(parser, '||')) {
    advance(parser)
    skipNewlines(parser)
    rest.push(readPipeline(parser))
  }
  if (rest.length === 0) return first
  const start = rest[0]?.start ?? first.start
  const maybe: ShellCommand = { kind: 'maybe', start, what: '&& or ||', sets: [], words: [], commands: rest }
  return { kind: 'group', start: first.start, commands: [asCondition(first), maybe] }
}

/** The left side of `&&`, or what `if` tests: it runs, but its failure does not end the shell. */
function asCondition(command: ShellCommand): ShellCommand {
  const { start } = command
  return { kind: 'maybe', start, what: 'a condition', sets: [], words: [], commands: [command] }
}

function readPipeline(parser: Parser): ShellCommand {
  const start = parser.token.start
  const negated = isWord(parser, '!')
  if (negated) advance(parser)
  const commands = [readCommand(parser)]
  while (isOperator(parser, '|')) {
    advance(parser)
    skipNewlines(parser)
    commands.push(readCommand(parser))
  }
  const [only] = commands
  if (commands.length > 1 || only === undefined) return { kind: 'apart', start, commands }
  return negated ? asCondition(only) : only
}

function readCommand(parser: Parser): ShellCommand {
  const { token } = parser
  const compound = readCompound(parser)
  if (compound === undefined) return readSimple(parser)
  if (parser.problem === null && token.kind !== 'end') readRedirections(parser)
  return compound
}

function readCompound(parser: Parser): ShellCommand | undefined {
  const { start, text, kind } = parser.token
  if (isOperator(parser, '(')) return { kind: 'apart', start, commands: readEnclosed(parser, ')') }
  if (kind !== 'word') return undefined
  if (text === '{') return { kind: 'group', start, commands: readEnclosed(parser, '}') }
  if (text === 'if') return readIf(parser)
  if (text === 'while' || text === 'until') return readLoop(parser, text)
  if (text === 'for') return readFor(parser)
  return text === 'case' ? readCase(parser) : undefined
}

function readEnclosed(parser: Parser, close: string): readonly ShellCommand[] {
  advance(parser)
  const commands = readBody(parser)
  expect(parser, close)
  return commands
}

function maybe(start: number, what: string, commands: readonly ShellCommand[], more = {}): ShellCommand {
  return { kind: 'maybe', start, what, sets: [], words: [], commands, ...more }
}

function readIf(parser: Parser): ShellCommand {
  const { start } = parser.token
  const commands: ShellCommand[] = []
  do {
    advance(parser)
    commands.push(...readBody(parser))
    expect(parser, 'then')
    commands.push(...readBody(parser))
  } while (isWord(parser, 'elif') && parser.problem === null)
  if (isWord(parser, 'else')) {
    advance(parser)
    commands.push(...readBody(parser))
  }
  expect(parser, 'fi')
  return maybe(start, 'if', commands)
}

function readLoop(parser: Parser, what: string): ShellCommand {
  const { start } = parser.token
  advance(parser)
  const condition = readBody(parser)
  return maybe(start, what, [...condition, ...readDo(parser)])
}

function readDo(parser: Parser): readonly ShellCommand[] {
  expect(parser, 'do')
  const commands = readBody(parser)
  expect(parser, 'done')
  return commands
}

function readFor(parser: Parser): ShellCommand {
  const { start } = parser.token
  advance(parser)
  const name = parser.token.text
  if (!/^[A-Za-z_]\w*$/.test(name)) unexpected(parser)
  advance(parser)
  skipNewlines(parser)
  const words = isWord(parser, 'in') ? readForWords(parser) : []
  if (isOperator(parser, ';')) advance(parser)
  skipNewlines(parser)
  return maybe(start, 'for', readDo(parser), { sets: [name], words })
}

function readForWords(parser: Parser): readonly ShellWord[] {
  const words: ShellWord[] = []
  advance(parser)
  while (parser.token.kind === 'word') {
    words.push(parser.token.word)
    advance(parser)
  }
  if (parser.token.kind !== 'newline' && !isOperator(parser, ';')) unexpected(parser)
  return words
}

function readCase(parser: Parser): ShellCommand {
  const { start } = parser.token
  advance(parser)
  const subject = parser.token
  const words = subject.kind === 'word' ? [subject.word] : []
  if (subject.kind !== 'word') unexpected(parser)
  advance(parser)
  skipNewlines(parser)
  expect(parser, 'in')
  const commands: ShellCommand[] = []
  skipNewlines(parser)
  while (!isWord(parser, 'esac') && parser.problem === null) commands.push(...readCaseItem(parser))
  expect(parser, 'esac')
  return maybe(start, 'case', commands, { words })
}

function readCaseItem(parser: Parser): readonly ShellCommand[] {
  if (isOperator(parser, '(')) advance(parser)
  do {
    if (isOperator(parser, '|')) advance(parser)
    if (parser.token.kind !== 'word') unexpected(parser)
    advance(parser)
  } while (isOperator(parser, '|') && parser.problem === null)
  expect(parser, ')')
  const commands = readList(parser)
  if (isOperator(parser, ';;')) advance(parser)
  else if (!isWord(parser, 'esac')) unexpected(parser)
  skipNewlines(parser)
  return commands
}

function readRedirections(parser: Parser): void {
  while (parser.token.kind === 'operator' && redirections.has(parser.token.text)) readRedirection(parser)
}

function readRedirection(parser: Parser): void {
  const operator = parser.token.text
  advance(parser)
  if (parser.token.kind !== 'word') return unexpected(parser)
  if (operator.startsWith('<<')) {
    const source = parser.text.slice(parser.token.word.start, parser.token.word.end)
    parser.heredocs.push({ delimiter: source.replace(/['"\\]/g, ''), strip: operator === '<<-' })
  }
  advance(parser)
}

function readSimple(parser: Parser): ShellCommand {
  const { start } = parser.token
  const assignments: ShellAssignment[] = []
  const words: ShellWord[] = []
  for (;;) {
    if (parser.token.kind === 'operator' && redirections.has(parser.token.text)) readRedirection(parser)
    else if (parser.token.kind === 'word') {
      const { word, text } = parser.token
      const assignment = words.length === 0 ? findAssignment(word) : undefined
      if (assignment === undefined) words.push(word)
      else assignments.push(assignment)
      advance(parser)
      if (isOperator(parser, '(') && words.length === 1 && assignments.length === 0)
        return readFunction(parser, start, text)
    } else break
    if (parser.problem !== null) break
  }
  if (parser.token.start === start || isOperator(parser, '(')) unexpected(parser)
  return { kind: 'simple', start, assignments, words }
}

function readFunction(parser: Parser, start: number, name: string): ShellCommand {
  advance(parser)
  expect(parser, ')')
  if (!/^[A-Za-z_]\w*$/.test(name)) fail(parser, start, 'bad function name')
  skipNewlines(parser)
  if (++parser.depth > 100) fail(parser, start, 'nested too deep')
  const body = readCommand(parser)
  parser.depth--
  return { kind: 'function', start, name, commands: [body] }
}
