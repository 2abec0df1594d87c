import test from 'ava'
import type { ExecutionContext } from 'ava'
import type { Claim, DeviceIdentity } from '../../src/core/claim.ts'
import type { PciFunction } from '../../src/core/snapshot.ts'
import { formatDriverRules } from '../../src/boot/driver-rules.ts'
import { audio, driverOf, lab, necUsb, nextBootOf, qemuUsb, spareNic } from './lab-machine.ts'
import type { Lab } from './lab-machine.ts'
import { afterPlan, arg, early, hugepages, ids, planOf, softdep } from './plan-of.ts'
import { grubConfiguration, release } from './snapshots.ts'

const pool = (sizeKb: number) => ({ sizeKb, total: 0, free: 0, perNode: new Map<number, number>() })
const pools = { hugepages: [pool(2048), pool(1_048_576)] }
const node = (number: number) => ({ node: number, cpus: '', totalKb: 8_000_000 })
const twoNodes = { ...pools, numa: [node(0), node(1)] }

function codesOf(given: Lab): readonly string[] {
  return nextBootOf(lab(given)).uncertain.map(({ code, what }) => `${code} ${what}`)
}

test('huge pages: sizes and counts', (t) => {
  const given = { args: 'default_hugepagesz=1G hugepages=2 hugepagesz=2M hugepages=64', more: pools }
  t.deepEqual(nextBootOf(lab(given)).hugepages, { '1G': { total: 2 }, '2M': { total: 64 } })
  t.deepEqual(codesOf(given), [])
})

test('huge pages: a count before its size counts for the default, a later pair for it not', (t) => {
  const given = { args: 'hugepages=16 hugepagesz=2M hugepages=64', more: pools }
  t.deepEqual(nextBootOf(lab(given)).hugepages, { '2M': { total: 16 } })
})

test('huge pages: the default size set now is not that of the machine', (t) => {
  const given = {
    args: 'hugepages=16',
    liveArgs: 'default_hugepagesz=1G',
    more: { ...pools, defaultHugepageKb: 1_048_576 },
  }
  t.deepEqual(nextBootOf(lab(given)).hugepages, { '2M': { total: 16 } })
})

test('huge pages: by node', (t) => {
  const given = { args: 'hugepagesz=2M hugepages=0:1,1:2', more: twoNodes }
  t.deepEqual(nextBootOf(lab(given)).hugepages, { '2M': { total: 3, nodes: { 0: 1, 1: 2 } } })
  t.deepEqual(codesOf(given), [])
})

test('huge pages: dealt out to nodes when that is not said', (t) => {
  const given = { args: 'hugepages=5', more: twoNodes }
  t.deepEqual(nextBootOf(lab(given)).hugepages, { '2M': { total: 5, nodes: { 0: 3, 1: 2 } } })
  t.deepEqual(codesOf(given), [
    'HUGEPAGES_SPLIT huge pages of 2M on node 0',
    'HUGEPAGES_SPLIT huge pages of 2M on node 1',
  ])
})

test('huge pages: of a size that this kernel has not', (t) => {
  t.deepEqual(codesOf({ args: 'hugepagesz=1G hugepages=2', more: { hugepages: [pool(2048)] } }), [
    'HUGEPAGES_SIZE huge pages of 1G',
  ])
})

test('huge pages: more than there is memory', (t) => {
  t.deepEqual(codesOf({ args: 'hugepagesz=1G hugepages=15', more: pools }), ['HUGEPAGES_MEMORY huge pages of 1G'])
})

const grouped = 16

function testGroups(t: ExecutionContext, given: Lab, count: number, uncertain: boolean) {
  const next = nextBootOf(lab(given))
  t.is(Object.keys(next.groups).length, count)
  t.is(
    next.uncertain.some(({ code }) => code === 'GROUPS_MAY_CHANGE'),
    uncertain,
  )
}

test('groups stay', testGroups, {}, grouped, false)
test(
  'groups: iommu=pt and on change nothing',
  testGroups,
  { args: 'intel_iommu=on iommu=pt', liveArgs: '' },
  grouped,
  false,
)
test('groups: off takes them away', testGroups, { args: 'intel_iommu=off', liveArgs: '' }, 0, false)
test('groups: igfx_off', testGroups, { args: 'intel_iommu=on,igfx_off', liveArgs: '' }, 0, true)
test(
  'groups: another kernel',
  testGroups,
  { more: { kernelRelease: '5.10.0-1-amd64' }, kernel: { running: false } },
  0,
  true,
)
const notByDefault = {
  config: new Map([
    ['CONFIG_INTEL_IOMMU', 'y'],
    ['CONFIG_INTEL_IOMMU_DEFAULT_ON', 'n'],
  ]),
}
const takenAway = { args: '', liveArgs: 'intel_iommu=on' }
test('groups: on is taken away', testGroups, { ...takenAway, kernel: notByDefault }, 0, false)
test('groups: on is taken away, and the default is not known', testGroups, takenAway, 0, true)

test('a task that takes the IOMMU away from what records gave to guests', (t) => {
  const host = lab({ args: 'intel_iommu=on', kernel: notByDefault })
  const owned = afterPlan(host, planOf(host, [[...ids('1b36:000d'), softdep('xhci_pci')]]))
  const absent = planOf(owned, [[arg('intel_iommu=on', { want: 'absent', member: true })]])
  t.deepEqual(
    absent.tasks.flatMap(({ diagnostics }) => diagnostics.map(({ code, severity }) => `${severity} ${code}`)),
    ['error IOMMU_OFF'],
  )
  const files = new Map([
    ...owned.files,
    ...lab({ args: '' }).files,
    ['/etc/modprobe.d/passway.conf', owned.files.get('/etc/modprobe.d/passway.conf') ?? { type: 'absent' as const }],
  ] as const)
  const { diagnostics } = planOf({ ...owned, files }, [])
  t.deepEqual(
    diagnostics.map(({ code, severity }) => `${severity} ${code}`),
    ['warning IOMMU_OFF'],
  )
})

const acs = { args: 'pcie_acs_override=downstream', liveArgs: '' }
test('groups: an ACS argument', testGroups, acs, 0, true)
test(
  'groups: an ACS argument on a kernel without the patch',
  testGroups,
  { ...acs, more: { kallsyms: [] } },
  grouped,
  false,
)
test(
  'groups: the kernel said that it does not know the argument',
  testGroups,
  {
    args: '',
    liveArgs: 'pcie_acs_override=downstream',
    more: {
      kernelLog: [
        'Unknown kernel command line parameters "pcie_acs_override=downstream", will be passed to user space.',
      ],
    },
  },
  grouped,
  false,
)
test('groups: config_acs', testGroups, { args: 'pci=config_acs=0@pci:0:0', liveArgs: '' }, 0, true)

const vfio = '/etc/modprobe.d/vfio.conf'
const oneUsb = 'options vfio-pci ids=1b36:000d\nsoftdep xhci_pci pre: vfio-pci\n'

test('the recovery entry: its own arguments, the same drivers', (t) => {
  const title = `gnulinux-advanced-1111>gnulinux-${release}-recovery-1111`
  const host = lab({
    files: {
      [vfio]: oneUsb,
      '/etc/default/grub': `GRUB_DEFAULT="${title}"\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX="console=ttyS0"\n`,
      '/boot/grub/grub.cfg': grubConfiguration('console=ttyS0 quiet', 'console=ttyS0'),
    },
  })
  const next = nextBootOf(host)
  t.is(next.entry.id, `gnulinux-${release}-recovery-1111`)
  t.is(next.kernelCommandLine, `BOOT_IMAGE=/boot/vmlinuz-${release} root=UUID=1111 ro single console=ttyS0`)
  t.is(driverOf(host, qemuUsb).next, 'vfio-pci')
})

test('an entry chosen once: its own arguments, also where the menu is generated again', (t) => {
  const grubenv = `# GRUB Environment Block\nnext_entry=gnulinux-advanced-1111>gnulinux-${release}-recovery-1111\n${'#'.repeat(60)}`
  const host = lab({
    files: { '/boot/grub/grub.cfg': grubConfiguration('quiet', ''), '/boot/grub/grubenv': grubenv },
  })
  const { nextBoot } = planOf(host, [[arg('iommu=pt'), arg('panic=10', { entries: 'all' })]])
  t.is(nextBoot?.kernelCommandLine, `BOOT_IMAGE=/boot/vmlinuz-${release} root=UUID=1111 ro single panic=10`)
  t.true(nextBoot?.uncertain.some(({ code }) => code === 'BOOT_ONCE'))
})

test('another init, an emergency shell: said', (t) => {
  for (const args of ['init=/bin/sh', 'emergency', 'break=mount', 'systemd.unit=emergency.target']) {
    t.deepEqual(codesOf({ args }), [`INIT_OTHER ${args}`])
  }
  t.deepEqual(codesOf({ args: 'init=/lib/systemd/systemd' }), [])
})

test('modules: as lists name them, those that are loaded in the end', (t) => {
  const next = nextBootOf(
    lab({
      files: {
        '/etc/initramfs-tools/modules': 'vfio-pci\nvfio_iommu_type1\nno_such_module\n',
        '/etc/modules': 'kvm\n',
        '/etc/modules-load.d/a.conf': 'vhost_net\nvfio_pci ids=1:2\n',
        '/run/modules-load.d/a.conf': 'nvme\n',
        [vfio]: 'blacklist kvm\n',
      },
      args: 'modules-load=pci_stub',
    }),
  )
  t.deepEqual(next.modules, { image: ['vfio_pci', 'vfio_iommu_type1'], boot: ['pci_stub', 'vhost_net'] })
})

/** The sound function in a group of its own: half a group would be refused. */
function apart(functions: readonly PciFunction[]): readonly PciFunction[] {
  return functions.map((each) => (each.address === audio ? { ...each, iommuGroup: 20 } : each))
}

test('a plan that rebuilds images: what the listing held, and what the plan adds', (t) => {
  const claims: readonly Claim[] = [...ids('1b36:000d'), softdep('xhci_pci')]
  const { nextBoot } = planOf(lab({}), [claims])
  t.like(nextBoot?.drivers[qemuUsb], { now: 'xhci_hcd', next: 'vfio-pci', certain: true })
  t.like(nextBoot?.drivers[necUsb], { next: 'xhci_hcd', certain: true })
  const early1 = planOf(lab({}), [[...ids('1b36:000d'), ...early('vfio_pci')]]).nextBoot
  t.like(early1?.drivers[qemuUsb], { next: 'xhci_hcd', certain: true })
  const early2 = planOf(lab({ change: apart }), [[...ids('8086:2668'), ...early('vfio_pci')]]).nextBoot
  t.like(early2?.drivers[audio], { next: 'vfio-pci', certain: true })
})

test('a plan that rebuilds images that were never listed', (t) => {
  const { nextBoot } = planOf(lab({ image: 'none', change: apart }), [[...ids('8086:2668'), ...early('vfio_pci')]])
  t.like(nextBoot?.drivers[audio], { certain: false })
  t.true(nextBoot?.uncertain.some(({ code, why }) => code === 'IMAGE_NOT_LISTED' && why.includes('MODULES=list')))
})

test('huge pages and arguments of a plan', (t) => {
  const { nextBoot } = planOf(lab({ more: pools }), [[hugepages('hugepages=8'), arg('iommu=pt')]])
  t.deepEqual(nextBoot?.hugepages, { '2M': { total: 8 } })
  t.is(Object.keys(nextBoot?.groups ?? {}).length, grouped)
})

test('the rules that passway writes are read as they work', (t) => {
  const device: DeviceIdentity = {
    address: spareNic,
    id: '8086:10d3',
    subsystem: '8086:0000',
    serial: null,
    slotPath: '',
  }
  const claim = { want: 'present', of: 'driver', device, driver: 'vfio-pci', live: false } as const
  const files = {
    '/etc/udev/rules.d/10-passway.rules': formatDriverRules([claim]) ?? '',
    '/etc/initramfs-tools/modules': 'vfio_pci\n',
  }
  t.like(driverOf(lab({ files }), spareNic), { next: 'vfio-pci', certain: true })
})

test('a copy in the image that is not the file of today', (t) => {
  const host = lab({ files: { [vfio]: oneUsb } })
  const [listing] = host.images
  if (listing === undefined) throw new Error('no listing')
  const images = [{ ...listing, configuration: new Map([['etc/modprobe.d/vfio.conf', 'another']]) }]
  const next = nextBootOf({ ...host, images })
  t.like(next.drivers[qemuUsb], { certain: false })
  t.like(next.drivers[necUsb], { next: 'xhci_hcd', certain: true })
  t.true(next.uncertain.some(({ code }) => code === 'IMAGE_OUTDATED'))
})

test('an installed kernel that is not known', (t) => {
  const host = lab({})
  const next = nextBootOf({ ...host, kernels: [] })
  t.true(Object.values(next.drivers).every(({ certain, now, next: then }) => !certain && now === then))
  t.true(next.uncertain.some(({ code }) => code === 'KERNEL_UNKNOWN'))
})
