import test from 'ava'
import * as fc from 'fast-check'
import { computeClosure } from '../../src/pci/closure.ts'
import { arrangeTree, findDomainOwner, findVirtualFunctions, isOnRootBus, type PciNode } from '../../src/pci/tree.ts'
import { pciFunction, snapshot } from '../boot/snapshots.ts'
import { makeTree, snapshotOf } from '../host-trees/open-tree.ts'
import { pciTree } from '../host-trees/pci-tree.ts'

function flatten(nodes: readonly PciNode[]): string[] {
  return nodes.flatMap(({ device, children }) => [device.address, ...flatten(children)])
}

test('every function stands in the tree once, whatever the parents say', (t) => {
  const address = fc.integer({ min: 0, max: 30 }).map((n) => `0000:0${Math.floor(n / 10)}:0${n % 10}.0`)
  const functions = fc.uniqueArray(fc.record({ address, parent: fc.option(address) }), { selector: (f) => f.address })
  fc.assert(
    fc.property(functions, (given) => {
      const buses = arrangeTree(given.map((each) => pciFunction(each)))
      t.deepEqual(buses.flatMap(({ nodes }) => flatten(nodes)).toSorted(), given.map((each) => each.address).toSorted())
    }),
  )
})

test('a VMD makes a domain of its own, below it', async (t) => {
  const vmd = { address: '0000:00:0e.0', class: '010400', id: '8086:467f', group: 9, driver: 'vmd' }
  const below = 'pci0000:00/0000:00:0e.0/pci10000:e0'
  const port = { address: '10000:e0:06.0', class: '060400', id: '8086:464d', group: 9, root: below }
  const drive = { address: '10000:e1:00.0', class: '010802', id: '15b7:5009', group: 9, parent: port.address }
  const host = await snapshotOf(makeTree(t, pciTree([vmd, port, drive])))
  const [top, made] = arrangeTree(host.pci)
  t.like(top, { name: '0000:00', behind: null })
  t.like(made, { name: '10000:e0', behind: vmd.address })
  t.deepEqual(flatten(made?.nodes ?? []), [port.address, drive.address])
  t.deepEqual(host.pci.map(findDomainOwner), [null, vmd.address, vmd.address])
  t.deepEqual(host.pci.map(isOnRootBus), [true, false, false])

  const whole = computeClosure(host, [vmd.address])
  t.deepEqual(whole.members, [vmd.address], 'what the VMD made vanishes with it')
  t.is(whole.verdict, 'warn')
  t.true(whole.diagnostics.some(({ evidence }) => evidence?.some((line) => line.startsWith(drive.address))))
  t.true(computeClosure(host, [drive.address]).diagnostics.some(({ code }) => code === 'VMD_TARGET'))
})

test('virtual functions are found by their physical one', (t) => {
  const port = pciFunction({ address: '0000:05:00.0', sriov: { total: 8, enabled: 2 } })
  const virtual = ['0000:05:10.2', '0000:05:10.0'].map((address) =>
    pciFunction({ address, physicalFunction: port.address, iommuGroup: Number(address.at(-1)) }),
  )
  t.deepEqual(
    findVirtualFunctions([port, ...virtual], port.address).map(({ address }) => address),
    ['0000:05:10.0', '0000:05:10.2'],
  )
  const host = snapshot({ pci: [port, ...virtual] })
  t.is(computeClosure(host, [port.address]).verdict, 'refuse')
  t.is(computeClosure(host, ['0000:05:10.0']).diagnostics.filter(({ severity }) => severity === 'error').length, 0)
})

test('0680 is an endpoint and comes along; 0604 with any interface stays', (t) => {
  const gpu = pciFunction({ address: '0000:07:00.0', class: '030200', iommuGroup: 4 })
  const fabric = pciFunction({ address: '0000:08:00.0', class: '068000', iommuGroup: 4 })
  const bridge = pciFunction({ address: '0000:06:00.0', class: '060401', iommuGroup: 4 })
  const closure = computeClosure(snapshot({ pci: [gpu, fabric, bridge] }), [gpu.address])
  t.deepEqual(closure.members, [gpu.address, fabric.address])
  t.deepEqual(closure.bridgesLeftOut, [bridge.address])
})

test('audio of a card in a group of its own is a sibling, not a member', (t) => {
  const gpu = pciFunction({ address: '0000:0b:00.0', class: '030000', vendor: '1002', iommuGroup: 30 })
  const audio = pciFunction({ address: '0000:0b:00.1', class: '040300', vendor: '1002', iommuGroup: 31 })
  const closure = computeClosure(snapshot({ pci: [gpu, audio] }), [gpu.address])
  t.deepEqual(closure.members, [gpu.address])
  t.deepEqual(closure.slotSiblings, [audio.address])
})

const card = {
  display: pciFunction({ address: '0000:0b:00.0', class: '030000', vendor: '1002' }),
  audio: pciFunction({ address: '0000:0b:00.1', class: '040300', vendor: '1002' }),
  usb: pciFunction({ address: '0000:0b:00.3', class: '0c0330', vendor: '1022' }),
}

for (const [title, target, members] of [
  ['a display', card.display, [card.display, card.audio]],
  ['its audio', card.audio, [card.display, card.audio]],
  ['another vendor in the slot', card.usb, [card.usb]],
] as const) {
  test(`without groups a graphics card travels as one: ${title}`, (t) => {
    const closure = computeClosure(snapshot({ pci: Object.values(card) }), [target.address])
    const addresses = members.map(({ address }) => address)
    t.deepEqual(closure.members, addresses)
    t.is(closure.verdict, 'cannot-tell')
    const told = closure.diagnostics.filter(({ code }) => code === 'GROUP_COMPANIONS').length
    t.is(told, members.length - 1)
  })
}

test('without groups other functions of a slot stay, virtual ones of a display too', (t) => {
  const ports = ['0000:05:00.0', '0000:05:00.1'].map((address) => pciFunction({ address }))
  t.deepEqual(computeClosure(snapshot({ pci: ports }), ['0000:05:00.0']).members, ['0000:05:00.0'])
  const display = pciFunction({ address: '0000:00:02.0', class: '030000' })
  const virtual = { ...display, address: '0000:00:02.1', physicalFunction: display.address }
  const host = snapshot({ pci: [display, virtual] })
  for (const { address } of [display, virtual]) t.deepEqual(computeClosure(host, [address]).members, [address])
})
