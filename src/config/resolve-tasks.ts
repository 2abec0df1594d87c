import { hasErrors } from '../core/diagnostic.ts'
import type { Diagnostic, SourcePosition } from '../core/diagnostic.ts'
import type { ResolvedTask } from '../core/plan.ts'
import type { Scope } from './evaluate-expression.ts'
import { evaluateCondition, evaluateNode } from './expression.ts'
import type { Inventory } from './inventory.ts'
import type { Play, Task } from './playbook.ts'
import type { PlaybookVariables } from './playbook-variables.ts'
import { locate } from './source-node.ts'
import type { PlainValue, SourceEntry, Variables } from './source-node.ts'
import { hostScope, hostVariables } from './variables.ts'

export type ResolveRequest = {
  /** Those of the host, in playbook order. */
  readonly plays: readonly Play[]
  readonly inventory: Inventory
  readonly host: string
  readonly besidePlaybooks: PlaybookVariables
  /** `-e`. */
  readonly extra: Variables
  /** `factsFrom(snapshot)`; null before the host was read. */
  readonly facts: PlainValue | null
}

/** A task as it is named in reports. */
export type TaskName = {
  readonly play: string
  readonly name: string
  readonly module: string
  readonly source: SourcePosition
}

export type ResolvedTasks = {
  readonly tasks: readonly ResolvedTask[]
  /** `when` did not hold. */
  readonly skipped: readonly TaskName[]
  /** Only with `facts: null`: their parameters depend on facts. A `when` that does counts as one that holds. */
  readonly waiting: readonly TaskName[]
  readonly diagnostics: readonly Diagnostic[]
}

type Resolving = { readonly [Key in keyof ResolvedTasks]: ResolvedTasks[Key][number][] }

/** Joins the tasks of one host in playbook order, with all variables and templates resolved. */
export function resolveTasks(request: ResolveRequest): ResolvedTasks {
  const resolving: Resolving = { tasks: [], skipped: [], waiting: [], diagnostics: [] }
  for (const play of request.plays) {
    const adjacent = request.besidePlaybooks.get(play.directory)
    const variables = hostVariables(request.inventory, request.host, adjacent === undefined ? [] : [adjacent])
    for (const task of play.tasks) {
      const { inventory, host, facts } = request
      const layers = [variables, play.variables, task.variables, request.extra]
      resolveTask(resolving, play, task, hostScope({ inventory, host, variables: layers, facts }))
    }
  }
  return { ...resolving, diagnostics: distinct(resolving.diagnostics) }
}

function resolveTask(resolving: Resolving, play: Play, task: Task, scope: Scope): void {
  const condition = task.when === null ? { ok: true as const, value: true } : evaluateCondition(task.when, scope)
  const named = (): TaskName => nameTask(resolving, play, task, scope)
  if (!condition.ok && !condition.needsFacts) resolving.diagnostics.push(...condition.diagnostics)
  if (condition.ok && !condition.value) {
    resolving.skipped.push(named())
    return
  }
  const params = evaluateNode(task.entry.value, scope)
  const mayNotRun = !condition.ok && condition.needsFacts
  if (!params.ok && (mayNotRun || (params.needsFacts && !hasErrors(params.diagnostics))))
    resolving.waiting.push(named())
  else if (!params.ok) resolving.diagnostics.push(...params.diagnostics)
  if (!params.ok || (!condition.ok && !condition.needsFacts)) return
  resolving.tasks.push({
    ...named(),
    params: params.value ?? {},
    accept: task.accept,
    adopt: task.adopt,
    locate: locateIn(task.entry),
  })
}

/** Made here so that what it keeps alive is the task alone, not the variables and facts of a host. */
function locateIn(entry: SourceEntry): ResolvedTask['locate'] {
  return (path, part) => locate(entry, path, part)
}

function nameTask(resolving: Resolving, play: Play, task: Task, scope: Scope): TaskName {
  return { play: play.name, name: readName(resolving, task, scope), module: task.module, source: task.source }
}

/** The module's name stands for a task without one; a name that waits for facts is shown as written. */
function readName(resolving: Resolving, task: Task, scope: Scope): string {
  if (task.name === null) return task.module
  const name = evaluateNode(task.name, scope)
  if (!name.ok) resolving.diagnostics.push(...name.diagnostics)
  const value = name.ok ? name.value : task.name.value
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** A variable that is wrong is met by every task that uses it, and told once. */
function distinct(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  const seen = new Map<string, Diagnostic>()
  for (const found of diagnostics) {
    const { file, line, column } = found.source ?? { file: '', line: 0, column: 0 }
    const key = JSON.stringify([found.code, found.message, file, line, column])
    if (!seen.has(key)) seen.set(key, found)
  }
  return [...seen.values()]
}
