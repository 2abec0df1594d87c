import { z } from 'zod'
import { modules } from '../../modules/index.ts'
import { formatPlaybookSchema } from '../../modules/playbook-schema.ts'
import { renderModuleReference } from '../../modules/render-reference.ts'
import { renderFacts } from '../report/facts-text.ts'
import { factsReference } from '../config/facts.ts'
import { findNearest } from '../config/did-you-mean.ts'
import { exitCodes } from '../core/exit-codes.ts'
import { tool } from '../core/tool.ts'
import { formatDocument } from '../report/documents.ts'
import { wrapWords } from '../report/wrap.ts'
import { refuseUsage } from './finish.ts'
import type { RunContext } from './run-context.ts'

/** `passway modules [NAME]`: the list, one module's reference, the facts, or the JSON Schema of playbooks. */
export async function runModules(context: RunContext, args: readonly string[]): Promise<number> {
  const [name] = args
  const isJson = context.options.json === true
  if (context.options.schema === true) return print(context, formatPlaybookSchema(modules))
  if (name === undefined)
    return print(context, isJson ? formatJson({ modules: modules.map(publicForm) }) : listAsText(context))
  if (name === 'facts')
    return print(context, isJson ? formatJson({ facts: factsReference }) : renderFacts(factsReference, context.width))
  const module = modules.find((each) => each.name === name)
  if (module === undefined) return refuseUsage(context, describeUnknown(name))
  return print(context, isJson ? formatJson({ modules: [publicForm(module)] }) : renderModuleReference(module))
}

function describeUnknown(name: string): string {
  const nearest = findNearest(name, [...modules.map((each) => each.name), 'facts'])
  const hint = nearest === undefined ? '`passway modules` lists them' : `did you mean "${nearest}"?`
  return `there is no module "${name}"; ${hint}`
}

function print(context: RunContext, text: string): number {
  context.write(text.endsWith('\n') ? text : `${text}\n`)
  return exitCodes.ok
}

function listAsText({ paint, width }: RunContext): string {
  const names = Math.max(...modules.map((module) => module.name.length))
  const row = (name: string, summary: string): string[] =>
    wrapWords(summary.split(' '), Math.max(30, width - names - 2)).map(
      (words, index) => `${index === 0 ? name : ' '.repeat(names)}  ${words.join(' ')}`,
    )
  return [
    ...modules.flatMap((module) => row(paint.strong(module.name.padEnd(names)), module.summary)),
    '',
    ...row('facts'.padEnd(names), 'what when: and {{ }} may ask of a host'),
    '',
    'passway modules NAME shows one of them.',
  ].join('\n')
}

function publicForm({ name, summary, description, params, example, refusals }: (typeof modules)[number]): unknown {
  const { $schema: _, ...schema } = z.toJSONSchema(params, { io: 'input' })
  return { name, summary, description, params: schema, example, refusals }
}

function formatJson(fields: Readonly<Record<string, unknown>>): string {
  return formatDocument({ format: 1, tool, diagnostics: [], hosts: [], ...fields })
}
