import test from 'ava'
import { attachDiagnostics, placeDiagnostic } from '../../src/boot/attach-diagnostics.ts'
import { error } from '../../src/core/diagnostic.ts'
import type { ResolvedTask } from '../../src/core/plan.ts'
import { arg, planOf } from './plan-of.ts'
import { snapshot } from './snapshots.ts'

const source = { file: 'play.yaml', line: 10, column: 5 }

function taskOf(params: unknown): ResolvedTask {
  const options = { play: 'test', name: 'a task', module: 'kernel_cmdline', accept: new Map(), adopt: false }
  return { ...options, params, source, locate: (path) => ({ ...source, text: path.join('.') }) }
}

const problem = error('X', 'something')

test('several claims of one task that meet one problem are told once', (t) => {
  const { byTask } = attachDiagnostics([taskOf({})], [{ diagnostic: problem, tasks: [0, 0] }])
  t.is(byTask[0]?.length, 1)
  const twice = { diagnostic: problem, tasks: [0] }
  t.is(attachDiagnostics([taskOf({})], [twice, twice]).byTask[0]?.length, 1)
})

test('two items of one task against each other: an error at each, which names the other', (t) => {
  const task = taskOf({ present: ['panic=5', 'panic=10'] })
  const found = { diagnostic: problem, tasks: [0], claims: [arg('panic=5'), arg('panic=10')] }
  const diagnostics = attachDiagnostics([task], [found]).byTask[0] ?? []
  t.deepEqual(
    diagnostics.map((each) => each.source?.text),
    ['present.0', 'present.1'],
  )
  t.deepEqual(diagnostics[0]?.evidence, ['play.yaml:10: a task'])
})

test('a member of a comma list, and what it rules out, is found at the whole argument', (t) => {
  const task = taskOf({ present: ['quiet', 'intel_iommu=on,sm_on'] })
  const claims = [arg('intel_iommu=sm_on', { member: true }), arg('intel_iommu=off', { member: true, want: 'absent' })]
  const found = claims.map((claim) => ({ diagnostic: problem, tasks: [0], claims: [claim] }))
  for (const each of found)
    t.is(attachDiagnostics([task], [each]).byTask[0]?.[0]?.source?.text, 'present.1', each.claims[0]?.want)
})

test('a diagnostic of a module stands at the parameter that it names, else at the task', (t) => {
  t.deepEqual(placeDiagnostic(taskOf({}), { ...problem, path: ['ids', 1] }).source, { ...source, text: 'ids.1' })
  t.false('path' in placeDiagnostic(taskOf({}), { ...problem, path: ['ids', 1] }))
  t.deepEqual(placeDiagnostic(taskOf({}), problem).source, source)
})

test('a file that is not understood is told once, however many arguments a task has', (t) => {
  const host = snapshot({ files: { '/etc/default/grub': 'GRUB_CMDLINE_LINUX_DEFAULT="$(cat /x)"\n' } })
  const plan = planOf(host, [{ claims: [arg('iommu=pt'), arg('quiet')], params: {} }])
  t.deepEqual(
    plan.tasks[0]?.diagnostics.map(({ code }) => code),
    ['SHELL_NOT_UNDERSTOOD'],
  )
})
