import type { Diagnostic } from '../core/diagnostic.ts'
import type { Module } from '../core/module.ts'
import { readExpressions } from './expression.ts'
import type { Play, Task } from './playbook.ts'
import { isNull, locate, plainValue } from './source-node.ts'
import { validateParams } from './validate-params.ts'

/**
 * Checks the parameters of all tasks without a host. Of a task with templates only the names of its parameters are
 * checked: what the templates give is known on a host.
 */
export function lintTasks(plays: readonly Play[], modules: readonly Module[]): readonly Diagnostic[] {
  return plays.flatMap((play) => play.tasks.flatMap((task) => lintTask(task, modules)))
}

function lintTask(task: Task, modules: readonly Module[]): readonly Diagnostic[] {
  const module = modules.find(({ name }) => name === task.module)
  const { value } = task.entry
  const templated = readExpressions(value, false).expressions.length > 0
  if (module === undefined || (templated && value.kind === 'scalar')) return []
  const checked = validateParams(module, {
    params: isNull(value) ? {} : plainValue(value),
    locate: (path, part) => locate(task.entry, path, part),
  })
  if (checked.ok) return []
  return checked.diagnostics.filter(({ code }) => !templated || code !== 'PARAM_INVALID')
}
