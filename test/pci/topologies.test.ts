import test, { type ExecutionContext } from 'ava'
import * as fc from 'fast-check'
import { formatSlot } from '../../src/pci/address.ts'
import { computeClosure } from '../../src/pci/closure.ts'
import type { Snapshot } from '../../src/core/snapshot.ts'
import { makeTree, snapshotOf } from '../host-trees/open-tree.ts'
import { readTopology, topologyNames, topologyTree, type Question } from '../topologies/open-topology.ts'

function open(t: ExecutionContext, name: string): Promise<Snapshot> {
  return snapshotOf(makeTree(t, topologyTree(readTopology(name))))
}

test('all machines are here', (t) => {
  t.is(topologyNames.length, 11)
  t.is(topologyNames.flatMap((name) => readTopology(name).questions).length, 48)
})

for (const name of topologyNames) {
  test(`${name}: what its owner would ask`, async (t) => {
    const { devices, questions } = readTopology(name)
    const snapshot = await open(t, name)
    t.deepEqual(
      snapshot.pci.map(({ address, iommuGroup, parent }) => [address, iommuGroup, parent]),
      devices.map(({ address, group, parent }) => [address, group ?? null, parent ?? null]),
    )
    for (const question of questions) answer(t, snapshot, question)
    closuresAreClosed(t, snapshot)
  })
}

function answer(t: ExecutionContext, snapshot: Snapshot, question: Question): void {
  const { target } = question
  const closure = computeClosure(snapshot, [target])
  const told = `${target} ${JSON.stringify(closure, null, 2)}`
  if (question.verdict !== undefined) t.is(closure.verdict, question.verdict, told)
  const inGroup = new Set([...closure.members, ...closure.bridgesLeftOut])
  const ids = snapshot.pci
    .filter(({ address }) => address === target || closure.members.includes(address))
    .map(({ vendor, device }) => `${vendor}:${device}`)
  t.deepEqual(
    {
      groups: closure.groups,
      along: closure.members.filter((member) => member !== target),
      bridges: closure.bridgesLeftOut,
      siblings: closure.slotSiblings,
      ids: [...new Set(ids)].toSorted(),
      shared: Object.values(closure.sharedIds).flat().toSorted(),
    },
    {
      groups: question.group === undefined ? [] : [question.group],
      along: question.along ?? [],
      bridges: question.bridges ?? [],
      siblings: question.sameSlot.filter((address) => !inGroup.has(address)),
      ids: question.ids,
      shared: question.shared,
    },
    told,
  )
}

function closuresAreClosed(t: ExecutionContext, snapshot: Snapshot): void {
  const addresses = snapshot.pci.map(({ address }) => address)
  const bridges = new Set(snapshot.pci.filter((each) => /^060[04]/.test(each.class)).map(({ address }) => address))
  fc.assert(
    fc.property(fc.subarray(addresses, { minLength: 1 }), (targets) => {
      const { members } = computeClosure(snapshot, targets)
      t.deepEqual(computeClosure(snapshot, members).members, members)
      t.false(members.some((member) => bridges.has(member)))
      t.true(targets.every((target) => bridges.has(target) || members.includes(target)))
    }),
    { numRuns: 40 },
  )
}

test('both of two equal cards: nothing else has their ids', async (t) => {
  const closure = computeClosure(await open(t, 'starship-equal-gpus'), ['0000:42:00.0', '0000:61:00.0'])
  t.deepEqual(closure.sharedIds, {})
  t.deepEqual(closure.targets, ['0000:42:00.0', '0000:61:00.0'])
  t.is(closure.members.length, 4)
  t.is(closure.verdict, 'ok')
})

test('a whole group that is named is not refused for being shared', async (t) => {
  const closure = computeClosure(await open(t, 'z390-one-group'), ['0000:01:00.0', '0000:02:00.0'])
  t.is(closure.members.length, 6)
  t.is(closure.verdict, 'ok')
})

test('the refusal names what is in the way', async (t) => {
  const { diagnostics } = computeClosure(await open(t, 'z390-one-group'), ['0000:01:00.0'])
  const refusal = diagnostics.find(({ code }) => code === 'GROUP_SHARED')
  t.is(refusal?.severity, 'error')
  t.deepEqual(
    refusal?.evidence?.map((line) => formatSlot(line.split(' ')[0] ?? '')),
    ['0000:02:00', '0000:02:00'],
  )
})
