import test from 'ava'
import { compareBoot } from '../../src/checks/compare-boot.ts'
import type { NextBoot } from '../../src/core/plan.ts'
import type { Snapshot } from '../../src/core/snapshot.ts'

const predicted: NextBoot = {
  entry: { id: 'gnulinux-simple', kernel: '6.1.0-28-amd64' },
  kernelCommandLine: 'root=UUID=1 ro quiet iommu=pt',
  drivers: {
    '0000:01:00.0': { now: 'nouveau', next: 'vfio-pci', certain: true, because: 'ids' },
    '0000:02:00.0': { now: 'xhci_hcd', next: 'vfio-pci', certain: false, because: 'image not listed' },
  },
  modules: { image: ['vfio_pci'], boot: ['vfio-iommu-type1'] },
  hugepages: { '2M': { total: 64, nodes: { '0': 64 } } },
  groups: { '0000:01:00.0': 14 },
  uncertain: [],
}

/** Only what the comparison reads. */
function seen(changes: object = {}): Snapshot {
  return {
    kernelRelease: '6.1.0-28-amd64',
    commandLine: 'BOOT_IMAGE=/boot/vmlinuz root=UUID=1 ro quiet iommu=pt',
    pci: [
      { address: '0000:01:00.0', driver: 'vfio-pci', iommuGroup: 14 },
      { address: '0000:02:00.0', driver: 'xhci_hcd', iommuGroup: 15 },
    ],
    loadedModules: new Set(['vfio_pci']),
    kernels: [{ running: true, modules: new Map([['vfio_iommu_type1', 'builtin']]) }],
    hugepages: [{ sizeKb: 2048, total: 64, free: 64, perNode: new Map([[0, 64]]) }],
    ...changes,
  } as unknown as Snapshot
}

test('a boot as predicted', (t) => {
  t.deepEqual(
    compareBoot(predicted, seen()).filter((row) => !row.ok),
    [],
  )
})

test('what is not certain is not compared', (t) => {
  t.false(compareBoot(predicted, seen()).some((row) => row.what.includes('0000:02:00.0')))
})

test('rows that are named as uncertain are not compared, the others are', (t) => {
  const uncertain = [{ code: 'HUGEPAGES_SPLIT', what: 'huge pages of 2M on node 0', why: 'dealt out' }]
  const rows = compareBoot({ ...predicted, uncertain }, seen())
  t.false(rows.some(({ what }) => what === 'huge pages of 2M on node 0'))
  t.true(rows.some(({ what }) => what === 'huge pages of 2M'))
})

test('a command line with variables of the loader is not compared', (t) => {
  const uncertain = [{ code: 'LOADER_VARIABLE', what: '$extra', why: 'not set in grub.cfg' }]
  const rows = compareBoot({ ...predicted, uncertain }, seen({ commandLine: 'root=UUID=1 ro' }))
  t.deepEqual(
    rows.filter(({ ok }) => !ok),
    [],
  )
})

for (const [title, changes, what] of [
  ['another kernel', { kernelRelease: '6.1.0-20-amd64' }, 'kernel'],
  ['an argument is missing', { commandLine: 'root=UUID=1 ro quiet' }, 'kernel command line'],
  [
    'the native driver won',
    { pci: [{ address: '0000:01:00.0', driver: 'nouveau', iommuGroup: 14 }] },
    'driver of 0000:01:00.0',
  ],
  ['the function is gone', { pci: [] }, 'driver of 0000:01:00.0'],
  ['a module is not loaded', { loadedModules: new Set() }, 'module vfio_pci'],
  ['fewer huge pages', { hugepages: [{ sizeKb: 2048, total: 12, free: 1, perNode: new Map() }] }, 'huge pages of 2M'],
  [
    'another group',
    { pci: [{ address: '0000:01:00.0', driver: 'vfio-pci', iommuGroup: 3 }] },
    'IOMMU group of 0000:01:00.0',
  ],
] as const) {
  test(`seen: ${title}`, (t) => {
    const different = compareBoot(predicted, seen(changes)).filter((row) => !row.ok)
    t.true(different.map((row) => row.what).includes(what))
  })
}

const words = 'root=UUID=1 ro quiet iommu=pt'
for (const [title, commandLine, trial, isOk] of [
  ['what the trial entry adds is left out', `${words} passway.txn=A panic=30`, 'A', true],
  ['with a watchdog', `${words} passway.txn=A panic=30 systemd.watchdog_sec=60`, 'A', true],
  ['what stands after it counts', `${words} passway.txn=A panic=30 panic=10`, 'A', false],
  ['a panic=30 before it is the host\u2019s own', `${words} panic=30 passway.txn=A panic=30`, 'A', false],
  ['another trial', `${words} passway.txn=B panic=30`, 'A', false],
  ['on a boot that should be none it counts', `${words} passway.txn=A panic=30`, null, false],
  ['no trial, no token', words, 'A', true],
] as const) {
  test(`the command line of a trial: ${title}`, (t) => {
    const [row] = compareBoot(predicted, seen({ commandLine }), trial).filter(({ what }) => what.endsWith('line'))
    t.is(row?.ok, isOk, row?.seen)
  })
}

test('a trial whose own command line has panic=30 keeps that one', (t) => {
  const own = { ...predicted, kernelCommandLine: `${words} panic=30` }
  const snapshot = seen({ commandLine: `${words} panic=30 passway.txn=A panic=30` })
  t.true(compareBoot(own, snapshot, 'A').every(({ ok }) => ok))
})
