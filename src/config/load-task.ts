import { error } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import { acceptableCodes } from './acceptable-codes.ts'
import { ansibleModules, shortModuleName, taskKeywords } from './ansible-keywords.ts'
import { findNearest, meantHint } from './did-you-mean.ts'
import { checkVariableNames } from './inventory-hosts.ts'
import type { Task } from './playbook.ts'
import { checkExpressions } from './referenced-facts.ts'
import { describeNode, findEntry, isNull, positionOf, variablesOf } from './source-node.ts'
import type { SourceEntry, SourceMap, SourceNode, SourceScalar, Span, Variables } from './source-node.ts'

/** What reading tasks needs: the modules there are, and where problems go. */
export type TaskReading = { readonly modules: readonly string[]; readonly diagnostics: Diagnostic[] }

const taskKeys = ['name', 'when', 'vars', 'accept', 'adopt']

/** Reads one task; empty when it cannot be understood, which is noted. */
export function readTask(reading: TaskReading, node: SourceNode): readonly Task[] {
  if (node.kind !== 'map') {
    const hint = 'it has a module and, if you like, name, when, vars, accept, adopt'
    invalid(reading, node.span, `a task is a mapping, not ${describeNode(node)}`, hint)
    return []
  }
  const entry = findModule(reading, node)
  const when = findEntry(node, 'when')?.value ?? null
  if (when !== null) checkExpressions(when, true, reading.diagnostics)
  if (entry !== undefined) checkExpressions(entry.value, false, reading.diagnostics)
  const options = {
    name: readName(reading, node),
    when,
    variables: readVariables(reading, node),
    accept: readAccept(reading, findEntry(node, 'accept')?.value),
    adopt: readAdopt(reading, findEntry(node, 'adopt')?.value),
    source: positionOf(node.entries[0]?.keySpan ?? node.span),
  }
  return entry === undefined ? [] : [{ module: entry.key, entry, ...options }]
}

function invalid(reading: TaskReading, span: Span, message: string, hint: string): void {
  reading.diagnostics.push(error('PLAYBOOK_INVALID', message, { source: positionOf(span), hint }))
}

/** The one module of a task. What is neither a module nor a key of tasks is named on the way. */
function findModule(reading: TaskReading, task: SourceMap): SourceEntry | undefined {
  const found = task.entries.filter(({ key }) => reading.modules.includes(key))
  const rest = task.entries.filter(({ key }) => !reading.modules.includes(key) && !taskKeys.includes(key))
  for (const entry of rest) reading.diagnostics.push(unknownKey(reading, entry, found.length > 0))
  const [first, second] = found
  if (second !== undefined) {
    const message = `a task has one module, this one has ${found.map(({ key }) => key).join(' and ')}`
    invalid(reading, second.keySpan, message, 'write a task for each')
  } else if (first === undefined && rest.length === 0) {
    invalid(reading, task.entries[0]?.keySpan ?? task.span, 'this task has no module', 'passway modules lists them')
  }
  return first
}

function unknownKey(reading: TaskReading, { key, keySpan }: SourceEntry, hasModule: boolean): Diagnostic {
  const source = positionOf(keySpan)
  const short = shortModuleName(key)
  const instead = findInstead(short)
  if (instead !== undefined) {
    return error('KEYWORD_UNSUPPORTED', `passway has no ${JSON.stringify(key)} in tasks`, { source, hint: instead })
  }
  if (hasModule || (findNearest(key, taskKeys) !== undefined && findNearest(key, reading.modules) === undefined)) {
    const { hint = `beside its module a task has ${taskKeys.join(', ')}` } = meantHint(key, taskKeys)
    return error('KEY_UNKNOWN', `a task has no key ${JSON.stringify(key)}`, { source, hint })
  }
  const known = Object.hasOwn(ansibleModules, short) ? ansibleModules[short] : undefined
  const hint = known ?? meantHint(short, reading.modules).hint ?? `passway has ${reading.modules.join(', ')}`
  return error('MODULE_UNKNOWN', `passway has no module ${JSON.stringify(key)}`, { source, hint })
}

function findInstead(key: string): string | undefined {
  if (key.startsWith('with_')) return taskKeywords['loop']
  return Object.hasOwn(taskKeywords, key) ? taskKeywords[key] : undefined
}

function readName(reading: TaskReading, task: SourceMap): SourceScalar | null {
  const node = findEntry(task, 'name')?.value
  if (node === undefined || isNull(node)) return null
  checkExpressions(node, false, reading.diagnostics)
  if (node.kind === 'scalar') return node
  invalid(reading, node.span, `"name" is text, not ${describeNode(node)}`, 'write one line')
  return null
}

/** `vars` of a task, as of a play. */
export function readVariables(reading: TaskReading, owner: SourceNode): Variables {
  const node = findEntry(owner, 'vars')?.value
  if (node === undefined || isNull(node)) return new Map()
  checkVariableNames(node, reading.diagnostics)
  checkExpressions(node, false, reading.diagnostics)
  if (node.kind === 'map') return variablesOf(node)
  invalid(reading, node.span, `"vars" is a mapping of variables, not ${describeNode(node)}`, 'write NAME: VALUE')
  return new Map()
}

function readAccept(reading: TaskReading, node: SourceNode | undefined): ReadonlyMap<string, string> {
  const accepted = new Map<string, string>()
  if (node === undefined || isNull(node)) return accepted
  if (node.kind !== 'map') {
    invalid(
      reading,
      node.span,
      `"accept" names codes with a reason, not ${describeNode(node)}`,
      'write accept: { CODE: "why" }',
    )
    return accepted
  }
  for (const entry of node.entries) {
    const why = readReason(reading, entry)
    if (isAcceptable(reading, entry) && why !== undefined) accepted.set(entry.key, why)
  }
  return accepted
}

function isAcceptable(reading: TaskReading, { key, keySpan }: SourceEntry): boolean {
  if (acceptableCodes.includes(key)) return true
  const { hint = `a task may accept ${acceptableCodes.join(', ')}` } = meantHint(key, acceptableCodes)
  const message = `${JSON.stringify(key)} is no refusal that a task may accept`
  reading.diagnostics.push(error('ACCEPT_INVALID', message, { source: positionOf(keySpan), hint }))
  return false
}

/** The reason stays in the record and is shown in every plan. */
function readReason(reading: TaskReading, { key, keySpan, value }: SourceEntry): string | undefined {
  if (value.kind === 'scalar' && typeof value.value === 'string' && value.value.trim() !== '') return value.value
  const source = positionOf(isNull(value) ? keySpan : value.span)
  const hint = `write ${key}: "why this is all right here"`
  reading.diagnostics.push(error('ACCEPT_INVALID', 'accepting a risk needs a reason, as text', { source, hint }))
  return undefined
}

function readAdopt(reading: TaskReading, node: SourceNode | undefined): boolean {
  if (node === undefined || isNull(node)) return false
  if (node.kind === 'scalar' && typeof node.value === 'boolean') return node.value
  invalid(reading, node.span, `"adopt" is true or false, not ${describeNode(node)}`, 'write adopt: true')
  return false
}
