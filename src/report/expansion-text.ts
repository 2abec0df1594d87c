import type { PlannedTask } from '../core/plan.ts'
import { escapeForTerminal } from './escape.ts'
import type { TextOptions } from './paint.ts'

/** What tasks stand for, one that stands for others after the other: `driver_override  devices: …`. */
export function renderExpansions(tasks: readonly PlannedTask[], { paint }: Pick<TextOptions, 'paint'>): string[] {
  return tasks.flatMap(({ name, module, expands = [] }) =>
    expands.length === 0
      ? []
      : [
          `${paint.strong(escapeForTerminal(name || module))} ${paint.faint(`(${module}) stands for`)}`,
          ...expands.map((each) => `  ${each.module}  ${paint.faint(escapeForTerminal(formatParams(each.params)))}`),
        ],
  )
}

function formatParams(params: unknown): string {
  const fields = Object.entries(params as Readonly<Record<string, unknown>>)
  return fields.map(([name, value]) => `${name}: ${formatValue(value)}`).join(', ')
}

/** As YAML in flow form, without quotes. */
function formatValue(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(formatValue).join(', ')}]`
  if (typeof value !== 'object' || value === null) return String(value)
  return `{ ${formatParams(value)} }`
}
