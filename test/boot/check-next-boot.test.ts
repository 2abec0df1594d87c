import test from 'ava'
import type { ExecutionContext } from 'ava'
import type { HostPlan } from '../../src/core/plan.ts'
import type { InstalledKernel, PciFunction, Snapshot } from '../../src/core/snapshot.ts'
import { findModule, planTasks } from '../modules/case-plan.ts'
import { arg, planOf } from './plan-of.ts'
import { blockDevice, grubConfiguration, kernel, pciFunction, snapshot } from './snapshots.ts'

type Task = { readonly params: unknown; readonly accept?: Readonly<Record<string, string>> }

/** `cmdline`, `initramfs`, … → the module, so that rows stay short. */
function task(module: string, params: unknown, accept: Readonly<Record<string, string>> = {}) {
  return { module, params, accept }
}

function cmdline(...present: readonly string[]) {
  return task('kernel_cmdline', { present })
}

function give(...devices: readonly string[]) {
  return task('driver_override', { devices })
}

function planOn(host: Snapshot, tasks: readonly (Task & { readonly module: string })[]): HostPlan {
  return planTasks(
    tasks.map(({ module, params, accept = {} }, index) => ({
      given: { module, title: `task ${index}`, params, accept, adopt: false, machine: '', host: {}, expect: none },
      params: findModule(module).params.parse(params),
    })),
    host,
  )
}

const none = { diagnostics: [] }

/** `error CODE 0,1`: with the tasks it is told to; `host`: to none. Notes left out. */
function tell({ tasks, diagnostics }: HostPlan): readonly string[] {
  const told = new Map<string, string[]>()
  const add = (key: string, whom: string) => told.set(key, [...(told.get(key) ?? []), whom])
  tasks.forEach((each, index) => {
    for (const { severity, code } of each.diagnostics) if (severity !== 'note') add(`${severity} ${code}`, `${index}`)
  })
  for (const { severity, code } of diagnostics) add(`${severity} ${code}`, 'host')
  return [...told].map(([key, whom]) => `${key} ${whom.join()}`)
}

function evidenceOf({ tasks, diagnostics }: HostPlan): readonly string[] {
  return [...tasks.flatMap((each) => each.diagnostics), ...diagnostics].flatMap(({ evidence = [] }) => evidence)
}

const aliases: InstalledKernel['pciAliases'] = [
  ['pci:v*d*sv*sd*bc01sc08i02*', 'nvme'],
  ['pci:v00008086d00001521sv*sd*bc*sc*i*', 'igb'],
  ['pci:v000010DEd*sv*sd*bc03sc*i*', 'nouveau'],
  ['pci:v00001002d*sv*sd*bc03sc*i*', 'amdgpu'],
  ['pci:v*d*sv*sd*bc04sc03i00*', 'snd_hda_intel'],
  ['pci:v00001A03d*sv*sd*bc03sc*i*', 'ast'],
].map(([pattern = '', module = '']) => ({ pattern, module, builtin: false }))

const natives = aliases.map(({ module }) => module)
const loadable = ['vfio', 'vfio_pci', 'vfio_iommu_type1', 'pci_stub', ...natives]
const made = kernel({ modules: new Map(loadable.map((name) => [name, 'loadable' as const])), pciAliases: aliases })

function endpoint(given: Partial<PciFunction> & { address: string; class: string; vendor: string; device: string }) {
  const { vendor, device, class: code } = given
  const upper = (text: string) => text.toUpperCase()
  const classes = `bc${upper(code.slice(0, 2))}sc${upper(code.slice(2, 4))}i${upper(code.slice(4))}`
  const modalias = `pci:v0000${upper(vendor)}d0000${upper(device)}sv00000000sd00000000${classes}`
  return pciFunction({ modalias, path: ['pci0000:00'], ...given })
}

const nvme = endpoint({
  address: '0000:04:00.0',
  class: '010802',
  vendor: '144d',
  device: 'a808',
  driver: 'nvme',
  iommuGroup: 30,
})
const nic = endpoint({
  address: '0000:05:00.0',
  class: '020000',
  vendor: '8086',
  device: '1521',
  driver: 'igb',
  iommuGroup: 20,
})
const geforce = endpoint({
  address: '0000:01:00.0',
  class: '030000',
  vendor: '10de',
  device: '1c82',
  driver: 'nouveau',
  iommuGroup: 16,
  bootVga: true,
})
const sound = endpoint({
  address: '0000:01:00.1',
  class: '040300',
  vendor: '10de',
  device: '0fb9',
  driver: 'snd_hda_intel',
  iommuGroup: 16,
})
const radeon = endpoint({
  address: '0000:02:00.0',
  class: '030000',
  vendor: '1002',
  device: '699f',
  driver: 'amdgpu',
  iommuGroup: 17,
  bootVga: false,
})
const tesla = endpoint({
  address: '0000:03:00.0',
  class: '030200',
  vendor: '10de',
  device: '1db4',
  driver: 'nouveau',
  iommuGroup: 18,
})

type Given = {
  readonly pci?: readonly PciFunction[]
  readonly args?: string
  readonly files?: Readonly<Record<string, string>>
  readonly more?: Partial<Snapshot>
}

/** A host whose root is on an NVMe disk and whose session comes over a NIC; its only console is a screen. */
function host({ pci = [geforce, sound, radeon], args = '', files = {}, more = {} }: Given = {}): Snapshot {
  const line = `quiet${args === '' ? '' : ` ${args}`}`
  const { files: _, ...rest } = more
  return snapshot({
    pci: [nvme, nic, ...pci],
    kernels: [made],
    loadedModules: new Set(natives),
    remappedChip: 'IR-PCI-MSI',
    iommus: ['dmar0'],
    consoles: ['tty0'],
    commandLine: `BOOT_IMAGE=/boot/vmlinuz root=UUID=1111 ro ${line}`,
    sshConnection: '10.0.0.9 5000 10.0.0.1 22',
    routes: [{ interface: 'eth0', destination: '0a000000', prefix: 24, gateway: false, metric: 0 }],
    network: [
      {
        name: 'eth0',
        path: '/devices/pci0000:00/0000:05:00.0/net/eth0',
        kind: 'physical',
        master: null,
        lowers: [],
        addresses: [],
        up: true,
      },
    ],
    blockDevices: [
      blockDevice({ name: 'nvme0n1', path: '/devices/pci0000:00/0000:04:00.0/nvme/nvme0/nvme0n1', number: '259:0' }),
    ],
    mounts: [{ source: '/dev/nvme0n1', target: '/', type: 'ext4', options: [], device: '259:0' }],
    files: {
      '/etc/default/grub': `GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT="${line}"\nGRUB_CMDLINE_LINUX=""\n`,
      '/boot/grub/grub.cfg': grubConfiguration(line),
      ...files,
    },
    ...rest,
  })
}

type Tasks = readonly (Task & { readonly module: string })[]

function judges(t: ExecutionContext, given: Given, tasks: Tasks, expected: readonly string[], evidence?: RegExp) {
  const plan = planOn(host(given), tasks)
  t.deepEqual(tell(plan), expected, JSON.stringify(plan.tasks, null, 1))
  if (expected.some((line) => line.startsWith('error '))) t.deepEqual(plan.changes, [])
  if (evidence !== undefined)
    t.true(
      evidenceOf(plan).some((line) => evidence.test(line)),
      evidenceOf(plan).join('\n'),
    )
}

// What the host lives on.
test(
  'the kernel refuses the driver of the root disk',
  judges,
  {},
  [cmdline('module_blacklist=nvme')],
  ['error HOST_DEPENDS 0'],
  /^next boot: 0000:04:00\.0 without a driver: .*module_blacklist/,
)
test(
  'modprobe does not load the driver of the root disk',
  judges,
  {},
  [cmdline('modprobe.blacklist=nvme')],
  ['error HOST_DEPENDS 0'],
  /^\/ ← nvme0n1 ← 0000:04:00\.0$/,
)
test(
  'modprobe does not load the driver of the NIC of this session',
  judges,
  {},
  [cmdline('modprobe.blacklist=igb')],
  ['error HOST_DEPENDS 0'],
  /^ssh from 10\.0\.0\.9/,
)
test(
  'nobody accepts that the root disk goes',
  judges,
  {},
  [task('kernel_cmdline', { present: ['modprobe.blacklist=nvme'] }, { HOST_DEPENDS: 'tested' })],
  ['error HOST_DEPENDS 0'],
)
test(
  'pci-stub with the id of the root disk: both tasks have a part in it',
  judges,
  {},
  [cmdline('pci-stub.ids=144d:a808'), task('initramfs', { modules: ['pci_stub'] })],
  ['error HOST_DEPENDS 0,1'],
  /pci-stub/,
)
test('pci-stub with that id, which nothing loads', judges, {}, [cmdline('pci-stub.ids=144d:a808')], [])
test(
  'a task that has no part in it is not told',
  judges,
  {},
  [cmdline('iommu=pt'), cmdline('modprobe.blacklist=igb')],
  ['error HOST_DEPENDS 1'],
)
test(
  'each of two tasks would do',
  judges,
  {},
  [cmdline('module_blacklist=nvme'), cmdline('modprobe.blacklist=nvme')],
  ['error HOST_DEPENDS 0,1'],
)
test('what the task says itself is not said again', judges, {}, [give('0000:04:00.0')], ['error HOST_DEPENDS 0'])
test(
  'the files lead there already, and nothing is planned',
  judges,
  { args: 'modprobe.blacklist=nvme' },
  [],
  ['warning HOST_DEPENDS host'],
  /^next boot: 0000:04:00\.0 without a driver/,
)
test(
  'the files lead there already, and the plan is about something else',
  judges,
  { args: 'modprobe.blacklist=nvme' },
  [cmdline('iommu=pt')],
  ['warning HOST_DEPENDS host'],
)
test(
  'the plan takes off what leads there',
  judges,
  { args: 'modprobe.blacklist=nvme' },
  [task('kernel_cmdline', { absent: ['modprobe.blacklist'] })],
  [],
)
test(
  'the files leave it open, and the plan does not touch that',
  judges,
  {
    files: {
      '/etc/modprobe.d/stub.conf': 'options pci-stub ids=144d:a808\n',
      '/etc/initramfs-tools/modules': 'pci_stub\n',
    },
  },
  [cmdline('iommu=pt')],
  [],
)
test(
  'a card that comes back from vfio-pci',
  judges,
  { pci: [geforce, sound, { ...radeon, driver: 'vfio-pci' }] },
  [],
  [],
)
test(
  'a keyboard may be done without',
  judges,
  {
    pci: [
      geforce,
      sound,
      radeon,
      endpoint({
        address: '0000:06:00.0',
        class: '020000',
        vendor: '8086',
        device: '1521',
        driver: 'igb',
        iommuGroup: 21,
      }),
    ],
    more: {
      sshConnection: null,
      inputs: [{ name: 'Logitech', path: '/devices/pci0000:00/0000:06:00.0/usb1/input/input3', isKeyboard: true }],
    },
  },
  [task('kernel_cmdline', { present: ['modprobe.blacklist=igb'] }, { HOST_DEPENDS: 'tested' })],
  ['warning HOST_DEPENDS 0'],
)

// What shows the host.
test(
  'two cards by two tasks',
  judges,
  {},
  [task('vfio_ids', { ids: ['10de:1c82', '10de:0fb9'] }), give('0000:02:00.0')],
  ['error BOOT_VGA_ONLY 0,1'],
)
test('one of two cards', judges, {}, [give('0000:01:00.0', '0000:01:00.1')], [])
test(
  'the second card is saved for guests and still with the host',
  judges,
  { files: { '/etc/modprobe.d/vfio.conf': 'options vfio-pci ids=1002:699f\nsoftdep amdgpu pre: vfio-pci\n' } },
  [give('0000:01:00.0', '0000:01:00.1')],
  ['error BOOT_VGA_ONLY 0'],
  /^next boot: 0000:02:00\.0 on vfio-pci/,
)
test(
  'only a 3D controller stays',
  judges,
  { pci: [geforce, sound, tesla] },
  [give('0000:01:00.0', '0000:01:00.1')],
  ['error BOOT_VGA_ONLY 0'],
)
const serial = {
  pci: [geforce, sound],
  args: 'console=tty0 console=ttyS0,115200',
  more: { consoles: ['tty0', 'ttyS0'] },
}
const noSerial = task('kernel_cmdline', { absent: ['console=ttyS0,115200'] })
test('the card goes, a serial line stays', judges, serial, [give('0000:01:00.0', '0000:01:00.1')], [])
test(
  'the card and the serial line go',
  judges,
  serial,
  [give('0000:01:00.0', '0000:01:00.1'), noSerial],
  ['error BOOT_VGA_ONLY 0,1'],
  /^next boot: no console=ttyS0/,
)
test('the serial line goes, the card stays', judges, serial, [noSerial], [])
test(
  'the serial line goes that was the only console',
  judges,
  {
    ...serial,
    pci: [{ ...geforce, driver: 'vfio-pci' }],
    files: { '/etc/modprobe.d/vfio.conf': 'options vfio-pci ids=10de:1c82\nsoftdep nouveau pre: vfio-pci\n' },
  },
  [noSerial],
  ['error BOOT_VGA_ONLY 0'],
  /^\/proc\/consoles: ttyS0$/,
)
test(
  'accepted by the one task',
  judges,
  { pci: [geforce, sound] },
  [task('driver_override', { devices: ['0000:01:00.0', '0000:01:00.1'] }, { BOOT_VGA_ONLY: 'tested' })],
  ['warning BOOT_VGA_ONLY 0'],
)
test(
  'one card goes and another one comes',
  judges,
  { pci: [geforce, sound, { ...radeon, driver: 'vfio-pci' }] },
  [give('0000:01:00.0', '0000:01:00.1')],
  [],
)
test(
  'the files take the only card already',
  judges,
  {
    pci: [geforce, sound],
    args: '',
    files: { '/etc/modprobe.d/vfio.conf': 'options vfio-pci ids=10de:1c82\nsoftdep nouveau pre: vfio-pci\n' },
  },
  [cmdline('iommu=pt')],
  ['warning BOOT_VGA_ONLY host'],
)

// Groups.
test('a whole group by two tasks', judges, {}, [give('0000:01:00.0'), give('0000:01:00.1')], [])
test(
  'a whole group by ids of two tasks',
  judges,
  {},
  [task('vfio_ids', { ids: ['10de:1c82'] }), task('vfio_ids', { ids: ['10de:0fb9'] })],
  [],
)
test('half a group', judges, {}, [give('0000:01:00.0')], ['error GROUP_SHARED 0'], /^stays: 0000:01:00\.1/)
test(
  'the other half is on vfio-pci for now only',
  judges,
  { pci: [geforce, { ...sound, driver: 'vfio-pci' }, radeon] },
  [give('0000:01:00.0')],
  ['error GROUP_SHARED 0'],
  /^next boot: 0000:01:00\.1 on snd_hda_intel/,
)
test(
  'the other half is saved for guests',
  judges,
  { files: { '/etc/modprobe.d/vfio.conf': 'options vfio-pci ids=10de:0fb9\nsoftdep snd_hda_intel pre: vfio-pci\n' } },
  [give('0000:01:00.0')],
  [],
)
test(
  'this half is bound now, the other half only by the boot',
  judges,
  {
    pci: [geforce, sound, radeon],
    files: { '/etc/modprobe.d/vfio.conf': 'options vfio-pci ids=10de:0fb9\nsoftdep snd_hda_intel pre: vfio-pci\n' },
  },
  [task('driver_override', { devices: ['0000:01:00.0'], live: true })],
  ['error GROUP_SHARED 0'],
)
test(
  'accepted by one of two tasks',
  judges,
  { pci: [geforce, sound, endpoint({ ...sound, address: '0000:01:00.2', device: '0fba' }), radeon] },
  [task('driver_override', { devices: ['0000:01:00.0'] }, { GROUP_SHARED: 'tested' }), give('0000:01:00.1')],
  ['warning GROUP_SHARED 0', 'error GROUP_SHARED 1'],
)

test('what files leave open is uncertain, and becomes an error with the plan that makes it so', (t) => {
  const open = host({ files: { '/etc/modprobe.d/nvme.conf': 'blacklist nvme\n' } })
  const asIs = planOn(open, [cmdline('iommu=pt')])
  t.like(asIs.nextBoot?.drivers[nvme.address], { next: null, certain: false })
  t.deepEqual(tell(asIs), ['warning HOST_DEPENDS host'])
  t.true(asIs.changes.length > 0)
  const rebuilt = planOn(open, [cmdline('iommu=pt'), task('initramfs', { modules: ['vfio_pci'] })])
  t.deepEqual(tell(rebuilt), ['error HOST_DEPENDS 1'])
})

test('what pruning takes away is told to no task', (t) => {
  const record = { format: 1, claims: [arg('console=ttyS0,115200')] }
  const given = host({
    pci: [{ ...geforce, driver: 'vfio-pci' }],
    args: 'console=ttyS0,115200',
    files: { '/etc/modprobe.d/vfio.conf': 'options vfio-pci ids=10de:1c82\nsoftdep nouveau pre: vfio-pci\n' },
    more: { consoles: ['ttyS0'], lastRecord: JSON.stringify(record) },
  })
  t.deepEqual(tell(planOf(given, [[arg('iommu=pt')]], false)), [])
  t.deepEqual(tell(planOf(given, [[arg('iommu=pt')]], true)), ['error BOOT_VGA_ONLY host'])
})

const lpc = endpoint({
  address: '0000:00:1f.0',
  class: '060100',
  vendor: '8086',
  device: 'a305',
  iommuGroup: 9,
})
test(
  'the ISA bridge may be taken',
  judges,
  { pci: [geforce, sound, lpc] },
  [cmdline('pci-stub.ids=8086:a305'), task('initramfs', { modules: ['pci_stub'] })],
  ['error HOST_DEPENDS 0,1'],
)
const aspeed = endpoint({
  address: '0000:0b:00.0',
  class: '030000',
  vendor: '1a03',
  device: '2000',
  driver: 'ast',
  iommuGroup: 8,
})
test('remote graphics need no driver', judges, { pci: [geforce, aspeed] }, [cmdline('modprobe.blacklist=ast')], [])

const virtual = endpoint({
  address: '0000:05:10.0',
  class: '020000',
  vendor: '8086',
  device: '1520',
  driver: 'igbvf',
  iommuGroup: 22,
  physicalFunction: '0000:05:00.0',
})
test(
  'the session stands on a virtual function, and that on its physical one',
  judges,
  {
    pci: [geforce, virtual],
    more: {
      network: [
        {
          name: 'eth0',
          path: '/devices/pci0000:00/0000:05:10.0/net/eth0',
          kind: 'physical',
          master: null,
          lowers: [],
          addresses: [],
          up: true,
        },
      ],
    },
  },
  [cmdline('modprobe.blacklist=igb')],
  ['error HOST_DEPENDS 0'],
  /^next boot: 0000:05:00\.0 without a driver/,
)

test('where the next boot cannot be followed, what the task says of now counts', (t) => {
  const given = host({ more: { kernels: [{ ...made, release: '6.1.0-99-amd64' }] } })
  t.true(tell(planOn(given, [give('0000:01:00.0')])).includes('error GROUP_SHARED 0'))
})
