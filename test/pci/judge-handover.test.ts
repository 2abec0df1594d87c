import test from 'ava'
import type { PciFunction } from '../../src/core/snapshot.ts'
import type { Verdict } from '../../src/pci/judge-closure.ts'
import { judgeHandover } from '../../src/pci/judge-handover.ts'
import { kernel, pciFunction, snapshot } from '../boot/snapshots.ts'

const card = pciFunction({
  address: '0000:01:00.0',
  class: '0c0330',
  vendor: '1b36',
  device: '000d',
  parent: '0000:00:04.0',
  iommuGroup: 9,
  hasReset: true,
})
const port = pciFunction({ address: '0000:00:04.0', class: '060400', iommuGroup: 4, hasReset: true })
const onRootBus: PciFunction = {
  ...card,
  address: '0000:00:05.0',
  device: '0015',
  parent: null,
  iommuGroup: 5,
  hasReset: false,
}
const vfio = kernel({ modules: new Map([['vfio_pci', 'loadable']]) })
const remapped = { remappedChip: 'IR-IO-APIC', iommus: ['dmar0'] }

type Row = readonly [
  title: string,
  host: Parameters<typeof snapshot>[0],
  target: PciFunction,
  verdict: Verdict,
  refusedFor: readonly string[],
]

const rows: readonly Row[] = [
  ['nothing is in the way', { ...remapped, kernels: [vfio] }, card, 'ok', []],
  ['nothing resets it', { ...remapped, kernels: [vfio] }, onRootBus, 'refuse', ['RESET_MISSING']],
  [
    'a kernel without vfio-pci',
    { ...remapped, kernels: [kernel({ modules: new Map() })] },
    card,
    'refuse',
    ['VFIO_MISSING'],
  ],
  ['no kernel was found', { ...remapped, kernels: [] }, card, 'ok', ['VFIO_MISSING']],
  [
    'interrupt remapping is off',
    { kernels: [vfio], kernelLog: ['DMAR-IR: Not enabling interrupt remapping'], kernelLogReadable: true },
    card,
    'refuse',
    ['INTREMAP_OFF'],
  ],
  ['nothing shows interrupt remapping', { kernels: [vfio], kernelLogReadable: false }, card, 'ok', ['INTREMAP_OFF']],
  [
    'the closure refuses, and more is in the way',
    {
      ...remapped,
      kernels: [vfio],
      pci: [port, onRootBus, { ...onRootBus, address: '0000:00:06.0', class: '020000' }],
    },
    onRootBus,
    'refuse',
    ['GROUP_SHARED', 'RESET_MISSING'],
  ],
]

for (const [title, host, target, verdict, refusedFor] of rows) {
  test(title, (t) => {
    const { closure, refusals } = judgeHandover(snapshot({ pci: [port, card, onRootBus], ...host }), [target.address])
    t.is(closure.verdict, verdict, JSON.stringify({ closure, refusals }, null, 2))
    t.deepEqual(closure.refusedFor, refusedFor)
  })
}

test('what the closure tells is not told again', (t) => {
  const other: PciFunction = { ...card, address: '0000:02:00.0', class: '020000' }
  const host = snapshot({ ...remapped, kernels: [vfio], pci: [port, card, other] })
  const { closure, refusals } = judgeHandover(host, [card.address])
  t.deepEqual(closure.refusedFor, ['GROUP_SHARED'])
  t.deepEqual(refusals, [])
})
