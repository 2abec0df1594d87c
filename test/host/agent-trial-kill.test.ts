import type { ExecutionContext } from 'ava'
import { isRoot } from './agent-hosts.ts'
import { cutPoints, forgetRecords, makeCutAgent, stateOf, type CutAgent } from './cut-agent.ts'
import { testUnless } from './skip.ts'
import { boot, makeTrialTree, readLive, stage, type TrialTree } from './trial-trees.ts'

const test = testUnless(isRoot ? null : 'needs root, for owners')

/** From nothing to a trial that waits, is armed, runs. */
function stageWhole(t: ExecutionContext, agent: CutAgent, host: TrialTree): string {
  const { id, run } = stage(agent, host)
  t.is(run.outcome, 'staged', run.text)
  t.deepEqual(readLive(host.root), host.staged)
  return id
}

function enterTrial(t: ExecutionContext, agent: CutAgent, host: TrialTree): string {
  const id = stageWhole(t, agent, host)
  const armed = agent.runFunction(host.root, id, 'arm_trial')
  t.is(stateOf(host.root), 'armed', armed.text)
  t.deepEqual(readLive(host.root), host.staged)
  boot(host.root, id)
  return id
}

function runTrial(t: ExecutionContext, agent: CutAgent, host: TrialTree): string {
  const id = enterTrial(t, agent, host)
  agent.run(host.root, 'early')
  t.is(stateOf(host.root), 'trial')
  t.deepEqual(readLive(host.root), host.after)
  return id
}

/** The old entry boots: files at once, the rest with the ordinary unit. */
function bootOld(agent: CutAgent, root: string): string {
  boot(root, null)
  const early = agent.run(root, 'early')
  const recovered = agent.run(root, 'recover')
  return `${early.text}\n${recovered.text}`
}

test('the whole way, and each way back', (t) => {
  const agent = makeCutAgent(t)
  const host = makeTrialTree(t)
  const id = runTrial(t, agent, host)
  const confirmed = agent.run(host.root, 'confirm', id)
  t.is(stateOf(host.root), 'committed', confirmed.text)
  t.deepEqual(readLive(host.root), host.after)
  const back = agent.call(host.root, { verb: 'rollback' })
  t.is(back.outcome, 'reverted', back.text)
  t.deepEqual(readLive(host.root), host.before)
  for (const leave of [
    (open: string) => agent.call(host.root, { verb: 'rollback', id: open }).text,
    () => bootOld(agent, host.root),
    (open: string) => {
      boot(host.root, open)
      return agent.run(host.root, 'expire').text + bootOld(agent, host.root)
    },
  ]) {
    forgetRecords(host.root)
    boot(host.root, null)
    const text = leave(runTrial(t, agent, host))
    t.is(stateOf(host.root), 'reverted', text)
    t.deepEqual(readLive(host.root), host.before, text)
  }
})

type Scenario = {
  readonly title: string
  readonly first: number
  readonly step: number
  /** Up to where it is cut. */
  readonly begin: (t: ExecutionContext, agent: CutAgent, host: TrialTree) => string
  /** What is cut. */
  readonly act: (agent: CutAgent, host: TrialTree, id: string) => unknown
  /** What may follow the cut; each is tried. */
  readonly next: readonly ((agent: CutAgent, host: TrialTree, id: string) => string)[]
  /** How it may end: state → which of the three hosts. */
  readonly ends: Readonly<Record<string, keyof Omit<TrialTree, 'root'>>>
}

const recover = (agent: CutAgent, { root }: TrialTree): string => agent.run(root, 'recover').text
const oldBoot = (agent: CutAgent, { root }: TrialTree): string => bootOld(agent, root)

const scenarios: readonly Scenario[] = [
  {
    title: 'staging',
    first: 9,
    step: 37,
    begin: () => '',
    act: (agent, host) => stage(agent, host),
    next: [recover, oldBoot],
    ends: { none: 'before', reverted: 'before', staged: 'staged' },
  },
  {
    title: 'arming',
    first: 2,
    step: 4,
    begin: stageWhole,
    act: (agent, { root }, id) => agent.runFunction(root, id, 'arm_trial'),
    next: [recover, oldBoot],
    ends: { staged: 'staged', armed: 'staged', reverted: 'before' },
  },
  {
    title: 'putting the files in place early in the boot',
    first: 5,
    step: 19,
    begin: enterTrial,
    act: (agent, { root }) => agent.run(root, 'early'),
    next: [oldBoot, (agent, { root }) => agent.run(root, 'early').text],
    ends: { reverted: 'before', trial: 'after' },
  },
  {
    title: 'confirming and committing',
    first: 3,
    step: 11,
    begin: runTrial,
    act: (agent, { root }, id) => agent.run(root, 'confirm', id),
    next: [oldBoot, (agent, { root }, id) => agent.run(root, 'recover').text + agent.run(root, 'confirm', id).text],
    ends: { committed: 'after', reverted: 'before' },
  },
  {
    title: 'the deadline',
    first: 3,
    step: 13,
    begin: runTrial,
    act: (agent, { root }) => agent.run(root, 'expire'),
    next: [oldBoot, (agent, host) => agent.run(host.root, 'expire').text + bootOld(agent, host.root)],
    ends: { reverted: 'before' },
  },
  {
    title: 'aborting',
    first: 6,
    step: 23,
    begin: runTrial,
    act: (agent, { root }, id) => agent.call(root, { verb: 'rollback', id }),
    next: [
      oldBoot,
      (agent, { root }, id) => agent.run(root, 'recover').text + agent.call(root, { verb: 'rollback', id }).text,
    ],
    ends: { reverted: 'before' },
  },
  {
    title: 'the boot that takes a trial back',
    first: 6,
    step: 29,
    begin: (t, agent, host) => {
      const id = runTrial(t, agent, host)
      boot(host.root, null)
      return id
    },
    act: (agent, { root }) => agent.run(root, 'early') && agent.run(root, 'recover'),
    next: [oldBoot, recover],
    ends: { reverted: 'before' },
  },
]

for (const { title, first, step, begin, act, next, ends } of scenarios) {
  test(`killed before any call: ${title}`, (t) => {
    t.timeout(3_600_000)
    const agent = makeCutAgent(t)
    const host = makeTrialTree(t)
    const seen: Record<string, number> = {}
    let turn = 0
    for (const point of cutPoints(first, step)) {
      forgetRecords(host.root)
      boot(host.root, null)
      const id = begin(t, agent, host)
      agent.cutAt(point)
      act(agent, host, id)
      const isCut = agent.wasCut()
      const text = next[turn % next.length]?.(agent, host, id) ?? ''
      turn += 1
      const state = stateOf(host.root)
      if (state === 'none') agent.run(host.root, 'recover')
      seen[state] = (seen[state] ?? 0) + 1
      const end = ends[state]
      t.truthy(end, `cut ${point}: ${state}\n${text}`)
      if (end !== undefined) t.deepEqual(readLive(host.root), host[end], `cut ${point}: ${state}\n${text}`)
      // Wherever it stands: the next command works.
      if (state !== 'none' && state !== 'reverted') {
        const back = agent.call(host.root, { verb: 'rollback', id })
        t.is(back.outcome, 'reverted', `cut ${point}: ${back.text}`)
        t.deepEqual(readLive(host.root), host.before, `cut ${point}: ${back.text}`)
      }
      if (!isCut) break
    }
    t.log(seen)
  })
}
