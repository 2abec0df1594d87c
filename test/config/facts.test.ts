import test from 'ava'
import { factsFrom, factsReference } from '../../src/config/facts.ts'
import type { PlainValue } from '../../src/config/source-node.ts'
import type { InstalledKernel, Snapshot } from '../../src/core/snapshot.ts'
import { noHardware, pciFunction } from '../boot/snapshots.ts'

const kernel: InstalledKernel = {
  release: '6.1.0-37-amd64',
  running: true,
  image: '/boot/vmlinuz-6.1.0-37-amd64',
  initrd: null,
  config: new Map([['CONFIG_VFIO_PCI', 'm']]),
  modules: new Map(),
  pciAliases: [],
  softdeps: [],
  systemMap: { state: 'stub', symbols: [] },
}

const snapshot: Snapshot = {
  machineId: null,
  bootId: null,
  efi: { variables: new Map(), images: [] },
  hostname: 'pve1',
  kernelRelease: '6.1.0-37-amd64',
  uid: 0,
  tree: false,
  sshConnection: null,
  os: new Map([
    ['ID', 'ubuntu'],
    ['VERSION_ID', '24.04'],
    ['NAME', 'Ubuntu'],
    ['VERSION_CODENAME', 'noble'],
    ['ID_LIKE', 'debian'],
  ]),
  cpu: {
    vendor: 'AuthenticAMD',
    model: 'AMD Ryzen 7 2700X',
    flags: ['svm', 'pdpe1gb'],
    online: '0-7,16-23',
    possible: '0-31',
    isolated: '',
    nohzFull: '',
  },
  memory: { totalKb: 16_000_000, availableKb: 1_048_576 },
  numa: [{ node: 0, cpus: '0-15', totalKb: 2048 }],
  hugepages: [],
  defaultHugepageKb: 2048,
  cpufreq: [
    {
      name: 'policy0',
      driver: 'acpi-cpufreq',
      governor: 'schedutil',
      availableGovernors: ['performance', 'schedutil'],
      preference: null,
      availablePreferences: [],
    },
    {
      name: 'policy1',
      driver: 'acpi-cpufreq',
      governor: 'schedutil',
      availableGovernors: ['schedutil', 'powersave'],
      preference: null,
      availablePreferences: [],
    },
  ],
  commandLine: 'quiet',
  loadedModules: new Set(),
  mounts: [],
  pci: [
    pciFunction({
      address: '0000:01:00.0',
      class: '030000',
      vendor: '10de',
      device: '1c82',
      driver: 'nouveau',
      iommuGroup: 1,
      bootVga: true,
    }),
  ],
  kernels: [
    kernel,
    {
      ...kernel,
      release: '6.1.0-40-amd64',
      running: false,
      systemMap: { state: 'real', symbols: ['pcie_acs_override_setup'] },
    },
  ],
  kallsyms: null,
  units: new Map(),
  tools: new Map(),
  systemd: true,
  files: new Map(),
  globs: new Map(),
  attributes: new Map(),
  stateDirectory: '/var/lib/passway',
  records: [],
  lastRecord: null,
  images: [],
  guests: [],
  ...noHardware,
}

function at(value: PlainValue, path: string): PlainValue | undefined {
  let found: PlainValue | undefined = value
  for (const name of path.split('.')) found = (found as Record<string, PlainValue> | undefined)?.[name]
  return found
}

test('facts of a host', (t) => {
  t.deepEqual<PlainValue, PlainValue>(factsFrom(snapshot), {
    hostname: 'pve1',
    os: { id: 'ubuntu', version: '24.04', name: 'Ubuntu', codename: 'noble', like: ['debian'] },
    kernel: {
      release: '6.1.0-37-amd64',
      command_line: 'quiet',
      installed: ['6.1.0-37-amd64', '6.1.0-40-amd64'],
      acs_override: null,
      config: { CONFIG_VFIO_PCI: 'm' },
    },
    cpu: {
      vendor: 'amd',
      model: 'AMD Ryzen 7 2700X',
      flags: ['svm', 'pdpe1gb'],
      count: 16,
      online: '0-7,16-23',
      isolated: '',
    },
    memory: { total_mb: 15_625, available_mb: 1024 },
    numa: { nodes: [{ node: 0, cpus: '0-15', total_mb: 2 }] },
    cpufreq: { driver: 'acpi-cpufreq', governor: 'schedutil', governors: ['schedutil'] },
    pci: [
      {
        address: '0000:01:00.0',
        id: '10de:1c82',
        vendor: '10de',
        device: '1c82',
        class: '030000',
        driver: 'nouveau',
        group: 1,
        numa_node: null,
      },
    ],
  })
})

test('no cpufreq policy: the driver is none', (t) => {
  t.deepEqual<unknown, unknown>(at(factsFrom({ ...snapshot, cpufreq: [] }), 'cpufreq'), {
    driver: null,
    governor: null,
    governors: [],
  })
})

const real = (symbols: readonly string[]): Snapshot['kernels'] => [{ ...kernel, systemMap: { state: 'real', symbols } }]
const acsOverride: readonly [string, Partial<Snapshot>, boolean | null][] = [
  ['neither list can be read', { kallsyms: null }, null],
  ['a stub System.map proves nothing', { kallsyms: null, kernels: [kernel] }, null],
  ['kallsyms has the symbol', { kallsyms: ['pcie_acs_override_setup'] }, true],
  ['kallsyms has the other symbol', { kallsyms: ['pcie_acs_overrides'] }, true],
  ['kallsyms lacks them', { kallsyms: [] }, false],
  ['only the System.map has it', { kallsyms: [], kernels: real(['pcie_acs_overrides']) }, true],
  ['a real System.map lacks them', { kallsyms: null, kernels: real([]) }, false],
]
for (const [title, part, expected] of acsOverride) {
  test(`facts.kernel.acs_override: ${title}`, (t) => {
    t.is(at(factsFrom({ ...snapshot, ...part }), 'kernel.acs_override'), expected)
  })
}

test('every fact is in the reference, and every one of the reference is there', (t) => {
  const listed = factsReference.map(({ name }) => name)
  for (const name of listed) t.not(at({ facts: factsFrom(snapshot) }, name), undefined, name)
  const facts = factsFrom(snapshot) as Record<string, PlainValue>
  for (const [group, value] of Object.entries(facts)) {
    const names =
      value !== null && typeof value === 'object' && !Array.isArray(value)
        ? Object.keys(value).map((key) => `facts.${group}.${key}`)
        : [`facts.${group}`]
    for (const name of names) t.true(listed.includes(name), name)
  }
})
