import type { ExecutionContext } from 'ava'
import { readFileSync } from 'node:fs'
import { planTasks, readsOfSaved } from '../../src/commands/plan-input.ts'
import { hasErrors } from '../../src/core/diagnostic.ts'
import type { HostPlan, ResolvedTask } from '../../src/core/plan.ts'
import type { TreeEntry } from '../../src/host/tree.ts'
import { demoTree, makeTree, snapshotOf } from '../host-trees/open-tree.ts'
import { isRoot, nextId, readHost } from './agent-hosts.ts'
import { cutPoints, forgetRecords, makeCutAgent, stateOf, type CutAgent } from './cut-agent.ts'
import { testUnless } from './skip.ts'

const test = testUnless(isRoot ? null : 'needs root, for owners')

/** A task of every module: among them they make every kind of change that a tree can have. */
const tasks: readonly (readonly [string, unknown])[] = [
  ['kernel_cmdline', { present: ['iommu=pt'], absent: ['quiet'] }],
  ['grub_cmdline', { present: ['panic=10'], entries: 'all' }],
  ['acs_override', { functions: ['downstream'] }],
  ['vfio_ids', { ids: ['10de:1c82', '10de:0fb9'] }],
  ['driver_override', { devices: ['0000:2d:00.2'] }],
  ['passthrough', { devices: ['0000:2b:00.0'], bind: 'ids' }],
  ['initramfs', { modules: ['vfio_pci', 'vfio'] }],
  ['modules_load', { modules: ['vfio_pci'] }],
  ['hugepages', { pages: [{ size: '2M', count: 512, node: 0 }], at: 'runtime' }],
  ['cpufreq_governor', { governor: 'performance' }],
  ['irqbalance', { state: 'disabled', banned_cpus: '4-7' }],
]

type Host = { readonly root: string; readonly plan: HostPlan; readonly before: readonly TreeEntry[] }

async function makeHost(t: ExecutionContext): Promise<Host> {
  const root = makeTree(t, readFileSync(demoTree, 'utf8'))
  const source = { file: 'playbook.yaml', line: 1, column: 1 }
  const accept = new Map([
    ['ACS_OVERRIDE', 'a test'],
    ['GROUP_SHARED', 'a test'],
  ])
  const resolved = tasks.map(([module, params]): ResolvedTask => ({
    play: 'p',
    name: module,
    module,
    params,
    accept,
    adopt: false,
    source,
    locate: () => source,
  }))
  const snapshot = await snapshotOf(root, readsOfSaved(resolved))
  const plan = planTasks(resolved, snapshot, { prune: false })
  const problems = [...plan.diagnostics, ...plan.tasks.flatMap(({ diagnostics }) => diagnostics)]
  t.false(hasErrors(problems), JSON.stringify(problems, null, 1))
  return { root, plan, before: readHost(root) }
}

/** What the tree is like when everything was done. */
function applyWhole(t: ExecutionContext, agent: CutAgent, { root, plan, before }: Host): readonly TreeEntry[] {
  const applied = agent.apply(root, plan, nextId())
  t.is(applied.outcome, 'committed', applied.text)
  const after = readHost(root)
  t.notDeepEqual(after, before)
  return after
}

function rollBack(t: ExecutionContext, agent: CutAgent, { root, before }: Host): void {
  const back = agent.call(root, { verb: 'rollback' })
  t.is(back.outcome, 'reverted', back.text)
  t.deepEqual(readHost(root), before)
}

test('all kinds of changes that a tree can have are among these', async (t) => {
  const { plan } = await makeHost(t)
  const kinds = new Set(plan.changes.map(({ kind }) => kind))
  t.deepEqual([...kinds].toSorted(), ['attribute', 'directory', 'file', 'kernel-module', 'unit'])
})

test('an apply that is killed before any call ends wholly as before or wholly done, and the next one works', async (t) => {
  t.timeout(5_400_000)
  const agent = makeCutAgent(t)
  const host = await makeHost(t)
  const { root, plan, before } = host
  const after = applyWhole(t, agent, host)
  rollBack(t, agent, host)
  const seen: Record<string, number> = {}
  for (const point of cutPoints(7, 53)) {
    forgetRecords(root)
    agent.cutAt(point)
    const run = agent.apply(root, plan, nextId())
    if (!agent.wasCut()) {
      t.is(run.outcome, 'committed', `after ${point}: ${run.text}`)
      break
    }
    const recovered = agent.call(root, { verb: 'recover' })
    t.is(recovered.outcome, 'done', `cut ${point}: ${run.text}\n${recovered.text}`)
    const state = stateOf(root)
    // Of a record that never began nobody hears; the next one that takes the lock clears away after it.
    if (state === 'none') agent.run(root, 'recover')
    seen[state] = (seen[state] ?? 0) + 1
    t.deepEqual(readHost(root), state === 'committed' ? after : before, `cut ${point}: ${run.text}\n${recovered.text}`)
    if (state === 'committed') rollBack(t, agent, host)
  }
  t.true((seen['reverted'] ?? 0) > 0)
  rollBack(t, agent, host)
  t.log(seen)
})

test('a rollback that is killed before any call is gone through to its end', async (t) => {
  t.timeout(5_400_000)
  const agent = makeCutAgent(t)
  const host = await makeHost(t)
  const { root, before } = host
  let cuts = 0
  for (const point of cutPoints(15, 31)) {
    forgetRecords(root)
    const after = applyWhole(t, agent, host)
    agent.cutAt(point)
    const run = agent.call(root, { verb: 'rollback' })
    if (!agent.wasCut()) {
      t.is(run.outcome, 'reverted', run.text)
      break
    }
    cuts += 1
    const recovered = agent.call(root, { verb: 'recover' })
    t.is(recovered.outcome, 'done', `cut ${point}: ${run.text}\n${recovered.text}`)
    // What was not begun is not finished.
    if (stateOf(root) === 'committed') {
      agent.run(root, 'recover')
      t.deepEqual(readHost(root), after, `cut ${point}`)
      rollBack(t, agent, host)
    }
    t.is(stateOf(root), 'reverted', `cut ${point}`)
    t.deepEqual(readHost(root), before, `cut ${point}: ${run.text}\n${recovered.text}`)
  }
  t.log(`${cuts} cuts`)
})

test('a recovery that is killed before any call is gone through to its end by the next', async (t) => {
  t.timeout(5_400_000)
  const agent = makeCutAgent(t)
  const { root, plan, before } = await makeHost(t)
  let cuts = 0
  for (const point of cutPoints(8, 29)) {
    forgetRecords(root)
    // Near the end: the most is to be taken back.
    agent.cutAt(150)
    const run = agent.apply(root, plan, nextId())
    t.true(agent.wasCut(), run.text)
    agent.cutAt(point)
    agent.run(root, 'recover')
    const isCut = agent.wasCut()
    if (isCut) cuts += 1
    const recovered = agent.call(root, { verb: 'recover' })
    t.is(recovered.outcome, 'done', `cut ${point}: ${recovered.text}`)
    t.is(stateOf(root), 'reverted', `cut ${point}`)
    t.deepEqual(readHost(root), before, `cut ${point}: ${recovered.text}`)
    if (!isCut) break
  }
  t.log(`${cuts} cuts`)
})
