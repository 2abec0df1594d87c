import test from 'ava'
import { modules } from '../../modules/index.ts'
import type { Module, ModulePlan } from '../../src/core/module.ts'
import { makeSnapshot } from './make-snapshot.ts'
import { readCases } from './read-cases.ts'
import type { ModuleCase } from './read-cases.ts'

const cases = readCases()

for (const moduleCase of cases) test(moduleCase.title, (t) => testCase(t, moduleCase))

test('every module has at least five cases, one of them a refusal', (t) => {
  for (const { name } of modules) {
    const own = cases.filter((moduleCase) => moduleCase.module === name)
    t.true(own.length >= 5, `${name} has ${own.length} cases`)
    t.true(
      own.some(({ expect }) => expect.diagnostics.some((line) => line.startsWith('error '))),
      `${name}: no refusal`,
    )
  }
})

test('every refusal that a module lists is shown by a case, and no case shows another', (t) => {
  for (const { name, refusals } of modules) {
    const own = cases.filter((moduleCase) => moduleCase.module === name)
    const errors = own.flatMap(({ expect }) => expect.diagnostics).filter((line) => line.startsWith('error '))
    const shown = [...new Set(errors.map((line) => line.slice('error '.length)))].sort()
    t.deepEqual(shown, Object.keys(refusals).sort(), name)
  }
})

test('the list of modules is sorted and its names are those of the files', (t) => {
  const names = modules.map(({ name }) => name)
  t.deepEqual(names, names.toSorted())
  t.deepEqual([...new Set(cases.map(({ module }) => module))].sort(), names)
})

function testCase(
  t: { deepEqual: (a: unknown, b: unknown) => unknown; true: (value: boolean, message?: string) => unknown },
  given: ModuleCase,
): void {
  const module = findModule(given.module)
  const parsed = module.params.safeParse(given.params)
  if (given.expect.invalid !== undefined || !parsed.success) {
    const text = parsed.error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n') ?? 'valid'
    t.true(text.includes(given.expect.invalid ?? 'valid parameters'), text)
    return
  }
  const plan = planCase(module, parsed.data, given)
  t.deepEqual(
    plan.diagnostics.map(({ severity, code }) => `${severity} ${code}`),
    given.expect.diagnostics,
  )
  if (given.expect.claims) t.deepEqual(plan.claims, given.expect.claims)
  const evidence = plan.diagnostics.flatMap((diagnostic) => diagnostic.evidence ?? [])
  for (const line of given.expect.evidence ?? [])
    t.true(evidence.includes(line), `${line}\nnot in\n${evidence.join('\n')}`)
  t.deepEqual(JSON.parse(JSON.stringify(plan)), plan)
}

function planCase(module: Module, params: unknown, given: ModuleCase): ModulePlan {
  const options = { accept: new Map(Object.entries(given.accept)), adopt: given.adopt }
  module.reads(params)
  return module.plan(params, makeSnapshot(given.machine, given.host), options)
}

function findModule(name: string): Module {
  const module = modules.find((candidate) => candidate.name === name)
  if (!module) throw new Error(`test/modules/cases/${name}: there is no such module`)
  return module
}
