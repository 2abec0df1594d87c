import test from 'ava'
import type { Claim } from '../../src/core/claim.ts'
import type { HostPlan } from '../../src/core/plan.ts'
import type { Snapshot } from '../../src/core/snapshot.ts'
import { afterPlan, arg, codesOf, contentAfter, early, hugepages, planOf } from './plan-of.ts'
import type { TestTask } from './plan-of.ts'
import { kernel, release } from './snapshots.ts'
import { entryPath, entryText, initrdWord, systemdBootHost, token } from './systemd-boot-host.ts'

const path = '/etc/kernel/cmdline'
const machineId = '0123456789abcdef0123456789abcdef'
const absent = { type: 'absent' } as const
const prefix = `${initrdWord} `

type Case = readonly [
  title: string,
  host: Snapshot,
  tasks: readonly TestTask[],
  after: string | undefined,
  line: string,
]

const atHand: Claim = { want: 'present', of: 'file', target: '/etc/a', content: '1', mode: 0o644 }
const none = { module: 'vfio_ids' }
const cases: readonly Case[] = [
  [
    'an argument',
    systemdBootHost(),
    [{ claims: [arg('iommu=pt')] }],
    'root=UUID=1111 ro quiet iommu=pt\n',
    'root=UUID=1111 ro quiet iommu=pt',
  ],
  [
    'for all entries: there is one list',
    systemdBootHost(),
    [{ claims: [arg('iommu=pt', { entries: 'all' }), arg('b')] }],
    'root=UUID=1111 ro quiet iommu=pt b\n',
    'root=UUID=1111 ro quiet iommu=pt b',
  ],
  [
    'another value',
    systemdBootHost({ options: 'ro iommu=on  quiet' }),
    [{ claims: [arg('iommu=pt')] }],
    'ro iommu=pt  quiet\n',
    'ro iommu=pt quiet',
  ],
  [
    'one that goes',
    systemdBootHost(),
    [{ claims: [arg('quiet', { want: 'absent' })] }],
    'root=UUID=1111 ro\n',
    'root=UUID=1111 ro',
  ],
  [
    'a member',
    systemdBootHost({ options: 'ro iommu=on' }),
    [{ claims: [arg('iommu=pt', { member: true })] }],
    'ro iommu=on,pt\n',
    'ro iommu=on,pt',
  ],
  [
    'a sequence',
    systemdBootHost({ options: 'ro' }),
    [{ claims: [hugepages('hugepagesz=1G hugepages=4')] }],
    'ro hugepagesz=1G hugepages=4\n',
    'ro hugepagesz=1G hugepages=4',
  ],
  [
    'several lines',
    systemdBootHost({ cmdline: 'root=UUID=1111\nro quiet\n' }),
    [{ claims: [arg('iommu=pt')] }],
    'root=UUID=1111\nro quiet iommu=pt\n',
    'root=UUID=1111 ro quiet iommu=pt',
  ],
  [
    'before what init gets',
    systemdBootHost({ options: 'ro -- single' }),
    [{ claims: [arg('iommu=pt')] }],
    'ro iommu=pt -- single\n',
    'ro iommu=pt -- single',
  ],
  [
    'nothing to do',
    systemdBootHost({ options: 'ro iommu=pt' }),
    [{ claims: [arg('iommu=pt')] }],
    undefined,
    'ro iommu=pt',
  ],
  [
    'no file: the line of the entry becomes one',
    systemdBootHost({ cmdline: null }),
    [{ claims: [arg('iommu=pt')] }],
    'root=UUID=1111 ro quiet iommu=pt\n',
    'root=UUID=1111 ro quiet iommu=pt',
  ],
  [
    'no file, and what a package brings',
    systemdBootHost({ cmdline: null, options: 'ro', files: { '/usr/lib/kernel/cmdline': 'ro splash' } }),
    [{ claims: [arg('iommu=pt')] }],
    'ro splash iommu=pt\n',
    'ro splash iommu=pt',
  ],
]

for (const [title, host, tasks, after, line] of cases) {
  test(title, (t) => {
    const plan = planOf(host, tasks)
    t.deepEqual(codesOf(plan), [])
    t.is(contentAfter(plan, path), after)
    t.deepEqual(plan.regenerate, after === undefined ? [] : ['esp'])
    t.is(plan.nextBoot?.kernelCommandLine, prefix + line)
    t.is(plan.reboot, after === undefined ? 'none' : 'needed')
    if (after === undefined) return
    t.deepEqual(plan.expectation?.entries, { root: '/efi', token })
    t.is(plan.expectation?.normalArguments.join(' '), line)
    const again = planOf(rebuilt(host, plan), tasks)
    t.deepEqual([again.changes, again.regenerate, again.nextBoot?.kernelCommandLine], [[], [], prefix + line])
  })
}

/** The host after the plan and after kernel-install. */
function rebuilt(host: Snapshot, plan: HostPlan): Snapshot {
  const after = afterPlan(host, plan)
  const line = (plan.nextBoot?.kernelCommandLine ?? '').slice(prefix.length)
  const { content } = systemdBootHost({ options: line }).files.get(entryPath()) as { content: string }
  const state = host.files.get(entryPath())
  if (state?.type !== 'file') throw new Error('no entry')
  return {
    ...after,
    files: new Map([...after.files, [entryPath(), { ...state, content }]]),
    commandLine: prefix + line,
  }
}

test('entries named after the machine get its id behind all else', (t) => {
  const entry = entryText(`ro systemd.machine_id=${machineId}`, release, machineId)
  const files = { '/etc/kernel/entry-token': absent, [entryPath()]: absent, [entryPath(release, machineId)]: entry }
  const live = `ro systemd.machine_id=${machineId}`
  for (const cmdline of ['ro\n', null]) {
    const plan = planOf(systemdBootHost({ files, cmdline, live }), [[arg('iommu=pt')]])
    t.deepEqual(codesOf(plan), [])
    t.is(contentAfter(plan, path), 'ro iommu=pt\n')
    t.regex(plan.nextBoot?.kernelCommandLine ?? '', new RegExp(` ro iommu=pt systemd.machine_id=${machineId}$`))
    t.is(plan.expectation?.normalArguments.join(' '), 'ro iommu=pt')
  }
})

test('an entry that was written before the file is written again', (t) => {
  const host = systemdBootHost({ cmdline: 'ro iommu=pt\n', options: 'ro' })
  const plan = planOf(host, [[arg('iommu=pt')]])
  t.deepEqual(plan.changes, [])
  t.deepEqual(plan.regenerate, ['esp'])
  t.is(plan.nextBoot?.kernelCommandLine, `${prefix}ro iommu=pt`)
  t.deepEqual(
    plan.pending.map(({ what }) => what),
    ['kernel argument iommu'],
  )
})

test('every kernel has an entry', (t) => {
  const kernels = [kernel(), kernel({ release: '6.1.0-9-amd64' })]
  const stale = { [entryPath('6.1.0-9-amd64')]: entryText('ro', '6.1.0-9-amd64') }
  const plan = planOf(systemdBootHost({ kernels, options: 'ro iommu=pt', files: stale }), [[arg('iommu=pt')]])
  t.deepEqual(plan.regenerate, ['esp'])
})

test('new images are copied to the partition', (t) => {
  const plan = planOf(systemdBootHost(), [early('vfio_pci')])
  t.deepEqual(plan.regenerate, ['initramfs', 'esp'])
  t.deepEqual(plan.expectation?.normalArguments, ['root=UUID=1111', 'ro', 'quiet'])
  t.deepEqual(plan.expectation?.entries, { root: '/efi', token })
})

test('without a file the line is saved before images are built, for entries are written with them', (t) => {
  const plan = planOf(systemdBootHost({ cmdline: null }), [early('vfio_pci')])
  t.deepEqual(codesOf(plan), [])
  t.is(contentAfter(plan, path), 'root=UUID=1111 ro quiet\n')
  t.is(plan.nextBoot?.kernelCommandLine, `${prefix}root=UUID=1111 ro quiet`)
  t.deepEqual(codesOf(planOf(systemdBootHost({ cmdline: null, live: 'single' }), [early('vfio_pci')])), [
    'CMDLINE_UNSAVED',
  ])
  t.is(contentAfter(planOf(systemdBootHost({ cmdline: null }), [[atHand]]), path), undefined)
})

test('a tree without kernel-install is told what is left to do', (t) => {
  const host = systemdBootHost({ cmdline: 'ro iommu=pt\n', options: 'ro', more: { tree: true, tools: new Map() } })
  const plan = planOf(host, [[arg('iommu=pt')]])
  t.deepEqual(plan.regenerate, [])
  t.true(plan.pending.some(({ what }) => what === 'loader entries'))
})

const refusals: readonly [code: string, host: Snapshot, tasks: readonly TestTask[]][] = [
  ['ADOPT_NEEDED', systemdBootHost({ options: 'ro iommu=on' }), [{ ...none, claims: [arg('iommu=pt')] }]],
  ['CMDLINE_NOT_UNDERSTOOD', systemdBootHost({ cmdline: '# mine\nro\n' }), [{ claims: [arg('iommu=pt')] }]],
  ['CMDLINE_NOT_UNDERSTOOD', systemdBootHost({ cmdline: 'ro a=\\n\n' }), [{ claims: [arg('iommu=pt')] }]],
  ['CMDLINE_UNSAVED', systemdBootHost({ cmdline: null, live: 'ro single' }), [{ claims: [arg('iommu=pt')] }]],
  ['ARGUMENT_UNWRITABLE', systemdBootHost(), [{ claims: [arg('a=b\\c')] }]],
  ['ARGUMENT_UNWRITABLE', systemdBootHost(), [{ claims: [arg('a=b  c')] }]],
  [
    'FILE_UNREADABLE',
    systemdBootHost({ files: { [path]: { type: 'unreadable', reason: '0600' } } }),
    [{ claims: [arg('a')] }],
  ],
]
for (const [index, [code, host, tasks]] of refusals.entries()) {
  test(`${code} ${index}`, (t) => {
    const plan = planOf(host, tasks)
    t.deepEqual(codesOf(plan), [code])
    t.deepEqual(plan.changes, [])
  })
}

test('a line that others run with is no matter where nothing is written', (t) => {
  const plan = planOf(systemdBootHost({ cmdline: null, options: 'ro quiet', live: 'ro quiet single' }), [
    [arg('quiet')],
  ])
  t.deepEqual(codesOf(plan), [])
  t.deepEqual(plan.changes, [])
})
