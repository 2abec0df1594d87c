import test from 'ava'
import type { ExecutionContext } from 'ava'
import { modules } from '../../modules/index.ts'
import { applyChanges } from '../../src/boot/apply-changes.ts'
import { hasErrors } from '../../src/core/diagnostic.ts'
import type { Diagnostic } from '../../src/core/diagnostic.ts'
import type { ModulePlan } from '../../src/core/module.ts'
import type { HostPlan } from '../../src/core/plan.ts'
import { publicChange } from '../../src/core/public-change.ts'
import type { Snapshot } from '../../src/core/snapshot.ts'
import { planFields } from '../../src/report/documents.ts'
import { choosePaint } from '../../src/report/paint.ts'
import { renderPlan } from '../../src/report/plan-text.ts'
import { findModule, planHost, planModule, reverseChanges, withRecord } from './case-plan.ts'
import { makeSnapshot } from './make-snapshot.ts'
import { readCases } from './read-cases.ts'
import type { ModuleCase } from './read-cases.ts'

const cases = readCases()
const paint = choosePaint({ isTerminal: false, noColor: true, environment: {} })

for (const given of cases) {
  test(given.title, (t) => {
    const parsed = findModule(given.module).params.safeParse(given.params)
    if (given.expect.invalid !== undefined || !parsed.success) return assertInvalid(t, given, parsed.error)
    const snapshot = makeSnapshot(given.machine, given.host)
    assertModulePlan(t, given, planModule(given, parsed.data, snapshot))
    assertHostPlan(t, given, { params: parsed.data, snapshot })
  })
}

test('every module has at least five cases, one of them a refusal', (t) => {
  for (const { name } of modules) {
    const own = cases.filter((given) => given.module === name)
    t.true(own.length >= 5, `${name} has ${own.length} cases`)
    t.true(
      own.some(({ expect }) => expect.diagnostics.some((line) => line.startsWith('error '))),
      `${name}: no refusal`,
    )
  }
})

test('every refusal that a module lists is shown by a case, and no case shows another', (t) => {
  for (const { name, refusals } of modules) {
    const own = cases.filter((given) => given.module === name)
    const settling = own.flatMap(({ expect }) => expect.settling ?? []).filter((line) => isListed(line, refusals))
    const errors = [...own.flatMap(({ expect }) => expect.diagnostics), ...settling].filter(isError)
    const shown = [...new Set(errors.map(codeOf))].sort()
    t.deepEqual(shown, Object.keys(refusals).sort(), name)
  }
})

test('the list of modules is sorted and its names are those of the files', (t) => {
  const names = modules.map(({ name }) => name)
  t.deepEqual(names, names.toSorted())
  t.deepEqual([...new Set(cases.map(({ module }) => module))].sort(), names)
})

function isError(line: string): boolean {
  return line.startsWith('error ')
}

function codeOf(line: string): string {
  return line.slice('error '.length)
}

/** What settling refuses is of the host, unless the module tells of it. */
function isListed(line: string, refusals: Readonly<Record<string, string>>): boolean {
  return isError(line) && codeOf(line) in refusals
}

function assertInvalid(t: ExecutionContext, given: ModuleCase, error: { issues: readonly Issue[] } | undefined): void {
  const text = error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n') ?? 'valid'
  t.true(text.includes(given.expect.invalid ?? 'valid parameters'), text)
}

type Issue = { readonly path: readonly PropertyKey[]; readonly message: string }

function assertModulePlan(t: ExecutionContext, given: ModuleCase, plan: ModulePlan): void {
  t.deepEqual(listCodes(plan.diagnostics), given.expect.diagnostics)
  const paths = plan.diagnostics.map(({ path = [] }) => path.join('.'))
  if (given.expect.paths) t.deepEqual(paths, given.expect.paths)
  if (given.expect.claims) t.deepEqual(plan.claims, given.expect.claims)
  const evidence = plan.diagnostics.flatMap((diagnostic) => diagnostic.evidence ?? [])
  for (const line of given.expect.evidence ?? [])
    t.true(evidence.includes(line), `${line}\nnot in\n${evidence.join('\n')}`)
  t.deepEqual(JSON.parse(JSON.stringify(plan)), plan)
}

/** What the claims come to on the host; applied and planned again; applied and taken back; as JSON and as text. */
function assertHostPlan(t: ExecutionContext, given: ModuleCase, host: { params: unknown; snapshot: Snapshot }): void {
  const plan = planHost(given, host.params, host.snapshot)
  const diagnostics = [...plan.tasks.flatMap((task) => task.diagnostics), ...plan.diagnostics]
  t.deepEqual(listCodes(diagnostics), [...given.expect.diagnostics, ...(given.expect.settling ?? [])])
  assertShown(t, plan, host.snapshot)
  if (hasErrors(diagnostics)) return
  if (given.expect.changes) t.deepEqual(plan.changes.map(shorten), given.expect.changes)
  const applied = withRecord(applyChanges(host.snapshot, plan.changes), plan)
  t.deepEqual(planHost(given, host.params, applied).changes, [], 'planned again')
  t.deepEqual(visible(applyChanges(applied, reverseChanges(plan.changes))), visible(host.snapshot), 'taken back')
}

function assertShown(t: ExecutionContext, plan: HostPlan, snapshot: Snapshot): void {
  const fields = planFields(plan, { before: 'shown', after: 'shown' })
  t.deepEqual(JSON.parse(JSON.stringify(fields)), dropUndefined(fields))
  const view = { host: 'node1', plan, system: '', skipped: [], commandLineNow: snapshot.commandLine }
  const text = renderPlan(view, { paint, width: 100, verbose: true })
  // Attributes of many policies are told in one line.
  const named = plan.changes.filter(({ kind }) => kind !== 'attribute')
  for (const { target } of named) t.true(text.includes(target), target)
}

function dropUndefined(fields: Record<string, unknown>): unknown {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

/** `error CODE`, in order. */
function listCodes(diagnostics: readonly Diagnostic[]): readonly string[] {
  return diagnostics.map(({ severity, code }) => `${severity} ${code}`)
}

/** A change as cases state it: for files only what was added and removed. */
function shorten(change: HostPlan['changes'][number]): Record<string, unknown> {
  const { kind, target, regenerate, takesEffect } = change
  const { before, after } = publicChange(change, { before: 'shown', after: 'shown' })
  const rest = { ...(regenerate.length === 0 ? {} : { regenerate }), ...(takesEffect === 'now' ? {} : { takesEffect }) }
  if (kind !== 'file') return { kind, target, before, after, ...rest }
  const [old, now] = [contentLines(change.before), contentLines(change.after)]
  return {
    kind,
    target,
    removed: old.filter((line) => !now.includes(line)),
    added: now.filter((line) => !old.includes(line)),
    ...rest,
  }
}

function contentLines(value: unknown): readonly string[] {
  const { content } = (value ?? { content: '' }) as { content: string }
  return content === '' ? [] : content.replace(/\n$/, '').split('\n')
}

/** What a person on the host could see, without paths and units that are not there. */
function visible(snapshot: Snapshot): unknown {
  return {
    files: sortByKey([...snapshot.files].filter(([, state]) => state.type !== 'absent')),
    units: sortByKey([...snapshot.units].filter(([, state]) => state.exists)),
    attributes: sortByKey([...snapshot.attributes]),
    loadedModules: [...snapshot.loadedModules].sort(),
  }
}

function sortByKey<Value>(entries: readonly (readonly [string, Value])[]): readonly (readonly [string, Value])[] {
  return entries.toSorted(([a], [b]) => (a < b ? -1 : 1))
}
