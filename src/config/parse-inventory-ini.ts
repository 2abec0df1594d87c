import { error } from '../core/diagnostic.ts'
import { meantHint } from './did-you-mean.ts'
import { draftGroup, mergeVariables } from './inventory.ts'
import { addHosts, checkVariableNames } from './inventory-hosts.ts'
import type { InventoryReading } from './inventory-hosts.ts'
import { parsePythonLiteral } from './python-literal.ts'
import { splitShellWords } from './shell-words.ts'
import type { ShellWord } from './shell-words.ts'
import { nodeFromValue, positionOf, sourceText } from './source-node.ts'
import type { ScalarStyle, SourceEntry, SourceText, Span } from './source-node.ts'

type Section = { readonly group: string; readonly kind: string }

type IniReading = InventoryReading & {
  readonly source: SourceText
  /** Groups that a section of their own declares; `:vars` does not. */
  readonly declared: Set<string>
  /** Mentions of groups that must be declared somewhere in the file. */
  readonly mentioned: { readonly name: string; readonly span: Span }[]
}

const sectionPattern = /^\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?$/
const sectionKinds = ['hosts', 'children', 'vars']

/**
 * Reads Ansible's INI inventory. Values are typed as Ansible does, on host lines and below `[group:vars]` alike:
 * Python literals, everything else is text (plugins/inventory/ini.py, `_parse_value`).
 */
export function parseInventoryIni(reading: InventoryReading, file: string, text: string): void {
  const source = sourceText(file, text)
  const ini: IniReading = { ...reading, source, declared: new Set(['all', 'ungrouped']), mentioned: [] }
  let section: Section | undefined = { group: 'ungrouped', kind: 'hosts' }
  for (const line of linesOf(source)) {
    const content = textOfSpan(line)
    if (/^[[]/.test(content)) section = readSection(ini, line, content)
    else if (section !== undefined) readLine(ini, section, line)
  }
  for (const { name, span } of ini.mentioned) if (!ini.declared.has(name)) undeclared(ini, name, span)
}

function textOfSpan(span: Span): string {
  return span.source.text.slice(span.start, span.end)
}

/** Lines without blanks around them, comments and empty ones left out. */
function linesOf(source: SourceText): readonly Span[] {
  const lines: Span[] = []
  for (const [index, start] of source.lineStarts.entries()) {
    const text = source.text.slice(start, source.lineStarts[index + 1] ?? source.text.length)
    const indent = text.length - text.trimStart().length
    if (/^[^;#]/.test(text.trim())) lines.push(trimmed(source, start + indent, text.trimStart()))
  }
  return lines
}

function trimmed(source: SourceText, start: number, text: string): Span {
  return { source, start, end: start + text.trimEnd().length }
}

function invalid(reading: InventoryReading, span: Span, message: string, hint: string): void {
  reading.diagnostics.push(error('INVENTORY_INVALID', message, { source: positionOf(span), hint }))
}

function readSection(ini: IniReading, span: Span, content: string): Section | undefined {
  const [, group, kind = 'hosts'] = sectionPattern.exec(content) ?? []
  if (group === undefined) {
    invalid(ini, span, 'this is no section', 'write [group], [group:children] or [group:vars]')
    return undefined
  }
  if (!sectionKinds.includes(kind)) {
    const hint = meantHint(kind, sectionKinds).hint ?? 'write [group], [group:children] or [group:vars]'
    invalid(ini, span, `a section is of hosts, children or vars, not of ${JSON.stringify(kind)}`, hint)
    return undefined
  }
  draftGroup(ini.draft, group, span)
  if (kind === 'vars') ini.mentioned.push({ name: group, span })
  else ini.declared.add(group)
  return { group, kind }
}

function undeclared(ini: IniReading, name: string, span: Span): void {
  const hint = meantHint(name, ini.declared).hint ?? `declare it: [${name}]`
  const message = `the group ${JSON.stringify(name)} is not declared`
  ini.diagnostics.push(error('GROUP_UNDECLARED', message, { source: positionOf(span), hint }))
}

function readLine(ini: IniReading, section: Section, line: Span): void {
  if (section.kind === 'hosts') readHostLine(ini, section.group, line)
  else if (section.kind === 'children') readChildLine(ini, section.group, line)
  else readVariableLine(ini, section.group, line)
}

function readHostLine(ini: IniReading, group: string, line: Span): void {
  const words = splitShellWords(textOfSpan(line), true)
  if (!words.ok)
    return invalid(ini, { ...line, start: line.start + words.at }, words.message, 'close it, or escape it with "\\"')
  const [name, ...assignments] = words.words
  if (name === undefined) return
  if (name.text === '---' || /^[\w-]+:$/.test(name.text)) {
    return invalid(ini, wordSpan(line, name), 'this looks like YAML', 'name the file *.yaml')
  }
  const variables = new Map(assignments.flatMap((word) => readAssignment(ini, line, word)))
  addHosts(ini, { text: name.text, span: wordSpan(line, name), group, variables })
}

function wordSpan(line: Span, word: ShellWord): Span {
  return { source: line.source, start: line.start + word.start, end: line.start + word.end }
}

function readAssignment(ini: IniReading, line: Span, word: ShellWord): [string, SourceEntry['value']][] {
  const span = wordSpan(line, word)
  const equals = word.text.indexOf('=')
  if (equals < 1) {
    invalid(
      ini,
      span,
      `${JSON.stringify(word.text)} is no variable of this host`,
      'write NAME=VALUE, in quotes where it has blanks',
    )
    return []
  }
  const entry = variableEntry(ini, word.text.slice(0, equals), word.text.slice(equals + 1), span, 'ini-host')
  return [[entry.key, entry.value]]
}

function variableEntry(ini: IniReading, key: string, text: string, span: Span, style: ScalarStyle): SourceEntry {
  const keySpan = { ...span, end: span.start + key.length }
  const afterEquals = textOfSpan(span).slice(textOfSpan(span).indexOf('=') + 1)
  const valueSpan = { ...span, start: span.end - afterEquals.trimStart().length }
  const value = nodeFromValue(parsePythonLiteral(text), valueSpan, { style, literal: false })
  const entry: SourceEntry = { key, keySpan, value }
  checkVariableNames({ kind: 'map', entries: [entry], span }, ini.diagnostics)
  return entry
}

function readChildLine(ini: IniReading, group: string, line: Span): void {
  const name = /^([^:\]\s]+)\s*(?:#.*)?$/.exec(textOfSpan(line))?.[1]
  if (name === undefined)
    return invalid(ini, line, 'a line below [group:children] is the name of a group', 'one name a line')
  const span = { ...line, end: line.start + name.length }
  draftGroup(ini.draft, group, line).children.set(name, span)
  draftGroup(ini.draft, name, span)
  ini.mentioned.push({ name, span })
}

function readVariableLine(ini: IniReading, group: string, line: Span): void {
  const text = textOfSpan(line)
  const equals = text.indexOf('=')
  if (equals < 1) return invalid(ini, line, 'a line below [group:vars] is a variable', 'write NAME=VALUE')
  const entry = variableEntry(ini, text.slice(0, equals).trim(), text.slice(equals + 1).trim(), line, 'ini-vars')
  const drafted = draftGroup(ini.draft, group, line)
  drafted.variables = mergeVariables(drafted.variables, new Map([[entry.key, entry.value]]))
}
