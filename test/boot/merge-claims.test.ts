import test from 'ava'
import * as fc from 'fast-check'
import type { Claim } from '../../src/core/claim.ts'
import { mergeClaims } from '../../src/boot/merge-claims.ts'
import { afterPlan, arg, atBoot, codesOf, early, hugepages, ids, planOf, softdep } from './plan-of.ts'
import { snapshot } from './snapshots.ts'

function merge(tasks: readonly (readonly Claim[])[], owned: readonly Claim[] = [], prune = false) {
  const claims = tasks.flatMap((list, task) => list.map((claim) => ({ claim, task, adopt: false })))
  return mergeClaims(claims, owned, { prune })
}

test('identical claims are one, with all tasks', (t) => {
  const { merged, diagnostics } = merge([[arg('iommu=pt')], [arg('iommu=pt')]])
  t.deepEqual(diagnostics, [])
  t.deepEqual(merged, [{ claim: arg('iommu=pt'), tasks: [0, 1], adopt: false }])
})

test('a dash in a name makes no second claim', (t) => {
  t.is(merge([early('vfio_pci'), early('vfio-pci')]).merged.length, 1)
})

const file = (content: string): Claim => ({ want: 'present', of: 'file', target: '/etc/x', content, mode: 0o644 })
const unit = (enabled: boolean, active: boolean | null): Claim => {
  return { want: 'present', of: 'unit', target: 'x.service', after: { enabled, active, masked: false } }
}
const attribute = (value: string): Claim => ({ want: 'present', of: 'attribute', target: '/sys/x', value })
const option = (value: string): Claim => {
  return { want: 'present', of: 'module-option', module: 'kvm', option: 'ignore_msrs', value, merge: 'one' }
}
const variable: Claim = { want: 'present', of: 'environment-variable', target: '/etc/x', name: 'A', value: '1' }

const conflicts: readonly (readonly [string, Claim, Claim])[] = [
  ['two values', arg('iommu=pt'), arg('iommu=off')],
  ['two values in different entries', arg('iommu=pt'), arg('iommu=off', { entries: 'all' })],
  ['present and absent', arg('quiet'), arg('quiet', { want: 'absent' })],
  ['present and absent by name', arg('iommu=pt'), arg('iommu', { want: 'absent' })],
  ['a member and its absence', arg('iommu=pt', { member: true }), arg('iommu=pt', { member: true, want: 'absent' })],
  ['a member that the whole value lacks', arg('intel_iommu=on'), arg('intel_iommu=sm_on', { member: true })],
  ['two sequences', hugepages('hugepages=1'), hugepages('hugepages=2')],
  ['an argument of a sequence', hugepages('hugepages=1'), arg('hugepages=2')],
  ['two values of an option', option('0'), option('1')],
  ['two contents', file('a'), file('b')],
  ['a file written whole and edited', file('a'), variable],
  ['two values of an attribute', attribute('1'), attribute('2')],
  ['two states of a unit', unit(true, null), unit(false, null)],
]

const pool = (node: number | null, count: number): Claim => {
  const directory = node === null ? '/sys/kernel/mm' : `/sys/devices/system/node/node${node}`
  const target = `${directory}/hugepages/hugepages-2048kB/nr_hugepages`
  return { want: 'present', of: 'attribute', target, value: String(count) }
}

test('one pool of huge pages, counted at boot and at run time, whole and by node', (t) => {
  const boot = (args: string) => hugepages(`default_hugepagesz=2M hugepagesz=2M ${args}`)
  const isConflict = (a: Claim, b: Claim) => merge([[a], [b]]).diagnostics.length > 0
  t.true(isConflict(pool(null, 3), pool(0, 3)))
  t.true(isConflict(boot('hugepages=3'), pool(null, 4)))
  t.true(isConflict(boot('hugepages=0:3'), pool(0, 4)))
  t.true(isConflict(boot('hugepages=3'), pool(0, 3)))
  t.false(isConflict(boot('hugepages=3'), pool(null, 3)))
  t.false(isConflict(boot('hugepages=0:3'), pool(0, 3)))
  t.false(isConflict(pool(0, 3), pool(1, 4)))
})

test('two values for many attributes are told once', (t) => {
  const governors = (value: string) =>
    ['0', '1', '2'].map((cpu): Claim => ({ want: 'present', of: 'attribute', target: `/sys/policy${cpu}`, value }))
  const { diagnostics } = merge([governors('performance'), governors('powersave')])
  t.is(diagnostics.length, 1)
  t.regex(diagnostics[0]?.diagnostic.message ?? '', /here and in 2 more places/)
})

test('arguments that rule each other out are told once, by what is wanted', (t) => {
  const member = (text: string, want: 'present' | 'absent') => arg(text, { member: true, want })
  const on = [member('intel_iommu=off', 'absent'), member('intel_iommu=on', 'present')]
  const off = [member('intel_iommu=on', 'absent'), member('intel_iommu=off', 'present')]
  const { diagnostics } = merge([on, off])
  t.deepEqual(
    diagnostics.map(({ diagnostic }) => diagnostic.message),
    ['kernel argument intel_iommu=on and kernel argument intel_iommu=off cannot both hold: each rules the other out'],
  )
  const consoles = ['console=tty0', 'console=ttyS0']
  const each = merge([consoles.map((text) => arg(text)), consoles.map((text) => arg(text, { want: 'absent' }))])
  t.is(each.diagnostics.length, 2)
})

for (const [title, a, b] of conflicts) {
  test(`conflict: ${title}`, (t) => {
    for (const pair of [[a], [b]].map((_, index, all) => (index === 0 ? all : all.toReversed()))) {
      const { diagnostics } = merge(pair)
      t.deepEqual(
        diagnostics.map(({ diagnostic, tasks }) => [diagnostic.code, tasks]),
        [['CLAIM_CONFLICT', [0, 1]]],
      )
    }
  })
}

const compatible: readonly (readonly [string, Claim, Claim])[] = [
  ['two consoles', arg('console=tty0'), arg('console=ttyS0')],
  ['two members', arg('intel_iommu=on', { member: true }), arg('intel_iommu=sm_on', { member: true })],
  ['a member that the whole value has', arg('intel_iommu=on,sm_on'), arg('intel_iommu=sm_on', { member: true })],
  ['another value absent', arg('iommu=pt'), arg('iommu=off', { want: 'absent' })],
  ['a unit whose running nobody asks for', unit(true, null), unit(true, true)],
  ['the same option of two modules', option('1'), { ...option('0'), module: 'kvm_intel' } as Claim],
]

for (const [title, a, b] of compatible) {
  test(`no conflict: ${title}`, (t) => t.deepEqual(merge([[a], [b]]).diagnostics, []))
}

test('a conflict is an error at both tasks, also when one already holds', (t) => {
  const host = snapshot({ files: { '/etc/default/grub': 'GRUB_CMDLINE_LINUX_DEFAULT="iommu=pt"\n' } })
  const tasks = [
    { claims: [arg('iommu=pt')], params: { present: ['iommu=pt'] } },
    { claims: [arg('iommu=off')], params: { present: ['quiet', 'iommu=off'] } },
  ]
  const plan = planOf(host, tasks)
  t.deepEqual(plan.changes, [])
  t.deepEqual(
    plan.tasks.map(({ diagnostics }) =>
      diagnostics.map(({ code, source, evidence }) => [code, source?.line, evidence]),
    ),
    [[['CLAIM_CONFLICT', 12, ['play.yaml:22: task 1']]], [['CLAIM_CONFLICT', 22, ['play.yaml:12: task 0']]]],
  )
})

test('orphans hold until they are pruned', (t) => {
  const { merged, orphans } = merge([[arg('iommu=pt')]], [arg('iommu=pt'), arg('quiet')])
  t.deepEqual(orphans, [arg('quiet')])
  t.deepEqual(merged.at(-1), { claim: arg('quiet'), tasks: [], adopt: false })
  const pruned = merge([[arg('iommu=pt')]], [arg('iommu=pt'), arg('quiet')], true)
  t.deepEqual(pruned.orphans, [arg('quiet')])
  t.like(pruned.merged.at(-1), { claim: { want: 'absent', name: 'quiet' }, pruned: true })
})

test('a claim that another value replaces is no orphan', (t) => {
  t.deepEqual(merge([[arg('iommu=pt')]], [arg('iommu=off')]).orphans, [])
  t.deepEqual(merge([[hugepages('hugepages=1')]], [hugepages('hugepages=2')]).orphans, [])
  t.deepEqual(merge([[arg('quiet', { want: 'absent' })]], [arg('quiet')]).orphans, [])
})

test('what was wanted absent leaves no orphan', (t) => {
  t.deepEqual(merge([], [arg('quiet', { want: 'absent' })]).orphans, [])
})

test('orphans on the host: kept, then pruned', (t) => {
  const host = snapshot()
  const after = afterPlan(host, planOf(host, [[arg('iommu=pt'), arg('nosplash')], early('vfio')]))
  const kept = planOf(after, [[arg('iommu=pt')]])
  t.deepEqual(kept.changes, [])
  t.deepEqual(kept.orphans, [...early('vfio'), arg('nosplash')])
  t.deepEqual(kept.claims.length, 3)
  const pruned = planOf(after, [[arg('iommu=pt')]], true)
  t.deepEqual(
    pruned.changes.map(({ target }) => target),
    ['/etc/default/grub', '/etc/initramfs-tools/modules'],
  )
  t.deepEqual(pruned.claims, [arg('iommu=pt')])
})

/** Tasks that do not contradict each other, whatever subset of them there is. */
const tasks: readonly (readonly Claim[])[] = [
  [arg('iommu=pt'), arg('intel_iommu=on', { member: true })],
  [arg('intel_iommu=sm_on', { member: true }), arg('nosplash', { entries: 'all' })],
  [arg('quiet', { want: 'absent' }), arg('console=tty0'), arg('console=ttyS0')],
  [arg('console=ttyS0'), arg('panic=10', { entries: 'all' })],
  [hugepages('default_hugepagesz=1G hugepagesz=1G hugepages=2')],
  early('vfio_pci', 'vfio', 'vfio_iommu_type1'),
  early('nvme', 'vfio_pci', 'vfio_iommu_type1'),
  early('ahci', 'dm_mod'),
  [...ids('10de:1c82', '10de:0fb9'), softdep('nouveau')],
  [...ids('1022:145f', '10de:0fb9'), softdep('xhci_pci')],
  atBoot('vfio', 'kvm'),
  atBoot('vfio-pci', 'kvm'),
  [file('a')],
  [{ want: 'present', of: 'attribute', target: '/sys/a', value: '1' }],
  [{ want: 'present', of: 'kernel-module', target: 'kvm' }],
]

test('the order of tasks does not change the plan', (t) => {
  const host = snapshot({ attributes: new Map([['/sys/a', '0']]) })
  const order = fc.shuffledSubarray(
    tasks.map((_, index) => index),
    { minLength: 2 },
  )
  fc.assert(
    fc.property(order, (shuffled) => {
      const sorted = shuffled.toSorted((a, b) => a - b)
      const one = describePlan(
        planOf(
          host,
          sorted.map((index) => tasks[index] ?? []),
        ),
        sorted,
      )
      const other = describePlan(
        planOf(
          host,
          shuffled.map((index) => tasks[index] ?? []),
        ),
        shuffled,
      )
      t.deepEqual(one, other)
    }),
    { numRuns: 60 },
  )
})

/** Everything but the numbers of the tasks, which are those of `order`. */
function describePlan(plan: ReturnType<typeof planOf>, order: readonly number[]) {
  const rename = (indexes: readonly number[]) => indexes.map((index) => order[index] ?? -1).toSorted((a, b) => a - b)
  return {
    codes: codesOf(plan),
    changes: plan.changes.map((change) => ({ ...change, tasks: rename(change.tasks) })),
    claims: plan.claims,
    regenerate: plan.regenerate,
    nextBoot: plan.nextBoot,
    expectation: plan.expectation,
  }
}

test('a settled host wants no change', (t) => {
  const host = snapshot({ attributes: new Map([['/sys/a', '0']]) })
  fc.assert(
    fc.property(fc.shuffledSubarray([...tasks]), (chosen) => {
      const plan = planOf(host, chosen)
      t.deepEqual(codesOf(plan), [])
      t.deepEqual(planOf(afterPlan(host, plan), chosen).changes, [])
    }),
    { numRuns: 60 },
  )
})

test('the order of one task holds in all lists', (t) => {
  const plan = planOf(snapshot(), [tasks[5] ?? [], tasks[6] ?? []])
  const content = JSON.stringify(plan.changes[0]?.after)
  t.true(content.includes(String.raw`nvme\nvfio_pci\nvfio\nvfio_iommu_type1\n`), content)
})

test('a pruned unit of our own is disabled before its file goes', (t) => {
  const target = '/etc/systemd/system/x.service'
  const claims: readonly Claim[] = [
    { want: 'present', of: 'file', target, content: '# passway', mode: 0o644 },
    unit(true, null),
  ]
  const host = afterPlan(snapshot(), planOf(snapshot(), [claims]))
  const plan = planOf(host, [], true)
  t.deepEqual(
    plan.changes.map(({ kind, target, before, after }) => [kind, target, before !== null, after !== null]),
    [
      ['unit', 'x.service', true, true],
      ['file', target, true, false],
    ],
  )
  t.deepEqual(plan.regenerate, ['units'])
  t.deepEqual(planOf(afterPlan(host, plan), [], true).changes, [])
})

test('a host with many policies is planned fast', (t) => {
  const attributes = Array.from({ length: 600 }, (_, index) => `/sys/policy${index}/scaling_governor`)
  const claims = attributes.map((target): Claim => ({ want: 'present', of: 'attribute', target, value: 'performance' }))
  const host = snapshot({ attributes: new Map(attributes.map((path) => [path, 'powersave'])) })
  const start = performance.now()
  t.is(planOf(host, [claims]).changes.length, 600)
  t.true(performance.now() - start < 5000)
})
