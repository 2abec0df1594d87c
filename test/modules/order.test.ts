import test from 'ava'
import * as fc from 'fast-check'
import { hasErrors } from '../../src/core/diagnostic.ts'
import type { HostPlan } from '../../src/core/plan.ts'
import { findModule, planTasks } from './case-plan.ts'
import { makeSnapshot } from './make-snapshot.ts'
import { readCases } from './read-cases.ts'

const titles = [
  'acs_override: changes',
  'cpufreq_governor: driver-is-a-module',
  'grub_cmdline: both-variables',
  'hugepages: boot',
  'initramfs: ordered',
  'irqbalance: banned',
  'kernel_cmdline: list-members',
  'modules_load: now-and-at-boot',
  'vfio_ids: graphics-card',
  'vfio_ids: sibling-without-driver-does-not-keep-the-group',
]
const tasks = readCases().filter(({ title }) => titles.includes(title))
const snapshot = makeSnapshot('amd', { kallsyms: ['pcie_acs_overrides'] })

test('the order of independent tasks does not change the plan', (t) => {
  t.is(tasks.length, titles.length)
  const expected = planInOrder(tasks)
  t.false(hasErrors([...expected.diagnostics, ...expected.tasks.flatMap(({ diagnostics }) => diagnostics)]))
  const order = fc.shuffledSubarray(tasks, { minLength: tasks.length })
  fc.assert(
    fc.property(order, (shuffled) => void t.deepEqual(withoutTasks(planInOrder(shuffled)), withoutTasks(expected))),
    { numRuns: 50 },
  )
})

function planInOrder(order: typeof tasks): HostPlan {
  const prepared = order.map((given) => ({ given, params: findModule(given.module).params.parse(given.params) }))
  return planTasks(prepared, snapshot)
}

function withoutTasks(plan: HostPlan): unknown {
  return { ...plan, tasks: [], changes: plan.changes.map((change) => ({ ...change, tasks: [] })) }
}
