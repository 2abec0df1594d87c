import type { ModuleAvailability, PciFunction, Snapshot } from '../../src/core/snapshot.ts'
import { pciFunction } from '../boot/snapshots.ts'

export type Machine = {
  readonly cpu: Snapshot['cpu']
  readonly memoryKb: number
  readonly numa: Snapshot['numa']
  readonly hugepages: Snapshot['hugepages']
  readonly cpufreq: Snapshot['cpufreq']
  readonly pci: readonly PciFunction[]
  readonly modules: Readonly<Record<string, ModuleAvailability>>
  readonly aliases: readonly { readonly pattern: string; readonly module: string }[]
  readonly units: Readonly<Record<string, string>>
  readonly files: Readonly<Record<string, string>>
}

const gigabyte = 1024 ** 2

const aliases = [
  { pattern: 'pci:v000010DEd*sv*sd*bc03sc*i*', module: 'nouveau' },
  { pattern: 'pci:v000010DEd*sv*sd*bc04sc03i00*', module: 'snd_hda_intel' },
  { pattern: 'pci:v00001022d00001457sv*sd*bc*sc*i*', module: 'snd_hda_intel' },
  { pattern: 'pci:v*d*sv*sd*bc0Csc03i30*', module: 'xhci_pci' },
  { pattern: 'pci:v*d*sv*sd*bc01sc06i01*', module: 'ahci' },
  { pattern: 'pci:v*d*sv*sd*bc01sc08i02*', module: 'nvme' },
  { pattern: 'pci:v00008086d00001539sv*sd*bc*sc*i*', module: 'igb' },
  { pattern: 'pci:v00001022d00001456sv*sd*bc*sc*i*', module: 'ccp' },
]

const modules: Readonly<Record<string, ModuleAvailability>> = {
  vfio: 'loadable',
  vfio_pci: 'loadable',
  vfio_iommu_type1: 'loadable',
  vfio_virqfd: 'loadable',
  kvm: 'loadable',
  acpi_cpufreq: 'loadable',
  intel_pstate: 'builtin',
  amd_pstate: 'builtin',
  cpufreq_ondemand: 'loadable',
  cpufreq_performance: 'builtin',
}

const irqbalanceFiles = {
  '/usr/lib/systemd/system/irqbalance.service': `[Unit]
Description=irqbalance daemon

[Service]
EnvironmentFile=-/etc/default/irqbalance
ExecStart=/usr/sbin/irqbalance --foreground $OPTIONS

[Install]
WantedBy=multi-user.target
`,
  '/etc/default/irqbalance': `# irqbalance is a daemon process that distributes interrupts across
# CPUs on SMP systems.

#IRQBALANCE_BANNED_CPULIST=
`,
}

/** A desktop with a Ryzen 7 2700X on X470: one node, coarse groups below the chipset, acpi-cpufreq as a module. */
const amd: Machine = {
  cpu: {
    vendor: 'AuthenticAMD',
    model: 'AMD Ryzen 7 2700X Eight-Core Processor',
    flags: ['pse', 'pdpe1gb', 'svm'],
    online: '0-15',
    possible: '0-15',
    isolated: '',
    nohzFull: '',
  },
  memoryKb: 32 * gigabyte,
  numa: [{ node: 0, cpus: '0-15', totalKb: 32 * gigabyte }],
  hugepages: [
    { sizeKb: 2048, total: 0, free: 0, perNode: new Map([[0, 0]]) },
    { sizeKb: gigabyte, total: 0, free: 0, perNode: new Map([[0, 0]]) },
  ],
  cpufreq: ['policy0', 'policy1'].map((name) => ({
    name,
    driver: 'acpi-cpufreq',
    governor: 'schedutil',
    availableGovernors: ['conservative', 'powersave', 'performance', 'schedutil'],
    preference: null,
    availablePreferences: [],
  })),
  pci: [
    { address: '0000:00:00.0', class: '060000', vendor: '1022', device: '1450' },
    { address: '0000:00:01.3', class: '060400', vendor: '1022', device: '1453', driver: 'pcieport', iommuGroup: 1 },
    { address: '0000:03:00.0', class: '0c0330', vendor: '1022', device: '43d0', driver: 'xhci_hcd', iommuGroup: 15 },
    { address: '0000:03:00.1', class: '010601', vendor: '1022', device: '43c8', driver: 'ahci', iommuGroup: 15 },
    { address: '0000:03:00.2', class: '060400', vendor: '1022', device: '43c6', driver: 'pcieport', iommuGroup: 15 },
    { address: '0000:20:00.0', class: '020000', vendor: '8086', device: '1539', driver: 'igb', iommuGroup: 20 },
    { address: '0000:21:00.0', class: '020000', vendor: '8086', device: '1539', driver: 'igb', iommuGroup: 21 },
    { address: '0000:2b:00.0', class: '030000', vendor: '10de', device: '1c82', driver: 'nouveau', iommuGroup: 16 },
    {
      address: '0000:2b:00.1',
      class: '040300',
      vendor: '10de',
      device: '0fb9',
      driver: 'snd_hda_intel',
      iommuGroup: 16,
    },
    { address: '0000:2c:00.0', class: '130000', vendor: '1022', device: '145a', iommuGroup: 17 },
    { address: '0000:2c:00.3', class: '0c0330', vendor: '1022', device: '145f', driver: 'xhci_hcd', iommuGroup: 17 },
  ].map(pciFunction),
  modules,
  aliases,
  units: { 'irqbalance.service': 'enabled active' },
  files: irqbalanceFiles,
}

/** A server with two sockets, intel_pstate in active mode, irqbalance and tuned. */
const intel: Machine = {
  cpu: {
    vendor: 'GenuineIntel',
    model: 'Intel(R) Xeon(R) Gold 6230 CPU @ 2.10GHz',
    flags: ['pse', 'pdpe1gb', 'vmx'],
    online: '0-39',
    possible: '0-39',
    isolated: '',
    nohzFull: '',
  },
  memoryKb: 128 * gigabyte,
  numa: [
    { node: 0, cpus: '0-19', totalKb: 64 * gigabyte },
    { node: 1, cpus: '20-39', totalKb: 64 * gigabyte },
  ],
  hugepages: [2048, gigabyte].map((sizeKb) => ({
    sizeKb,
    total: 0,
    free: 0,
    perNode: new Map([
      [0, 0],
      [1, 0],
    ]),
  })),
  cpufreq: ['policy0', 'policy1'].map((name) => ({
    name,
    driver: 'intel_pstate',
    governor: 'powersave',
    availableGovernors: ['performance', 'powersave'],
    preference: 'balance_performance',
    availablePreferences: ['default', 'performance', 'balance_performance', 'balance_power', 'power'],
  })),
  pci: [
    { address: '0000:00:00.0', class: '060000', vendor: '8086', device: '2020' },
    { address: '0000:17:00.0', class: '010802', vendor: '144d', device: 'a808', driver: 'nvme', iommuGroup: 30 },
    { address: '0000:18:00.0', class: '010802', vendor: '144d', device: 'a808', driver: 'nvme', iommuGroup: 31 },
  ].map(pciFunction),
  modules,
  aliases,
  units: { 'irqbalance.service': 'enabled active', 'tuned.service': 'enabled active' },
  files: irqbalanceFiles,
}

export const machines: Readonly<Record<string, Machine>> = { amd, intel }
