import test from 'ava'
import type { ExecutionContext } from 'ava'
import type { Claim } from '../../src/core/claim.ts'
import { afterPlan, arg, codesOf, contentAfter, hugepages, lineAfter, planOf } from './plan-of.ts'
import { grubConfiguration, snapshot } from './snapshots.ts'

const grub = '/etc/default/grub'

type Case = {
  readonly linux?: string
  readonly normal?: string
  readonly claims: readonly Claim[]
  readonly module?: string
  readonly adopt?: boolean
  /** Values after; left out: as before. */
  readonly linuxAfter?: string
  readonly normalAfter?: string
}

/** The quoted values after the plan, and a second plan that is empty. */
function testValues(t: ExecutionContext, given: Case) {
  const { linux = '', normal = 'quiet' } = given
  const before = `GRUB_CMDLINE_LINUX_DEFAULT="${normal}"\nGRUB_CMDLINE_LINUX="${linux}"\n`
  const host = snapshot({
    files: { [grub]: before, '/boot/grub/grub.cfg': grubConfiguration(`${linux} ${normal}`, linux) },
  })
  const task = { claims: given.claims, adopt: given.adopt ?? false, module: given.module ?? 'kernel_cmdline' }
  const plan = planOf(host, [task])
  t.deepEqual(codesOf(plan), [])
  const { linuxAfter = linux, normalAfter = normal } = given
  const after = `GRUB_CMDLINE_LINUX_DEFAULT="${normalAfter}"\nGRUB_CMDLINE_LINUX="${linuxAfter}"\n`
  t.is(contentAfter(plan, grub) ?? before, after)
  t.deepEqual(plan.regenerate, after === before ? [] : ['boot-loader'])
  const second = planOf(afterPlan(host, plan), [task])
  t.deepEqual(second.changes, [])
  t.deepEqual(second.tasks[0]?.changes, [])
}

const nbsp = '\u00A0'

test('a word that the kernel reads as two is not edited, and nothing is claimed to hold in it', (t) => {
  const before = `GRUB_CMDLINE_LINUX_DEFAULT="quiet intel_iommu=on${nbsp}iommu=pt"\n`
  const host = snapshot({ files: { [grub]: before } })
  for (const claim of [arg('iommu', { want: 'absent' }), arg('intel_iommu=on', { member: true })])
    t.deepEqual(codesOf(planOf(host, [[claim]])), ['ARGUMENTS_JOINED'])
  t.deepEqual(codesOf(planOf(host, [[arg('panic=10')]])), [])
})

test('what GRUB cannot hand over is refused at the argument', (t) => {
  const plan = planOf(snapshot(), [
    { claims: [arg('panic=10'), arg("x='a")], params: { present: ['panic=10', "x='a"] } },
  ])
  t.deepEqual(codesOf(plan), ['ARGUMENT_UNWRITABLE'])
  t.is(plan.tasks[0]?.diagnostics[0]?.source?.line, 12)
})

test('what a plan itself writes was not written by hand', (t) => {
  const tasks = ['1', '2'].map((count) => ({ claims: [hugepages(`hugepages=${count}`)], module: 'hugepages' }))
  t.deepEqual(codesOf(planOf(snapshot(), tasks)), ['CLAIM_CONFLICT', 'CLAIM_CONFLICT'])
})

test('appended in the order of the task', testValues, {
  claims: [arg('iommu=pt'), arg('intel_iommu=on')],
  normalAfter: 'quiet iommu=pt intel_iommu=on',
})
test('what holds is left alone', testValues, { normal: 'quiet iommu=pt', claims: [arg('iommu=pt')] })
test('what all entries have holds for normal ones', testValues, { linux: 'iommu=pt', claims: [arg('iommu=pt')] })
test('DEFAULT comes last and wins', testValues, {
  linux: 'iommu=pt',
  normal: 'iommu=soft',
  claims: [arg('iommu=pt')],
  normalAfter: 'iommu=pt',
})
test('another value gives way in place', testValues, {
  normal: 'iommu=soft quiet',
  claims: [arg('iommu=pt')],
  normalAfter: 'iommu=pt quiet',
})
test('a value that is only in LINUX gives way there', testValues, {
  linux: 'iommu=soft',
  claims: [arg('iommu=pt')],
  linuxAfter: 'iommu=pt',
})
test('for all entries', testValues, {
  claims: [arg('iommu=pt', { entries: 'all' })],
  linuxAfter: 'iommu=pt',
})
test('for all entries, moved from the normal ones', testValues, {
  normal: 'quiet iommu=pt',
  claims: [arg('iommu=pt', { entries: 'all' })],
  linuxAfter: 'iommu=pt',
  normalAfter: 'quiet',
})
test('for all entries, an override goes', testValues, {
  linux: 'iommu=pt',
  normal: 'quiet iommu=soft',
  claims: [arg('iommu=pt', { entries: 'all' })],
  normalAfter: 'quiet',
})
test('a dash equals an underscore in names', testValues, {
  normal: 'vfio_iommu_type1.allow-unsafe-interrupts=1',
  claims: [arg('vfio_iommu_type1.allow_unsafe_interrupts=1')],
})
test('a member is added to the list', testValues, {
  normal: 'intel_iommu=on',
  claims: [arg('intel_iommu=sm_on', { member: true })],
  normalAfter: 'intel_iommu=on,sm_on',
})
test('a member is never a substring', testValues, {
  normal: 'intel_iommu=sm_on',
  claims: [arg('intel_iommu=on', { member: true })],
  normalAfter: 'intel_iommu=sm_on,on',
})
test('a member that goes leaves the others', testValues, {
  normal: 'intel_iommu=on,sm_on',
  claims: [arg('intel_iommu=sm_on', { member: true, want: 'absent' })],
  normalAfter: 'intel_iommu=on',
})
test('the last member takes the argument along', testValues, {
  normal: 'quiet intel_iommu=off',
  claims: [arg('intel_iommu=off', { member: true, want: 'absent' }), arg('intel_iommu=on', { member: true })],
  normalAfter: 'quiet intel_iommu=on',
})
test('absent by name takes every value, wherever it stands', testValues, {
  linux: 'splash=a',
  normal: 'splash splash=b quiet',
  claims: [arg('splash', { want: 'absent' })],
  linuxAfter: '',
  normalAfter: 'quiet',
})
test('absent by value takes only that one', testValues, {
  normal: 'console=tty0 console=ttyS0',
  claims: [arg('console=tty0', { want: 'absent' })],
  normalAfter: 'console=ttyS0',
})
test('a console more', testValues, {
  normal: 'console=tty0',
  claims: [arg('console=ttyS0,115200')],
  normalAfter: 'console=tty0 console=ttyS0,115200',
})
test('consoles in the order of the task', testValues, {
  normal: 'console=ttyS0 quiet console=tty0',
  claims: [arg('console=tty0'), arg('console=ttyS0')],
  normalAfter: 'console=tty0 quiet console=ttyS0',
})
test('huge pages', testValues, {
  module: 'hugepages',
  claims: [hugepages('default_hugepagesz=1G hugepagesz=1G hugepages=16 hugepagesz=2M hugepages=512')],
  normalAfter: 'quiet default_hugepagesz=1G hugepagesz=1G hugepages=16 hugepagesz=2M hugepages=512',
})
test('huge pages that hold', testValues, {
  module: 'hugepages',
  normal: 'hugepagesz=1G quiet hugepages=4',
  claims: [hugepages('hugepagesz=1G hugepages=4')],
})
test('huge pages by hand, taken over in place', testValues, {
  module: 'hugepages',
  adopt: true,
  normal: 'hugepagesz=1G hugepages=4 hugepagesz=2M hugepages=512 quiet',
  claims: [hugepages('hugepagesz=1G hugepages=8 hugepagesz=2M hugepages=512')],
  normalAfter: 'hugepagesz=1G hugepages=8 hugepagesz=2M hugepages=512 quiet',
})
test('huge pages by hand, of another length', testValues, {
  module: 'hugepages',
  adopt: true,
  linux: 'hugepages=4',
  normal: 'hugepagesz=2M quiet',
  claims: [hugepages('hugepagesz=1G hugepages=8')],
  linuxAfter: '',
  normalAfter: 'quiet hugepagesz=1G hugepages=8',
})

test('quoted for GRUB', (t) => {
  const plan = planOf(snapshot(), [[arg('pci=config_acs=101@0:1.0;11@0:2.0')]])
  t.is(
    lineAfter(plan, grub, 'GRUB_CMDLINE_LINUX_DEFAULT'),
    `GRUB_CMDLINE_LINUX_DEFAULT="quiet 'pci=config_acs=101@0:1.0;11@0:2.0'"`,
  )
  t.is(plan.nextBoot?.kernelCommandLine.endsWith(' quiet pci=config_acs=101@0:1.0;11@0:2.0'), true)
})

test('a drop-in that overrides is where the edit goes', (t) => {
  const dropIn = '/etc/default/grub.d/50-cloudimg-settings.cfg'
  const host = snapshot({
    files: { [dropIn]: 'GRUB_TIMEOUT=0\nGRUB_CMDLINE_LINUX_DEFAULT="console=tty1 console=ttyS0"\n' },
  })
  const plan = planOf(host, [[arg('iommu=pt')]])
  t.is(contentAfter(plan, grub), undefined)
  t.is(contentAfter(plan, dropIn), 'GRUB_TIMEOUT=0\nGRUB_CMDLINE_LINUX_DEFAULT="console=tty1 console=ttyS0 iommu=pt"\n')
  t.deepEqual(planOf(afterPlan(host, plan), [[arg('iommu=pt')]]).changes, [])
})

test('a drop-in that appends: what stands in the main file is changed there', (t) => {
  const dropIn = '/etc/default/grub.d/kdump-tools.cfg'
  const host = snapshot({
    files: {
      [grub]: 'GRUB_CMDLINE_LINUX_DEFAULT="quiet iommu=soft"\n',
      [dropIn]: 'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT crashkernel=384M-:128M"\n',
    },
  })
  const plan = planOf(host, [[arg('iommu=pt')]])
  t.is(contentAfter(plan, grub), 'GRUB_CMDLINE_LINUX_DEFAULT="quiet iommu=pt"\n')
  t.is(contentAfter(plan, dropIn), undefined)
})

test('what cannot be understood is refused with its place', (t) => {
  const host = snapshot({ files: { [grub]: 'A=1\nGRUB_CMDLINE_LINUX_DEFAULT="$(cat /x) quiet"\n' } })
  const plan = planOf(host, [[arg('iommu=pt')]])
  t.deepEqual(codesOf(plan), ['SHELL_NOT_UNDERSTOOD'])
  t.regex(plan.tasks[0]?.diagnostics[0]?.evidence?.[0] ?? '', /^\/etc\/default\/grub:2: /)
  t.deepEqual(plan.changes, [])
})

test('a value by hand stays unless the task names the argument or adopts', (t) => {
  const host = snapshot({ files: { [grub]: 'GRUB_CMDLINE_LINUX_DEFAULT="cpufreq.default_governor=powersave"\n' } })
  const claims = [arg('cpufreq.default_governor=performance')]
  const refused = planOf(host, [{ module: 'cpufreq_governor', claims }])
  t.deepEqual(codesOf(refused), ['ADOPT_NEEDED'])
  t.regex(refused.tasks[0]?.diagnostics[0]?.evidence?.[0] ?? '', /^\/etc\/default\/grub:1: cpufreq/)
  t.deepEqual(refused.changes, [])
  t.deepEqual(codesOf(planOf(host, [{ module: 'cpufreq_governor', adopt: true, claims }])), [])
  t.deepEqual(codesOf(planOf(host, [{ module: 'kernel_cmdline', claims }])), [])
  const owned = { ...host, lastRecord: JSON.stringify({ claims: [arg('cpufreq.default_governor=powersave')] }) }
  t.deepEqual(codesOf(planOf(owned, [{ module: 'cpufreq_governor', claims }])), [])
})

test('huge pages by hand are refused without adopt', (t) => {
  const host = snapshot({ files: { [grub]: 'GRUB_CMDLINE_LINUX_DEFAULT="quiet hugepages=64"\n' } })
  const plan = planOf(host, [{ module: 'hugepages', claims: [hugepages('hugepagesz=2M hugepages=128')] }])
  t.deepEqual(codesOf(plan), ['ADOPT_NEEDED'])
})
