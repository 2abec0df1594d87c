import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { isRoot, makeDirectory } from './agent-hosts.ts'
import { makeCutAgent, stateOf } from './cut-agent.ts'
import { testUnless } from './skip.ts'
import { boot, makeTrialTree, readLive, stage } from './trial-trees.ts'

const test = testUnless(isRoot ? null : 'needs root, for owners')

/** `PASSWAY_RACES=1000 ava --timeout=60m` */
const races = Number(process.env['PASSWAY_RACES'] ?? 12)

test('a confirmation that races the deadline: one of them wins, the state says which, and the files agree', async (t) => {
  t.timeout(3_600_000)
  const agent = makeCutAgent(t)
  const host = makeTrialTree(t)
  const { id } = stage(agent, host)
  agent.runFunction(host.root, id, 'arm_trial')
  boot(host.root, id)
  agent.run(host.root, 'early')
  t.is(stateOf(host.root), 'trial')
  const stored = join(makeDirectory(t), 'tree')
  t.is(spawnSync('cp', ['-a', host.root, stored]).status, 0)
  const won = { confirm: 0, expire: 0 }
  for (let race = 0; race < races; race += 1) {
    // Both start at once, or one of them up to 75 ms later.
    const lead = ((race % 11) - 5) * 15
    const start = async (verb: string, wait: number): Promise<string> => {
      await pause(Math.max(0, wait))
      return agent.start(host.root, verb, verb === 'confirm' ? id : '')
    }
    const [confirmed, expired] = await Promise.all([start('confirm', lead), start('expire', -lead)])
    const about = `race ${race}, ${lead} ms\n${confirmed}\n${expired}`
    const rebooted = /passway: reboot/.test(expired)
    const journal = readFileSync(join(host.root, 'var/lib/passway/records', id, 'journal'), 'latin1')
    if (stateOf(host.root) === 'committed') {
      won.confirm += 1
      t.false(rebooted, about)
      t.notRegex(journal, /^expired$/m, about)
      t.deepEqual(readLive(host.root), host.after, about)
    } else {
      won.expire += 1
      t.is(stateOf(host.root), 'trial', about)
      t.true(rebooted, about)
      t.regex(confirmed, /NOT_IN_TRIAL/, about)
      t.notRegex(journal, /^commit\t/m, about)
      // What the loader boots now is the old entry; its boot ends the record.
      boot(host.root, null)
      agent.run(host.root, 'early')
      agent.run(host.root, 'recover')
      t.is(stateOf(host.root), 'reverted', about)
      t.deepEqual(readLive(host.root), host.before, about)
    }
    spawnSync('rm', ['-rf', host.root])
    spawnSync('cp', ['-a', stored, host.root])
  }
  t.log(won)
  t.true(won.confirm > 0 && won.expire > 0)
})
