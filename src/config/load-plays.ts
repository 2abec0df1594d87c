import { error } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import { playKeywords } from './ansible-keywords.ts'
import { meantHint } from './did-you-mean.ts'
import { readTask, readVariables } from './load-task.ts'
import type { TaskReading } from './load-task.ts'
import type { Play, PlayHeader, Serial, Task } from './playbook.ts'
import { describeNode, findEntry, isNull, positionOf } from './source-node.ts'
import type { SourceEntry, SourceNode } from './source-node.ts'

const playKeys = ['name', 'hosts', 'vars', 'tasks', 'serial']

/** Checks and reads plays as a whole. All problems of all plays come out together. */
export function loadPlays(
  headers: readonly PlayHeader[],
  modules: readonly { readonly name: string }[],
): { readonly plays: readonly Play[]; readonly diagnostics: readonly Diagnostic[] } {
  const reading: TaskReading = { modules: modules.map(({ name }) => name), diagnostics: [] }
  const plays = headers.map((header) => loadPlay(reading, header))
  return { plays, diagnostics: reading.diagnostics }
}

function loadPlay(reading: TaskReading, header: PlayHeader): Play {
  for (const entry of header.node.entries) if (!playKeys.includes(entry.key)) refuseKey(reading, entry)
  const first = header.node.entries[0]
  return {
    ...header,
    variables: readVariables(reading, header.node),
    tasks: readTasks(reading, header),
    serial: readSerial(reading, findEntry(header.node, 'serial')?.value),
    source: positionOf(first?.keySpan ?? header.node.span),
  }
}

function refuseKey(reading: TaskReading, { key, keySpan }: SourceEntry): void {
  const source = positionOf(keySpan)
  const short = key.replace(/^ansible\.builtin\./, '')
  const instead = Object.hasOwn(playKeywords, short) ? playKeywords[short] : undefined
  if (instead !== undefined) {
    const message = `passway has no ${JSON.stringify(key)} in plays`
    reading.diagnostics.push(error('KEYWORD_UNSUPPORTED', message, { source, hint: instead }))
    return
  }
  const { hint = `a play has ${playKeys.join(', ')}` } = meantHint(key, playKeys)
  reading.diagnostics.push(error('KEY_UNKNOWN', `a play has no key ${JSON.stringify(key)}`, { source, hint }))
}

function readTasks(reading: TaskReading, header: PlayHeader): readonly Task[] {
  const node = findEntry(header.node, 'tasks')?.value
  if (node === undefined || isNull(node)) return []
  if (node.kind === 'list') return node.items.flatMap((item) => readTask(reading, item))
  const message = `"tasks" is a list of tasks, not ${describeNode(node)}`
  const hint = 'begin each task with "- name:"'
  reading.diagnostics.push(error('PLAYBOOK_INVALID', message, { source: positionOf(node.span), hint }))
  return []
}

function readSerial(reading: TaskReading, node: SourceNode | undefined): Serial | null {
  if (node === undefined || isNull(node)) return null
  const serial = node.kind === 'scalar' ? findSerial(String(node.value)) : undefined
  if (serial !== undefined) return serial
  const hint = node.kind === 'list' ? 'one size for all batches' : 'write serial: 2 or serial: "25%"'
  const message = '"serial" is a number of hosts or a percentage'
  reading.diagnostics.push(error('PLAYBOOK_INVALID', message, { source: positionOf(node.span), hint }))
  return null
}

/** `2` or `25%`, as also given with `--serial`; undefined for anything else. */
export function findSerial(text: string): Serial | undefined {
  const [, digits, percent] = /^(\d{1,6})(%?)$/.exec(text.trim()) ?? []
  const amount = Number(digits)
  if (digits === undefined || amount < 1) return undefined
  if (percent === '') return { count: amount }
  return amount <= 100 ? { percent: amount } : undefined
}
