import { readFileSync } from 'node:fs'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import type { HostPlan } from '../../src/core/plan.ts'
import { applyPlan } from '../../src/host/execute.ts'
import { planRollback, rollbackRecord } from '../../src/host/rollback.ts'
import { applyOptions, localHost, nextId, readHost } from '../host/agent-hosts.ts'
import { demoTree, makeTree, snapshotOf } from '../host-trees/open-tree.ts'
import { findModule, planHost } from './case-plan.ts'
import type { ModuleCase } from './read-cases.ts'

const demo = readFileSync(demoTree, 'utf8')
const by = applyOptions('').by

type Task = Pick<ModuleCase, 'module' | 'params'> & Partial<Pick<ModuleCase, 'accept' | 'adopt'>>
type Expected = { readonly tree?: string; readonly targets: readonly string[] }

/** Read by the probe, planned, written by the agent, read and planned again, taken back: on a host in a directory. */
const testOnTree = test.macro<[Task, Expected]>({
  exec: async (t, task, { tree = '', targets }) => {
    const root = makeTree(t, demo + tree)
    const before = readHost(root)
    const plan = await planTree(root, task)
    t.deepEqual(
      plan.changes.map(({ kind, target }) => `${kind} ${target}`),
      targets,
      describeProblems(plan),
    )
    const applied = await applyPlan(localHost(root), plan, applyOptions(nextId()))
    t.is(applied.outcome, 'committed', JSON.stringify(applied.diagnostics))
    const again = await planTree(root, task)
    t.deepEqual(again.changes, [])
    await assertRollback(t, root)
    t.deepEqual(readHost(root), before)
  },
  title: (_, task, expected) => `${task?.module} on a tree${expected?.tree === undefined ? '' : ' with more in it'}`,
})

async function planTree(root: string, task: Task): Promise<HostPlan> {
  const module = findModule(task.module)
  const given: ModuleCase = {
    machine: '',
    host: {},
    accept: {},
    adopt: false,
    expect: { diagnostics: [] },
    title: task.module,
    ...task,
  }
  const params = module.params.parse(task.params)
  return planHost(given, params, await snapshotOf(root, module.reads(params)))
}

function describeProblems(plan: HostPlan): string {
  const diagnostics = [...plan.tasks.flatMap((task) => task.diagnostics), ...plan.diagnostics]
  return diagnostics.map(({ code, message }) => `${code}: ${message}`).join('\n')
}

async function assertRollback(t: ExecutionContext, root: string): Promise<void> {
  const way = await planRollback(localHost(root), { by })
  const reverted = await rollbackRecord(localHost(root), way, { by })
  t.is(reverted.outcome, 'reverted', JSON.stringify(reverted.diagnostics))
}

test(
  testOnTree,
  { module: 'kernel_cmdline', params: { present: ['iommu=pt'], absent: ['quiet'] } },
  { targets: ['file /etc/default/grub'] },
)
test(
  testOnTree,
  { module: 'grub_cmdline', params: { present: ['panic=10'], entries: 'all' } },
  { targets: ['file /etc/default/grub'] },
)
test(
  testOnTree,
  { module: 'modules_load', params: { modules: ['vfio_pci'] } },
  { targets: ['file /etc/modules-load.d/passway.conf', 'kernel-module vfio_pci'] },
)
test(
  testOnTree,
  { module: 'vfio_ids', params: { ids: ['10de:1c82', '10de:0fb9'] } },
  { targets: ['file /etc/modprobe.d/passway.conf'] },
)
test(
  testOnTree,
  { module: 'initramfs', params: { modules: ['vfio_pci', 'vfio'] } },
  { targets: ['file /etc/initramfs-tools/modules'] },
)
test(
  testOnTree,
  { module: 'hugepages', params: { pages: [{ size: '1G', count: 8 }] } },
  { targets: ['file /etc/default/grub'] },
)
test(
  testOnTree,
  { module: 'irqbalance', params: { state: 'disabled', banned_cpus: '4-7' } },
  { targets: ['unit irqbalance.service', 'file /etc/default/irqbalance'] },
)
test(
  testOnTree,
  { module: 'acs_override', params: { functions: ['downstream'] }, accept: { ACS_OVERRIDE: 'one trusted user' } },
  { targets: ['file /etc/default/grub'] },
)

const policies = [...Array(16).keys()].map((cpu) => `/sys/devices/system/cpu/cpufreq/policy${cpu}`)

test(
  testOnTree,
  { module: 'cpufreq_governor', params: { governor: 'performance' } },
  { targets: ['file /etc/default/grub', ...policies.map((policy) => `attribute ${policy}/scaling_governor`)] },
)

const activeMode = policies
  .map(
    (policy) => `file 0444 0:0 ${policy}/scaling_driver
|amd-pstate-epp
file 0444 0:0 ${policy}/scaling_available_governors
|performance powersave
file 0644 0:0 ${policy}/scaling_governor
|powersave
file 0444 0:0 ${policy}/energy_performance_available_preferences
|default performance balance_performance balance_power power
file 0644 0:0 ${policy}/energy_performance_preference
|balance_performance
`,
  )
  .join('')

const tuned = `file 0644 0:0 /usr/lib/systemd/system/tuned.service
|[Service]
|ExecStart=/usr/sbin/tuned
|
|[Install]
|WantedBy=multi-user.target
link 0:0 /etc/systemd/system/multi-user.target.wants/tuned.service -> /usr/lib/systemd/system/tuned.service
`

test(
  testOnTree,
  {
    module: 'cpufreq_governor',
    params: { governor: 'powersave', energy_performance_preference: 'power' },
    accept: { OWNER_ACTIVE: 'it does nothing else here' },
  },
  {
    tree: activeMode + tuned,
    targets: [
      'unit tuned.service',
      'file /etc/systemd/system/passway-cpufreq.service',
      ...policies.map((policy) => `attribute ${policy}/energy_performance_preference`),
      'unit passway-cpufreq.service',
    ],
  },
)

test(
  testOnTree,
  { module: 'hugepages', params: { pages: [{ size: '2M', count: 512, node: 0 }], at: 'runtime' } },
  {
    tree: '\n',
    targets: [
      'file /etc/tmpfiles.d/passway-hugepages.conf',
      'attribute /sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages',
    ],
  },
)
test(
  testOnTree,
  { module: 'driver_override', params: { devices: ['0000:2d:00.2'] } },
  {
    targets: [
      'directory /etc/udev',
      'directory /etc/udev/rules.d',
      'file /etc/initramfs-tools/modules',
      'file /etc/udev/rules.d/10-passway.rules',
    ],
  },
)
test(
  testOnTree,
  { module: 'passthrough', params: { devices: ['0000:2b:00.0'] } },
  { targets: ['file /etc/initramfs-tools/modules', 'file /etc/modprobe.d/passway.conf'] },
)
