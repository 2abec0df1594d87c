import test from 'ava'
import { z } from 'zod'
import type { Module } from '../../src/core/module.ts'
import { lintTasks } from '../../src/config/lint-tasks.ts'
import { loadPlays } from '../../src/config/load-plays.ts'
import { locate, plainValue } from '../../src/config/source-node.ts'
import { validateParams } from '../../src/config/validate-params.ts'
import { parseYaml } from '../../src/config/yaml-source.ts'
import { briefly } from './diagnostics.ts'

const pages = z.strictObject({
  size: z.enum(['2M', '1G']).describe('size of a page'),
  count: z.int().min(1).describe('how many'),
  node: z.int().optional().describe('NUMA node'),
})
const params = z.strictObject({
  ids: z
    .array(z.string().regex(/^[\da-f]{4}:[\da-f]{4}$/, 'must look like 10de:1c82'))
    .min(1)
    .describe('vendor:device, in hexadecimal'),
  devices: z
    .union([z.literal('all'), z.array(z.string())])
    .optional()
    .describe('addresses, or all'),
  pages: z.array(pages).optional().describe('pools'),
  softdep: z.boolean().default(true).describe('load after'),
  reserve: z
    .string()
    .refine((text) => text !== 'odd', { message: 'odd is refused', params: { hint: 'use even' } })
    .optional()
    .describe('kept for the host'),
})

const vfio: Module<z.output<typeof params>> = {
  name: 'vfio_ids',
  summary: '',
  description: '',
  params,
  reads: () => ({}),
  plan: () => ({ claims: [], diagnostics: [] }),
  example: '',
  refusals: {},
}

function validate(yaml: string): ReturnType<typeof validateParams> {
  const { node } = parseYaml('p.yaml', `vfio_ids: ${yaml}`)
  const entry = node?.kind === 'map' ? node.entries[0] : undefined
  if (entry === undefined) throw new Error('no task')
  return validateParams(vfio, {
    params: plainValue(entry.value) ?? {},
    locate: (path, part) => locate(entry, path, part),
  })
}

test('good parameters come out with their defaults', (t) => {
  t.deepEqual<unknown, unknown>(validate('{ids: ["10de:1c82"]}'), {
    ok: true,
    params: { ids: ['10de:1c82'], softdep: true },
  })
})

const refused: readonly [string, readonly string[], readonly (string | undefined)[]][] = [
  ['{ids: ["10de:1c82"], device: x}', ['32 PARAM_UNKNOWN device'], ['did you mean "devices"?']],
  ['{ids: ["10de:1c82"], zzz: x}', ['32 PARAM_UNKNOWN zzz'], ['it has ids, devices, pages, softdep, reserve']],
  ['{}', ['1 PARAM_MISSING vfio_ids'], ['"ids": vendor:device, in hexadecimal']],
  ['', ['1 PARAM_MISSING vfio_ids'], ['"ids": vendor:device, in hexadecimal']],
  [
    '{ids: [1002, 0e10, on]}',
    ['18 PARAM_INVALID 1002', '24 PARAM_INVALID 0e10', '30 PARAM_INVALID on'],
    ['quote it: "1002"', 'quote it: "0e10"', 'quote it: "on"'],
  ],
  ['{ids: "10de:1c82"}', ['17 PARAM_INVALID "10de:1c82"'], ['write a list: ids: ["10de:1c82"]']],
  ['{ids: [nvidia]}', ['18 PARAM_INVALID nvidia'], ['vendor:device, in hexadecimal']],
  ['{ids: []}', ['17 PARAM_INVALID []'], ['vendor:device, in hexadecimal']],
  ['{ids: ["10de:1c82"], softdep: sure}', ['41 PARAM_INVALID sure'], ['load after']],
  ['{ids: ["10de:1c82"], reserve: odd}', ['41 PARAM_INVALID odd'], ['use even']],
  ['{ids: ["10de:1c82"], devices: [1]}', ['42 PARAM_INVALID 1'], ['quote it: "1"']],
  ['{ids: ["10de:1c82"], devices: 0e10}', ['41 PARAM_INVALID 0e10'], ['addresses, or all']],
  [
    '{ids: ["10de:1c82"], pages: [{size: 1g, count: 0}, {size: 2M, cuont: 1}]}',
    ['47 PARAM_INVALID 1g', '58 PARAM_INVALID 0', '62 PARAM_MISSING {size: 2M, cuont: 1}', '73 PARAM_UNKNOWN cuont'],
    ['did you mean "1G"?', 'how many', '"count": how many', 'did you mean "count"?'],
  ],
  ['text', ['11 PARAM_INVALID text'], [undefined]],
]
for (const [yaml, expected, hints] of refused) {
  test(`vfio_ids: ${yaml}`, (t) => {
    const result = validate(yaml)
    if (result.ok) return t.fail()
    t.deepEqual(
      briefly(result.diagnostics),
      expected.map((line) => `p.yaml:1:${line}`),
    )
    t.deepEqual(
      result.diagnostics.map(({ hint }) => hint),
      hints,
    )
    return undefined
  })
}

test('messages say what is expected and what was found', (t) => {
  const messageOf = (yaml: string): string | undefined => {
    const result = validate(yaml)
    return result.ok ? undefined : result.diagnostics[0]?.message
  }
  t.is(messageOf('{ids: [1002]}'), 'vfio_ids: ids[0] must be text, not the number 1002')
  t.is(
    messageOf('{ids: ["10de:1c82"], pages: [{size: 4M, count: 1}]}'),
    'vfio_ids: pages[0].size must be 2M or 1G, not "4M"',
  )
  t.is(messageOf('{ids: ["10de:1c82"], devices: 5}'), 'vfio_ids: devices must be all or a list, not the number 5')
  t.is(messageOf('{ids: ["10de:1c82"], x: 5}'), 'vfio_ids has no parameter "x"')
})

test('lint checks everything that no template decides', (t) => {
  const text =
    'tasks:\n  - vfio_ids: {ids: [1002]}\n  - vfio_ids: {ids: "{{ x }}", device: 1}\n  - vfio_ids: {softdep: "{{ x }}"}\n  - vfio_ids: "{{ x }}"\n'
  const { node } = parseYaml('p.yaml', text)
  if (node?.kind !== 'map') return t.fail()
  const { plays } = loadPlays([{ name: 'p', hosts: [], file: 'p.yaml', directory: '/', node }], [vfio])
  t.deepEqual(briefly(lintTasks(plays, [vfio as Module])), [
    'p.yaml:2:22 PARAM_INVALID 1002',
    'p.yaml:3:32 PARAM_UNKNOWN device',
    'p.yaml:4:5 PARAM_MISSING vfio_ids',
  ])
  return undefined
})
