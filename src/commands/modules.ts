import { modules } from '../../modules/index.ts'
import { formatPlaybookSchema } from '../../modules/playbook-schema.ts'
import { renderModuleReference } from '../../modules/render-reference.ts'
import { renderFacts } from '../report/facts-text.ts'
import { factsReference } from '../config/facts.ts'
import { findNearest } from '../config/did-you-mean.ts'
import { exitCodes } from '../core/exit-codes.ts'
import { tool } from '../core/tool.ts'
import type { RunContext } from './run-context.ts'

/** `passway modules [NAME]`: the list, one module's reference, the facts, or the JSON Schema of playbooks. */
export async function runModules(context: RunContext, args: readonly string[]): Promise<number> {
  const [name] = args
  if (context.options.schema === true) return print(context, formatPlaybookSchema(modules))
  if (name === undefined)
    return context.options.json ? print(context, listAsJson()) : print(context, listAsText(context))
  if (name === 'facts') return print(context, renderFacts(factsReference, context.width))
  const module = modules.find((each) => each.name === name)
  if (module) return print(context, renderModuleReference(module))
  const nearest = findNearest(name, [...modules.map((each) => each.name), 'facts'])
  context.writeError(
    `passway: there is no module "${name}"${nearest === undefined ? '' : `; did you mean "${nearest}"?`}\n`,
  )
  return exitCodes.usage
}

function print(context: RunContext, text: string): number {
  context.write(text.endsWith('\n') ? text : `${text}\n`)
  return exitCodes.ok
}

function listAsText({ paint }: RunContext): string {
  const width = Math.max(...modules.map((module) => module.name.length))
  const rows = modules.map((module) => `${paint.strong(module.name.padEnd(width))}  ${module.summary}`)
  return [
    ...rows,
    '',
    `${'facts'.padEnd(width)}  what when: and {{ }} may ask of a host`,
    '',
    'passway modules NAME shows one of them.',
  ].join('\n')
}

function listAsJson(): string {
  return JSON.stringify(
    {
      format: 1,
      tool,
      modules: modules.map(({ name, summary, description, example, refusals }) => ({
        name,
        summary,
        description,
        example,
        refusals,
      })),
    },
    null,
    2,
  )
}
