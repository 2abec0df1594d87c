import test from 'ava'
import type { ExecutionContext } from 'ava'
import type { Claim } from '../../src/core/claim.ts'
import type { DriverPrediction } from '../../src/core/plan.ts'
import type { InstalledKernel, ModuleAvailability, PciFunction } from '../../src/core/snapshot.ts'
import { hashBytes } from '../../src/boot/check-images.ts'
import { afterPlan, arg, atBoot, codesOf, contentAfter, early, hugepages, ids, planOf, softdep } from './plan-of.ts'
import { grubConfiguration, kernel, pciFunction, release, snapshot } from './snapshots.ts'

const gpu = pciFunction({
  address: '0000:01:00.0',
  class: '030000',
  vendor: '10de',
  device: '1c82',
  modalias: 'pci:v000010DEd00001C82sv00001043sd000085D7bc03sc00i00',
  driver: 'nouveau',
  iommuGroup: 7,
})
const nouveau = { pattern: 'pci:v000010DEd*sv*sd*bc03sc00i00*', module: 'nouveau', builtin: false }

type Machine = {
  readonly vfio?: ModuleAvailability
  readonly aliases?: InstalledKernel['pciAliases']
  readonly gpu?: Partial<PciFunction>
}

function machine({ vfio = 'loadable', aliases = [nouveau], gpu: more = {} }: Machine = {}) {
  const modules = new Map<string, ModuleAvailability>([
    ['vfio_pci', vfio],
    ['kvm', 'loadable'],
  ])
  return snapshot({ pci: [{ ...gpu, ...more }], kernels: [kernel({ modules, pciAliases: aliases })] })
}

function predict(claims: readonly Claim[], given: Machine = {}): DriverPrediction | undefined {
  return planOf(machine(given), [{ module: 'vfio_ids', claims }]).nextBoot?.drivers[gpu.address]
}

function testDriver(
  t: ExecutionContext,
  claims: readonly Claim[],
  given: Machine,
  next: string | null,
  certain: boolean,
) {
  const prediction = predict(claims, given)
  t.like(prediction, { now: given.gpu?.driver === undefined ? 'nouveau' : given.gpu.driver, next, certain })
}

const id = ids('10de:1c82')
const builtin = [{ ...nouveau, builtin: true }]
const onLine = [arg('vfio-pci.ids=10de:1c82', { member: true })]

test('a softdep makes vfio-pci first', testDriver, [...id, softdep('nouveau')], {}, 'vfio-pci', true)
test('without one the own driver is', testDriver, id, {}, 'nouveau', true)
test('loaded early, without a softdep', testDriver, [...id, ...early('vfio_pci')], {}, 'nouveau', false)
test('a driver that is built in', testDriver, [...id, softdep('nouveau')], { aliases: builtin }, 'nouveau', true)
test('vfio-pci built in', testDriver, onLine, { vfio: 'builtin' }, 'vfio-pci', true)
const free: Machine = { aliases: [], gpu: { driver: null } }
const ungrouped: Machine = { gpu: { iommuGroup: null } }
const turnedOn = [...id, softdep('nouveau'), arg('intel_iommu=on', { member: true })]
test('no other driver, nothing that loads vfio-pci', testDriver, id, free, null, true)
test('no other driver, loaded at boot', testDriver, [...id, ...atBoot('vfio_pci')], free, 'vfio-pci', true)
test('no IOMMU group', testDriver, [...id, softdep('nouveau')], ungrouped, 'nouveau', true)
test('no IOMMU group, and the IOMMU is turned on', testDriver, turnedOn, ungrouped, 'vfio-pci', false)

test('functions that nothing concerns keep their drivers', (t) => {
  const other = pciFunction({ address: '0000:02:00.0', driver: 'e1000e' })
  const host = { ...machine(), pci: [...machine().pci, other] }
  t.like(planOf(host, [id]).nextBoot?.drivers[other.address], { now: 'e1000e', next: 'e1000e', certain: true })
})

test('pruned ids give the function back', (t) => {
  const host = machine({ gpu: { driver: 'vfio-pci' } })
  const claims = [...id, softdep('nouveau')]
  const owned = afterPlan(host, planOf(host, [claims]))
  const plan = planOf(owned, [], true)
  t.like(plan.nextBoot?.drivers[gpu.address], { now: 'vfio-pci', next: 'nouveau', certain: true })
})

test('command line, modules, huge pages, groups', (t) => {
  const claims = [
    arg('iommu=pt'),
    hugepages('default_hugepagesz=1G hugepagesz=1G hugepages=0:1,1:2 hugepagesz=2M hugepages=512'),
    ...early('vfio_pci', 'unheard'),
    ...atBoot('kvm'),
    ...id,
    softdep('nouveau'),
  ]
  const { nextBoot, expectation } = planOf(machine(), [claims])
  const args = 'quiet default_hugepagesz=1G hugepagesz=1G hugepages=0:1,1:2 hugepagesz=2M hugepages=512 iommu=pt'.split(
    ' ',
  )
  t.deepEqual(
    nextBoot?.kernelCommandLine.split(' ').toSorted(),
    [`BOOT_IMAGE=/boot/vmlinuz-${release}`, ...args, 'ro', 'root=UUID=1111'].toSorted(),
  )
  t.true(nextBoot?.kernelCommandLine.startsWith(`BOOT_IMAGE=/boot/vmlinuz-${release} root=UUID=1111 ro quiet `))
  t.deepEqual(nextBoot?.entry, { id: 'gnulinux-simple-1111', kernel: release })
  t.deepEqual(nextBoot?.modules, { image: ['vfio_pci'], boot: ['kvm'] })
  t.deepEqual(nextBoot?.hugepages, { '1G': { total: 3, nodes: { 0: 1, 1: 2 } }, '2M': { total: 512 } })
  t.deepEqual(nextBoot?.groups, { '0000:01:00.0': 7 })
  t.deepEqual(expectation?.normalArguments.toSorted(), args.toSorted())
  t.deepEqual(expectation?.recoveryArguments, [])
  t.deepEqual(expectation?.imageModules.toSorted(), ['unheard', 'vfio_pci'])
})

test('an argument for all entries is expected in recovery entries, one that goes in none', (t) => {
  const plan = planOf(snapshot(), [[arg('panic=10', { entries: 'all' }), arg('quiet', { want: 'absent' })]])
  t.like(plan.expectation, {
    normalArguments: ['panic=10'],
    recoveryArguments: ['panic=10'],
    absentArguments: ['quiet'],
  })
})

test('an argument with a blank is expected as GRUB hands it over', (t) => {
  const plan = planOf(snapshot(), [[arg('dyndbg=file drivers/x +p')]])
  t.deepEqual(plan.expectation?.normalArguments, ['quiet', '"dyndbg=file drivers/x +p"'])
  t.true(plan.nextBoot?.kernelCommandLine.endsWith('ro quiet "dyndbg=file drivers/x +p"'))
})

test('GRUB_DEFAULT=saved', (t) => {
  const grubenv = `# GRUB Environment Block\nsaved_entry=gnulinux-advanced-1111>gnulinux-${release}-advanced-1111\n${'#'.repeat(60)}`
  const host = snapshot({ files: { '/etc/default/grub': 'GRUB_DEFAULT=saved\n', '/boot/grub/grubenv': grubenv } })
  t.is(planOf(host, []).nextBoot?.entry.id, `gnulinux-${release}-advanced-1111`)
})

test('saved and live are two facts', (t) => {
  const claims = [arg('iommu=pt'), arg('quiet', { want: 'absent' }), hugepages('hugepagesz=2M hugepages=8')]
  const host = snapshot({
    files: {
      '/etc/default/grub': 'GRUB_CMDLINE_LINUX_DEFAULT="iommu=pt hugepagesz=2M hugepages=8"\n',
      '/boot/grub/grub.cfg': grubConfiguration('iommu=pt hugepagesz=2M hugepages=8'),
    },
  })
  const plan = planOf(host, [claims])
  t.deepEqual(plan.changes, [])
  t.deepEqual(plan.regenerate, [])
  t.is(plan.reboot, 'needed')
  t.deepEqual(plan.pending, [
    { what: 'kernel argument iommu', saved: 'iommu=pt', live: 'none' },
    { what: 'kernel argument quiet', saved: 'none', live: 'quiet' },
    { what: 'kernel arguments of hugepages', saved: 'hugepagesz=2M hugepages=8', live: 'none' },
  ])
  const booted = { ...host, commandLine: `root=UUID=1111 ro iommu=pt hugepagesz=2M hugepages=8` }
  t.deepEqual(planOf(booted, [claims]).pending, [])
  t.is(planOf(booted, [claims]).reboot, 'none')
})

test('what this plan saves is not pending yet', (t) => {
  t.deepEqual(planOf(snapshot(), [[arg('iommu=pt')]]).pending, [])
})

test('a driver that waits for the boot is pending', (t) => {
  const claims = [...id, softdep('nouveau')]
  const first = planOf(machine(), [claims])
  t.deepEqual(first.pending, [])
  const second = planOf(afterPlan(machine(), first), [claims])
  t.deepEqual(second.pending, [{ what: 'driver of 0000:01:00.0', saved: 'vfio-pci', live: 'nouveau' }])
})

test('a menu that was generated before is generated again without any change', (t) => {
  const host = snapshot({
    files: { '/etc/default/grub': 'GRUB_CMDLINE_LINUX_DEFAULT="quiet iommu=pt"\n' },
    commandLine: 'root=UUID=1111 ro quiet iommu=pt',
  })
  const plan = planOf(host, [[arg('iommu=pt')]])
  t.deepEqual(plan.changes, [])
  t.deepEqual(plan.regenerate, ['boot-loader'])
  t.is(plan.reboot, 'needed')
  t.deepEqual(plan.expectation?.normalArguments, ['quiet', 'iommu=pt'])
  t.true(plan.nextBoot?.kernelCommandLine.endsWith('ro quiet iommu=pt'))
})

const newer = '6.1.0-40-amd64'
const kernels = (...more: readonly string[]) => [kernel(), ...more.map((name) => kernel({ release: name }))]
const byId = `GRUB_DEFAULT="gnulinux-advanced-1111>gnulinux-${release}-advanced-1111"\n`
const unlisted = [
  ['a newer kernel that the menu lacks', { kernels: kernels(newer) }, ['BOOT_UNSUPPORTED']],
  ['an older one', { kernels: kernels('6.1.0-9-amd64', '5.10.0-33-amd64') }, []],
  ['one without an image', { kernels: [kernel(), kernel({ release: newer, image: null })] }, []],
  ['the default has its id', { kernels: kernels(newer), files: { '/etc/default/grub': byId } }, []],
  [
    'the default has an id that names no kernel',
    { kernels: kernels(newer), files: { '/etc/default/grub': 'GRUB_DEFAULT=gnulinux-simple-1111\n' } },
    ['BOOT_UNSUPPORTED'],
  ],
] as const

for (const [title, given, codes] of unlisted) {
  test(`a menu that is generated again: ${title}`, (t) => {
    const plan = planOf(snapshot(given), [[arg('iommu=pt')]])
    t.deepEqual(codesOf(plan), codes)
    t.deepEqual(plan.regenerate, codes.length === 0 ? ['boot-loader'] : [])
    t.deepEqual(codesOf(planOf(snapshot(given), [])), [])
  })
}

test('a menu that a tree cannot generate is pending, not a change in every plan', (t) => {
  const host = snapshot({
    tree: true,
    tools: new Map(),
    files: { '/etc/default/grub': 'GRUB_CMDLINE_LINUX_DEFAULT="quiet iommu=pt"\n' },
  })
  const plan = planOf(host, [[arg('iommu=pt')]])
  t.deepEqual(plan.regenerate, [])
  t.true(plan.pending.some(({ what }) => what === '/boot/grub/grub.cfg'))
  t.true(plan.nextBoot?.kernelCommandLine.endsWith('ro quiet iommu=pt'))
})

test('images: not listed, as wanted, out of date', (t) => {
  const claims = [...early('vfio_pci'), softdep('nouveau')]
  const first = planOf(machine(), [claims])
  const host = afterPlan(machine(), first)
  const unlisted = planOf(host, [claims])
  t.deepEqual(unlisted.regenerate, [])
  t.like(unlisted.nextBoot?.uncertain[0], { code: 'IMAGE_NOT_LISTED', what: `/boot/initrd.img-${release}` })
  const conf = contentAfter(first, '/etc/modprobe.d/passway.conf') ?? ''
  const listing = {
    path: `/boot/initrd.img-${release}`,
    inode: 12,
    size: 30_000_000,
    mtime: 1_700_000_000,
    modules: ['vfio_pci'],
    early: ['vfio_pci'],
    configuration: new Map([['etc/modprobe.d/passway.conf', hashBytes(conf)]]),
  }
  const good = planOf({ ...host, images: [listing] }, [claims])
  t.deepEqual(good.regenerate, [])
  t.deepEqual(good.nextBoot?.uncertain, [])
  for (const stale of [{ modules: [] }, { early: [] }, { configuration: new Map() }]) {
    t.deepEqual(planOf({ ...host, images: [{ ...listing, ...stale }] }, [claims]).regenerate, ['initramfs'])
  }
  t.deepEqual(planOf({ ...host, images: [{ ...listing, mtime: 1 }] }, [claims]).regenerate, [])
})

test('arguments that form groups leave them open', (t) => {
  const host = { ...machine(), commandLine: 'root=UUID=1111 ro quiet' }
  const { nextBoot } = planOf(host, [[arg('pcie_acs_override=downstream', { member: true })], id])
  t.deepEqual(nextBoot?.groups, {})
  t.true(nextBoot?.uncertain.some(({ code }) => code === 'GROUPS_MAY_CHANGE'))
})
