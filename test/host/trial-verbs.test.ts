import type { ExecutionContext } from 'ava'
import { abortTrial, confirmTrial, recoverRecord } from '../../src/host/end-trial.ts'
import { readRecords } from '../../src/host/read-records.ts'
import { readStatus, type BootStatus } from '../../src/host/read-status.ts'
import { planRollback } from '../../src/host/rollback.ts'
import { isRoot, localHost } from './agent-hosts.ts'
import { makeCutAgent, type CutAgent } from './cut-agent.ts'
import { testUnless } from './skip.ts'
import { boot, makeTrialTree, readLive, stage, type TrialTree } from './trial-trees.ts'

const test = testUnless(isRoot ? null : 'needs root, for owners')
const by = { by: 'tester@controller' }

/** What the controller asks, answered by the real agent: on a tree, whose boots are told by its /proc/cmdline. */
async function status(t: ExecutionContext, { root }: TrialTree): Promise<BootStatus> {
  const read = await readStatus(localHost(root), by)
  if (!read.ok) throw new Error(JSON.stringify(read.diagnostics))
  t.not(read.status.bootId, '')
  return read.status
}

type Staged = { readonly agent: CutAgent; readonly host: TrialTree; readonly id: string }

function stageOne(t: ExecutionContext): Staged {
  const agent = makeCutAgent(t)
  const host = makeTrialTree(t)
  const { id, run } = stage(agent, host)
  t.is(run.outcome, 'staged', run.text)
  return { agent, host, id }
}

function enterTrial(t: ExecutionContext): Staged {
  const staged = stageOne(t)
  const { agent, host, id } = staged
  agent.runFunction(host.root, id, 'arm_trial')
  boot(host.root, id)
  agent.run(host.root, 'early')
  return staged
}

test('a host without records', async (t) => {
  t.like(await status(t, makeTrialTree(t)), { token: null, open: null, last: null, previousBoot: [] })
})

test('staged: it waits, and its way back changes what acted at once alone', async (t) => {
  const { host, id } = stageOne(t)
  t.like(await status(t, host), { token: null, open: { id, state: 'staged', secondsLeft: null } })
  const [record] = (await readRecords(localHost(host.root), by)).records
  t.like(record, { id, state: 'staged' })
  const plan = await planRollback(localHost(host.root), by)
  t.deepEqual(
    plan.changes.map(({ target }) => target),
    ['/sys/devices/system/cpu/governor'],
  )
  t.like(plan, { reboot: 'none', regenerate: [] })
  const end = await abortTrial(localHost(host.root), { ...by, id })
  t.like(end, { outcome: 'reverted', state: 'reverted' })
  t.deepEqual(readLive(host.root), host.before)
  t.like(await status(t, host), { open: null, last: { id, state: 'reverted', reason: { code: 'ABORTED' } } })
})

test('in its trial, confirmed', async (t) => {
  const { host, id } = enterTrial(t)
  t.like(await status(t, host), { token: id, open: { id, state: 'trial' } })
  t.is((await planRollback(localHost(host.root), by)).reboot, 'needed')
  t.like(await confirmTrial(localHost(host.root), { ...by, id }), { outcome: 'committed', state: 'committed' })
  t.deepEqual(readLive(host.root), host.after)
  t.like(await status(t, host), { open: null, last: { id, state: 'committed', reason: null } })
})

test('booted without the trial: recovery ends it, the reason is told, confirming is too late', async (t) => {
  const { agent, host, id } = enterTrial(t)
  boot(host.root, null)
  agent.run(host.root, 'early')
  t.like(await status(t, host), { token: null, open: { id } })
  t.is((await recoverRecord(localHost(host.root), { ...by, id })).outcome, 'done')
  const { open, last } = await status(t, host)
  t.is(open, null)
  t.is(last?.state, 'reverted')
  t.regex(last?.reason?.code ?? '', /^[A-Z_]+$/)
  t.not(last?.reason?.code, 'ABORTED')
  const [record] = (await readRecords(localHost(host.root), by)).records
  t.is(record?.state, 'reverted')
  t.deepEqual(record?.reason, last?.reason)
  t.is((await confirmTrial(localHost(host.root), { ...by, id })).outcome, 'refused')
  t.deepEqual(readLive(host.root), host.before)
})
