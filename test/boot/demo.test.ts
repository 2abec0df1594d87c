import test from 'ava'
import { modules } from '../../modules/index.ts'
import { computePlan } from '../../src/boot/compute-plan.ts'
import { applyChanges } from '../../src/boot/apply-changes.ts'
import type { ResolvedTask } from '../../src/core/plan.ts'
import type { Snapshot } from '../../src/core/snapshot.ts'
import { uniteReads } from '../../src/host/probe-request.ts'
import { demoTree, makeTree, snapshotOf } from '../host-trees/open-tree.ts'

const given: readonly { module: string; params: unknown; accept?: Record<string, string> }[] = [
  { module: 'kernel_cmdline', params: { present: ['iommu=pt'] } },
  { module: 'vfio_ids', params: { ids: ['10de:1c82', '10de:0fb9'] }, accept: { GROUP_SHARED: 'x', ID_SHARED: 'x' } },
  { module: 'initramfs', params: { modules: ['vfio_pci', 'vfio', 'vfio_iommu_type1'] } },
  { module: 'modules_load', params: { modules: ['vfio_pci'], load: 'boot' } },
  { module: 'hugepages', params: { pages: [{ size: '2M', count: 512 }], reserve: '1G' } },
  { module: 'irqbalance', params: { state: 'enabled', banned_cpus: '2-3' } },
]

function planTasks(snapshot: Snapshot) {
  const tasks = given.map((task, index): ResolvedTask => {
    const source = { file: 'demo.yaml', line: index + 1, column: 1 }
    const accept = new Map(Object.entries(task.accept ?? {}))
    return { play: 'demo', name: task.module, adopt: false, ...task, accept, source, locate: () => source }
  })
  const modulePlans = tasks.map((task) => {
    const module = modules.find(({ name }) => name === task.module)
    if (module === undefined) throw new Error(task.module)
    return module.plan(module.params.parse(task.params), snapshot, task)
  })
  return computePlan({ tasks, modulePlans, snapshot, prune: false })
}

test('the demo machine: a plan, and no second one', async (t) => {
  const reads = given.map(({ module: name, params }) => {
    const module = modules.find((each) => each.name === name)
    return module?.reads(module.params.parse(params)) ?? {}
  })
  const snapshot = await snapshotOf(makeTree(t, demoTree), uniteReads(reads))
  const plan = planTasks(snapshot)
  t.deepEqual(
    plan.tasks.flatMap(({ diagnostics }) => diagnostics).filter(({ severity }) => severity === 'error'),
    [],
  )
  t.true(plan.changes.length > 4)
  const second = planTasks(applyChanges(snapshot, plan.changes))
  t.deepEqual(second.changes, [])
  t.deepEqual(second.regenerate, [])
  t.deepEqual(second.nextBoot?.kernelCommandLine, plan.nextBoot?.kernelCommandLine)
})
