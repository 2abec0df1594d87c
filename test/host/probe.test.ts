import test from 'ava'
import type { Snapshot } from '../../src/core/snapshot.ts'
import { demoTree, makeTree, snapshotOf } from '../host-trees/open-tree.ts'

const reads = {
  units: ['irqbalance.service', 'tuned.service'],
  symbols: ['pcie_acs_override_setup', 'pcie_acs_overrides', 'no_such_symbol'],
  modules: ['acpi-cpufreq', 'ext4', 'snd_hda_intel'],
  attributes: ['/sys/bus/pci/devices/*/numa_node', '/sys/devices/system/cpu/cpufreq/policy*/affected_cpus'],
}

/** What differs from one unpacked tree to the next. */
function comparable(snapshot: Snapshot): unknown {
  return { ...snapshot, kernels: snapshot.kernels.map((kernel) => ({ ...kernel, initrd: kernel.initrd?.path })) }
}

test('dash, bash and busybox read the same', async (t) => {
  const directory = makeTree(t, demoTree)
  const dash = await snapshotOf(directory, reads, { shell: ['dash'] })
  t.is(dash.pci.length, 46)
  t.deepEqual(comparable(await snapshotOf(directory, reads, { shell: ['bash'] })), comparable(dash))
  t.deepEqual(comparable(await snapshotOf(directory, reads, { shell: ['busybox', 'sh'] })), comparable(dash))
})

test('facts of the demo host', async (t) => {
  const snapshot = await snapshotOf(makeTree(t, demoTree), reads)
  t.like(snapshot, {
    hostname: 'elysium',
    machineId: '8c1f5e0f4e7b4b8fa1d39d6a52c77e10',
    kernelRelease: '6.8.12-4-pve',
    tree: true,
    systemd: false,
    sshConnection: null,
    stateDirectory: '/var/lib/passway',
    lastRecord: null,
    records: [],
    images: [],
    guests: [],
    defaultHugepageKb: 2048,
    memory: { totalKb: 32_819_548, availableKb: 29_411_872 },
    numa: [{ node: 0, cpus: '0-15', totalKb: 32_819_548 }],
  })
  t.is(snapshot.os.get('VERSION_CODENAME'), 'bookworm')
  t.like(snapshot.cpu, {
    vendor: 'AuthenticAMD',
    model: 'AMD Ryzen 7 2700X Eight-Core Processor',
    nohzFull: '',
    isolated: '',
  })
  t.true(snapshot.cpu.flags.includes('pdpe1gb'))
  t.is(
    snapshot.commandLine,
    'BOOT_IMAGE=/boot/vmlinuz-6.8.12-4-pve root=UUID=6f2b7c1e-0b4d-4d0e-9a55-3c1f8e2a7d90 ro quiet',
  )
  t.true(snapshot.loadedModules.has('acpi_cpufreq'))
  t.is(snapshot.mounts.find(({ target }) => target === '/')?.source, '/dev/nvme0n1p2')
  t.deepEqual(
    snapshot.hugepages.map(({ sizeKb, total, perNode }) => [sizeKb, total, [...perNode]]),
    [
      [2048, 0, [[0, 0]]],
      [1048576, 0, [[0, 0]]],
    ],
  )
  t.is(snapshot.cpufreq.length, 16)
  t.like(snapshot.cpufreq[10], { name: 'policy10', driver: 'acpi-cpufreq', governor: 'ondemand', preference: null })
  t.is(snapshot.attributes.get('/sys/bus/pci/devices/0000:2b:00.0/numa_node'), '-1')
})

test('PCI functions of the demo host', async (t) => {
  const { pci } = await snapshotOf(makeTree(t, demoTree))
  t.deepEqual(
    pci.find(({ address }) => address === '0000:2b:00.0'),
    {
      address: '0000:2b:00.0',
      class: '030000',
      vendor: '10de',
      device: '1c82',
      subsystemVendor: '1043',
      subsystemDevice: '8613',
      modalias: 'pci:v000010DEd00001C82sv00001043sd00008613bc03sc00i00',
      driver: 'nouveau',
      parent: '0000:00:03.1',
      iommuGroup: 15,
      numaNode: null,
      bootVga: false,
      driverOverride: null,
      resetMethods: null,
      physicalFunction: null,
      sriov: null,
      headerType: 0,
      multifunction: true,
      link: {
        currentSpeed: '8.0 GT/s PCIe',
        maxSpeed: '8.0 GT/s PCIe',
        currentWidth: 16,
        maxWidth: 16,
      },
      hasReset: false,
      msi: false,
      revision: 'a1',
      path: ['pci0000:00', '0000:00:03.1'],
      serial: null,
    },
  )
  t.like(
    pci.find(({ address }) => address === '0000:01:00.0'),
    { resetMethods: ['flr', 'bus'], driver: 'nvme' },
  )
  t.like(
    pci.find(({ address }) => address === '0000:00:00.0'),
    { parent: null, iommuGroup: null, driver: null },
  )
  t.like(
    pci.find(({ address }) => address === '0000:25:00.0'),
    { parent: '0000:24:00.0', bootVga: true },
  )
})

test('kernels of the demo host', async (t) => {
  const { kernels, kallsyms } = await snapshotOf(makeTree(t, demoTree), reads)
  t.deepEqual(kallsyms, ['pcie_acs_override_setup', 'pcie_acs_overrides'])
  t.deepEqual(
    kernels.map(({ release, running }) => [release, running]),
    [
      ['6.5.13-6-pve', false],
      ['6.8.12-4-pve', true],
    ],
  )
  const [, kernel] = kernels
  t.is(kernel?.image, '/boot/vmlinuz-6.8.12-4-pve')
  t.is(kernel?.initrd?.path, '/boot/initrd.img-6.8.12-4-pve')
  t.deepEqual(kernel?.systemMap, { state: 'real', symbols: ['pcie_acs_override_setup', 'pcie_acs_overrides'] })
  t.is(kernel?.config.get('CONFIG_VFIO_PCI'), 'm')
  t.is(kernel?.config.get('CONFIG_IOMMU_DEFAULT_PASSTHROUGH'), 'n')
  t.false(kernel?.config.has('CONFIG_CPU_FREQ'))
  t.deepEqual(Object.fromEntries(kernel?.modules ?? []), {
    vfio: 'loadable',
    vfio_pci: 'loadable',
    vfio_iommu_type1: 'loadable',
    vfio_pci_core: 'loadable',
    vfio_virqfd: 'absent',
    pci_stub: 'loadable',
    ahci: 'loadable',
    drm: 'absent',
    nvme: 'loadable',
    xhci_pci: 'loadable',
    ehci_pci: 'builtin',
    ohci_pci: 'absent',
    uhci_hcd: 'absent',
    sdhci_pci: 'absent',
    acpi_cpufreq: 'loadable',
    ext4: 'builtin',
    snd_hda_intel: 'loadable',
  })
  const modules = kernel?.pciAliases.map(({ module, builtin }) => `${module}${builtin ? ' (built in)' : ''}`) ?? []
  t.true(modules.includes('nouveau'))
  t.true(modules.includes('xhci_pci'))
  t.true(modules.includes('ehci_pci (built in)'))
  // Tables are filtered on the host: a renesas controller and an I350 it does not have.
  t.false(kernel?.pciAliases.some(({ pattern }) => /00001912|00001521|0000A170/.test(pattern)))
})

test('files and globs of the demo host', async (t) => {
  const { files, globs, units, tools } = await snapshotOf(makeTree(t, demoTree), reads)
  t.like(files.get('/boot/grub/grub.cfg'), { type: 'file', mode: 0o600 })
  t.deepEqual(files.get('/etc/os-release'), {
    type: 'link',
    to: '../usr/lib/os-release',
    resolved: '/usr/lib/os-release',
  })
  t.is(files.get('/usr/lib/os-release')?.type, 'file')
  t.deepEqual(files.get('/etc/modules-load.d/modules.conf'), {
    type: 'link',
    to: '../modules',
    resolved: '/etc/modules',
  })
  // Below a directory that is a link: both names have the content.
  t.deepEqual(files.get('/lib/modprobe.d/aliases.conf'), files.get('/usr/lib/modprobe.d/aliases.conf'))
  t.deepEqual(globs.get('/etc/modprobe.d/*.conf'), [
    '/etc/modprobe.d/amd64-microcode-blacklist.conf',
    '/etc/modprobe.d/pve-blacklist.conf',
  ])
  t.deepEqual(globs.get('/etc/default/grub.d/*.cfg'), [])
  t.deepEqual(globs.get('/run/modprobe.d/*.conf'), [])
  t.is(files.get('/etc/dracut.conf'), undefined)
  t.is(files.get('/sys/firmware/efi')?.type, 'directory')
  t.deepEqual(units.get('irqbalance.service'), { exists: true, enabled: 'enabled', active: null })
  t.deepEqual(units.get('tuned.service'), { exists: false, enabled: null, active: null })
  t.is(tools.size, 0)
})

test('this machine itself', async (t) => {
  const snapshot = await snapshotOf('', {}, { root: null })
  t.false(snapshot.tree)
  t.is(snapshot.uid, process.getuid?.() ?? -1)
  t.true(snapshot.tools.has('sync'))
  t.true(snapshot.memory.totalKb > 0)
})
