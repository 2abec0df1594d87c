import { z } from 'zod'
import type { Module } from '../src/core/module.ts'

const scalar = { type: ['string', 'number', 'boolean', 'null'] }
const text = { type: 'string' }

/** JSON Schema of a playbook for editors, as text. Values may also be expressions, `{{ … }}`. */
export function formatPlaybookSchema(modules: readonly Module[]): string {
  return `${JSON.stringify(playbookSchema(modules), null, 2)}\n`
}

function playbookSchema(modules: readonly Module[]) {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'passway playbook',
    type: 'array',
    items: { $ref: '#/$defs/play' },
    $defs: { play: playSchema(), task: taskSchema(modules), expression: { type: 'string', pattern: '\\{\\{.*\\}\\}' } },
  }
}

function playSchema() {
  return {
    type: 'object',
    required: ['hosts', 'tasks'],
    additionalProperties: false,
    properties: {
      name: text,
      hosts: { anyOf: [text, { type: 'array', items: text }], description: 'Host pattern.' },
      vars: { type: 'object' },
      serial: { type: ['integer', 'string'], description: 'Hosts at a time, a number or N%.' },
      tasks: { type: 'array', items: { $ref: '#/$defs/task' } },
    },
  }
}

function taskSchema(modules: readonly Module[]) {
  return {
    type: 'object',
    additionalProperties: false,
    properties: {
      name: text,
      when: { anyOf: [scalar, { type: 'array', items: scalar }], description: 'Expression without braces.' },
      vars: { type: 'object' },
      accept: { type: 'object', additionalProperties: text, description: 'Risks taken: CODE: why.' },
      adopt: { type: 'boolean', description: 'Take over what was written by hand for the same thing.' },
      ...Object.fromEntries(modules.map((module) => [module.name, moduleSchema(module)])),
    },
    oneOf: modules.map(({ name }) => ({ required: [name] })),
  }
}

function moduleSchema(module: Module) {
  const { $schema: _, ...schema } = z.toJSONSchema(module.params, { io: 'input' })
  return { ...(allowExpressions(schema) as object), description: module.summary }
}

/** Every value below the top may be an expression in place of what it stands for. */
function allowExpressions(schema: unknown): unknown {
  if (typeof schema !== 'object' || schema === null) return schema
  const { properties, items, ...rest } = schema as { properties?: Record<string, object>; items?: object }
  const fields = Object.entries(properties ?? {}).map(([name, field]) => [name, orExpression(field)])
  return {
    ...rest,
    ...(properties ? { properties: Object.fromEntries(fields) } : {}),
    ...(items ? { items: orExpression(items) } : {}),
  }
}

function orExpression(schema: object): object {
  const { description, ...rest } = schema as { description?: string }
  return { ...(description ? { description } : {}), anyOf: [allowExpressions(rest), { $ref: '#/$defs/expression' }] }
}
