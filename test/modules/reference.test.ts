import { readFileSync, writeFileSync } from 'node:fs'
import test from 'ava'
import { parse } from 'yaml'
import { z } from 'zod'
import { modules } from '../../modules/index.ts'
import { formatPlaybookSchema } from '../../modules/playbook-schema.ts'
import { renderReference } from '../../modules/render-reference.ts'

const reference = new URL('../../modules/README.md', import.meta.url)

test('modules/README.md is what the modules say', (t) => {
  const text = renderReference(modules)
  if (process.env['WRITE_REFERENCE'] !== undefined) writeFileSync(reference, text)
  t.is(readFileSync(reference, 'utf8'), text)
})

for (const { name, example, params } of modules) {
  test(`the example of ${name} is a task with valid parameters`, (t) => {
    const [task] = parse(example) as Record<string, unknown>[]
    t.deepEqual(
      Object.keys(task ?? {}).filter((key) => !['name', 'accept', 'adopt'].includes(key)),
      [name],
    )
    t.true(params.safeParse(task?.[name]).success)
  })

  test(`every parameter of ${name} is described and unknown ones are refused`, (t) => {
    assertDescribed(t, name, z.toJSONSchema(params, { io: 'input' }))
    t.false(params.safeParse({ ...firstExample(example, name), surprise: 1 }).success)
  })
}

test('the JSON Schema of playbooks names every module', (t) => {
  const schema = JSON.parse(formatPlaybookSchema(modules)) as { $defs: { task: { properties: object } } }
  for (const { name } of modules) t.true(name in schema.$defs.task.properties)
})

type Schema = { readonly properties?: Record<string, Schema>; readonly items?: Schema; readonly description?: string }

function assertDescribed(
  t: { truthy: (value: unknown, message: string) => unknown },
  name: string,
  schema: object,
): void {
  const { properties = {}, items } = schema as Schema
  for (const [key, field] of Object.entries(properties)) {
    t.truthy(field.description, `${name}.${key}`)
    assertDescribed(t, `${name}.${key}`, field)
  }
  if (items) assertDescribed(t, `${name}[]`, items)
}

function firstExample(example: string, name: string): object {
  const [task] = parse(example) as Record<string, object>[]
  return task?.[name] ?? {}
}
