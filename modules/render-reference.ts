import { z } from 'zod'
import type { Module } from '../src/core/module.ts'

/** The part of JSON Schema that parameters come to. */
type Schema = {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
}

type Row = {
  readonly name: string
  readonly type: string
  readonly otherwise: string
  readonly description: string
}

/** modules/README.md: every module as `passway modules NAME` shows it. */
export function renderReference(modules: readonly Module[]): string {
  const contents = modules.map(({ name, summary }) => `- [${name}](#${name}): ${summary}`)
  return [
    '# Modules',
    '',
    'Generated from the modules; `WRITE_REFERENCE=1 npx ava test/modules/reference.test.ts` writes it anew.',
    '',
    ...contents,
    '',
    'A task names one module and may set `accept: { CODE: "why" }` to take a risk upon itself, where a refusal says that it can be',
    'accepted, and `adopt: true` to take over what was written by hand for the same thing.',
    '',
    ...modules.flatMap((module) => [
      renderModuleReference(module)
        .replace(/^# /, '## ')
        .replaceAll(/^## (?=[A-Z])/gm, '### '),
      '',
    ]),
  ].join('\n')
}

/** One module as Markdown: what it does, its parameters, an example, what it refuses. */
export function renderModuleReference(module: Module): string {
  return [
    `# ${module.name}`,
    '',
    module.summary,
    '',
    module.description,
    '',
    '## Parameters',
    '',
    '| name | type | default | meaning |',
    '| --- | --- | --- | --- |',
    ...rowsOf(schemaOf(module)).map(renderRow),
    '',
    '## Example',
    '',
    '```yaml',
    module.example,
    '```',
    '',
    '## Refusals',
    '',
    ...Object.entries(module.refusals).map(([code, sentence]) => `- \`${code}\`: ${sentence}`),
    '',
  ].join('\n')
}

function schemaOf(module: Module): Schema {
  return z.toJSONSchema(module.params, { io: 'input' }) as Schema
}

/** A list of mappings gives a row for the list and one for each field: `pages[].size`. */
function rowsOf(schema: Schema, prefix = ''): readonly Row[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, field]) => {
    const name = `${prefix}${key}`
    const isRequired = schema.required?.includes(key) === true
    return [rowOf(name, field, isRequired), ...(field.items ? rowsOf(field.items, `${name}[].`) : [])]
  })
}

function rowOf(name: string, field: Schema, isRequired: boolean): Row {
  const preset = field.default === undefined ? '' : `\`${JSON.stringify(field.default).replaceAll('"', '')}\``
  return {
    name,
    type: formatType(field),
    otherwise: isRequired ? 'required' : preset,
    description: field.description ?? '',
  }
}

function formatType(field: Schema): string {
  if (field.enum) return field.enum.map((value) => `\`${String(value)}\``).join(', ')
  if (field.anyOf) return field.anyOf.map(formatType).join(' or ')
  if (field.type !== 'array') return field.type === 'object' ? 'mapping' : (field.type ?? 'any')
  return `list of ${field.items ? formatType(field.items) : 'any'}`
}

function renderRow({ name, type, otherwise, description }: Row): string {
  const cells = [`\`${name}\``, type, otherwise, description]
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}
