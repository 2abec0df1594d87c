import type { Diagnostic } from '../core/diagnostic.ts'
import type { TaskOptions } from '../core/module.ts'
import type { ResolvedTask } from '../core/plan.ts'
import type { TaskDiagnostic } from './tasked.ts'

type Accepted = Pick<TaskOptions, 'accept'>

/** A refusal to every task that has a part in it; one that accepts it does so for itself. Without tasks it is the host's. */
export function tellTasks(
  tasks: readonly ResolvedTask[],
  causes: readonly number[],
  tell: (options: Accepted) => Diagnostic,
): readonly TaskDiagnostic[] {
  const refused = tell({ accept: new Map() })
  if (causes.length === 0) return [{ diagnostic: refused, tasks: [] }]
  const accepting = causes.filter((task) => tasks[task]?.accept.has(refused.code) === true)
  const others = causes.filter((task) => !accepting.includes(task))
  return [
    ...(others.length === 0 ? [] : [{ diagnostic: refused, tasks: others }]),
    ...accepting.flatMap((task) => {
      const options = tasks[task]
      return options === undefined ? [] : [{ diagnostic: tell(options), tasks: [task] }]
    }),
  ]
}
