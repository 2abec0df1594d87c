import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import { runApply } from '../../src/commands/apply.ts'
import { endingWritten } from '../../src/commands/endings.ts'
import type { HostResult } from '../../src/commands/plan-hosts.ts'
import { rankByJumps } from '../../src/commands/rank-by-jumps.ts'
import { runReboot } from '../../src/commands/reboot.ts'
import type { CommandOptions, RunContext } from '../../src/commands/run-context.ts'
import { writePlan, type ApplyRun } from '../../src/commands/write-plan.ts'
import type { Change } from '../../src/core/change.ts'
import type { HostAddress } from '../../src/core/host-address.ts'
import { applyPlan } from '../../src/host/execute.ts'
import { keepChanges } from '../../src/host/keep-changes.ts'
import { applyOptions, change, file, planOf } from '../host/agent-hosts.ts'
import { testUnless } from '../host/skip.ts'
import { makeFakeHosts, runCommand, type World } from './fake-host.ts'

const fakes = makeFakeHosts()
const playbook = join(fakes.directory, 'small.yaml')
writeFileSync(playbook, '- hosts: all\n  tasks:\n    - kernel_cmdline: {present: ["iommu=pt"]}\n')

let staged: NonNullable<World['record']>

test.before(async (t) => {
  fakes.add('maker', {})
  const options = { inventory: ['maker,'], args: [playbook], yes: true }
  await runCommand(t, runApply, options)
  staged = fakes.read('maker').record as NonNullable<World['record']>
})

test.after.always(() => fakes.remove())

const gone = [Array.from({ length: 500 }, () => 'down' as const)]
const shortly = { rebootTimeout: 2000, confirmWithin: 100 }

/** An inventory of its own for a test. */
function inventory(name: string, hosts: Readonly<Record<string, Readonly<Record<string, unknown>>>>): CommandOptions {
  const path = join(fakes.directory, `${name}.yaml`)
  writeFileSync(path, JSON.stringify({ all: { hosts } }))
  return { inventory: [path] }
}

test('passway_power: a host that hangs is power-cycled once, with its name in the environment alone', async (t) => {
  fakes.add('hung', { scripts: gone, record: staged, reason: { code: 'TRIAL_FAILED', text: 'it ended early' } })
  const told = join(fakes.directory, 'hung/power')
  const power = ['/bin/sh', '-c', 'echo "$PASSWAY_HOST $PASSWAY_ADDRESS $#" >>"$0"', told, "it's; $(one) word"]
  const options = inventory('hung', { 'b%0': { ansible_host: 'hung', passway_power: power } })
  const { code, hosts, stderr } = await runCommand(t, runReboot, { ...options, ...shortly, json: true })
  t.is(code, 1)
  t.is(readFileSync(told, 'utf8'), 'b%0 hung 1\n')
  t.regex(stderr, /cycling its power \(passway_power\)/)
  t.like(hosts[0], { status: 'failed', state: 'reverted', reboot: 'done' })
  const found = hosts[0]?.['diagnostics'] as readonly { code: string }[]
  const codes = found.map((each) => each.code)
  t.deepEqual(codes, ['POWER_CYCLED', 'TRIAL_REVERTED'])
})

test('a power command that fails is told with its end; the host is not reached', async (t) => {
  fakes.add('stuck', { scripts: gone, record: staged })
  const options = inventory('stuck', { stuck: { passway_power: "/bin/sh -c 'echo no such BMC >&2; exit 3'" } })
  const { code, hosts } = await runCommand(t, runReboot, {
    ...options,
    rebootTimeout: 200,
    confirmWithin: 100,
    json: true,
  })
  t.is(code, 4)
  const diagnostics = hosts[0]?.['diagnostics'] as readonly { code: string; message: string; evidence: string[] }[]
  t.deepEqual(
    diagnostics.map((found) => found.code),
    ['POWER_FAILED', 'HOST_NOT_BACK'],
  )
  t.like(diagnostics[0], { message: '/bin/sh (passway_power) ended with status 3', evidence: ['no such BMC'] })
})

for (const [title, value, message] of [
  ['a quote that is not closed', "ipmitool 'x", 'a quote is not closed'],
  ['a number', 4, 'as text or as a list'],
  ['an empty list', [], 'as text or as a list'],
] as const) {
  test(`passway_power is refused: ${title}`, async (t) => {
    const options = inventory(`power-${title.length}`, { nobody: { passway_power: value } })
    const { code, stderr } = await runCommand(t, runReboot, options)
    t.is(code, 1)
    t.regex(stderr, new RegExp(`CONNECTION_INVALID: passway_power.*${message}`))
  })
}

const isStubbed = spawnSync('/bin/sh', ['-c', 'command -v sh'], { encoding: 'utf8' }).stdout.startsWith(fakes.directory)

testUnless(isStubbed ? null : 'sh would be the real one')(
  'this machine: the deadline and how to confirm are told, then it goes down; nobody waits',
  async (t) => {
    fakes.add('this-machine', { scripts: gone, record: staged })
    const options = inventory('local', { here: { ansible_connection: 'local' } })
    const { code, stdout, stderr } = await runCommand(t, runReboot, options)
    t.is(code, 0)
    t.regex(stdout, /here {2}goes down now and boots its trial; unconfirmed it takes it back by/)
    t.regex(stdout, /next: passway confirm -i \S+local\.yaml/)
    t.regex(stderr, /this machine goes down now; log in again and run: passway confirm/)
    t.deepEqual(fakes.readLog('this-machine'), ['records', 'reboot'])
  },
)

const host = (name: string, more: Partial<HostAddress> = {}): HostAddress => {
  return { name, connection: 'ssh', address: name, become: false, root: null, ...more }
}
const via = (...words: readonly string[]): Partial<HostAddress> => ({ commonArgs: words })

for (const [title, hosts, ranks] of [
  ['nobody jumps', [host('a'), host('b')], [0, 0]],
  ['-J', [host('gate'), host('a', via('-J', 'root@gate:22'))], [1, 0]],
  ['-J, by its address', [host('gate', { address: '10.0.0.1' }), host('a', via('-J10.0.0.1'))], [1, 0]],
  ['another port is another sshd', [host('gate', { port: 2222 }), host('a', via('-J', 'gate:22'))], [0, 0]],
  ['-o ProxyJump=', [host('gate'), host('a', via('-o', 'ProxyJump=ssh://me@gate'))], [1, 0]],
  ['-oProxyJump', [host('gate'), host('a', via('-oproxyjump gate'))], [1, 0]],
  ['two hops', [host('outer'), host('inner', via('-J', 'outer')), host('a', via('-J', 'outer,inner'))], [2, 1, 0]],
  ['IPv6', [host('gate', { address: 'fe80::1' }), host('a', via('-J', '[fe80::1]:22'))], [1, 0]],
  ['a circle', [host('a', via('-J', 'b')), host('b', via('-J', 'a'))], [1, 1]],
  ['this machine', [host('me', { connection: 'local' }), host('gate'), host('a', via('-J', 'gate'))], [2, 1, 0]],
  ['a tree here', [host('me', { connection: 'local', root: '/tree' }), host('a')], [0, 0]],
] as const) {
  test(`who reboots when: ${title}`, (t) => t.deepEqual(rankByJumps(hosts), ranks))
}

test('a jump host is rebooted after those behind it, even all at once; results keep their order', async (t) => {
  for (const name of ['gate', 'inner']) fakes.add(name, { scripts: [['old']] })
  const options = inventory('jump', { gate: {}, inner: { ansible_ssh_common_args: '-J gate' } })
  const { hosts, stderr } = await runCommand(t, runReboot, { ...options, serial: '100%', json: true })
  t.deepEqual(
    hosts.map((each) => each['host']),
    ['gate', 'inner'],
  )
  t.true(stderr.indexOf('inner: back') < stderr.indexOf('gate: rebooting'), stderr)
})

test('live changes: a new connection says that they stay', async (t) => {
  fakes.add('kept', { watch: 20 })
  const run = await runCommand(t, runApply, { inventory: ['kept,'], args: [playbook], yes: true, trial: false })
  t.is(run.code, 0)
  t.true(fakes.readLog('kept').includes('keep'))
  t.true(existsSync(join(fakes.directory, 'kept/keep')))
  t.regex(run.stderr, /that may have cut the network: logging in again\nkept: it is reached as before/)
})

test('live changes: nobody gets in any more, so the host takes them back and says so', async (t) => {
  fakes.add('cut', { watch: 2, cutsNetwork: true })
  const run = await runCommand(t, runApply, { inventory: ['cut,'], args: [playbook], yes: true, trial: false })
  t.is(run.code, 1)
  t.regex(run.stderr, /cut: nobody gets in: it takes the change back by itself/)
  t.regex(run.stdout, /cut {2}failed; everything is as it was before/)
  t.regex(run.stdout, /error UNREACHED: .*\n +hint: nobody could log in after the change/)
  t.false(fakes.readLog('cut').includes('keep'))
})

test('live changes: a connection that fell silent after one is given up long before ssh does', async (t) => {
  fakes.add('silent', { watch: 20, fallsSilent: true })
  const released: Change = { ...change('driver', '0000:01:00.0', 'e1000e', null), takesEffect: 'now' }
  const id = '20261121T081500Z-7f3a9c'
  const address: HostAddress = { name: 'silent', connection: 'ssh', address: 'silent', become: false, root: null }
  const started = Date.now()
  const result = await applyPlan(address, planOf([released]), {
    ...applyOptions(id),
    watchSeconds: 20,
    suspectAfterMs: 300,
    watchPausesMs: [20, 20],
    onEvent: ({ name }) => {
      if (name === 'waiting') void keepChanges(address, { id, by: 'tester', seconds: 20, intervalMs: 50 })
    },
  })
  t.is(result.outcome, 'committed')
  t.true(Date.now() - started < 40_000)
  t.deepEqual(fakes.readLog('silent'), ['apply', 'watch', 'keep'])
})

test('Ctrl-C while a trial boots: the host goes on by itself, and it is told how', async (t) => {
  fakes.add('left-alone', { scripts: gone, record: staged })
  const interrupt = new AbortController()
  const run = runCommand(t, runReboot, { inventory: ['left-alone,'], signal: interrupt.signal })
  while (!fakes.read('left-alone').coming) await pause(50)
  interrupt.abort()
  const { code, stdout } = await run
  t.is(code, 1)
  t.regex(stdout, /unconfirmed, it takes the trial back by itself and boots what it had before, by \d\d:\d\d:\d\d UTC/)
  t.regex(stdout, /next: passway confirm -i left-alone,/)
})

test('a plan for the boot of a host that nobody knows the boot of is not sent; --no-trial is offered', async (t) => {
  const changes = [{ ...change('file', '/etc/modprobe.d/x.conf', null, file('x')), takesEffect: 'boot' } as Change]
  const plan = planOf(changes, { reboot: 'needed', nextBoot: null })
  const places = { stateDirectory: '/var/lib/passway', rootDevice: null, mounts: [] }
  const target = { address: host('nowhere'), plays: [] }
  const planned = { target, plan, places, tasks: [] } as unknown as HostResult
  const run = { id: 'X', created: '', again: { verb: 'apply', playbooks: [] } } as unknown as ApplyRun
  const context = { options: {}, signal: new AbortController().signal } as unknown as RunContext
  const result = await writePlan(context, planned, run)
  t.like(result, { outcome: 'refused', record: null, diagnostics: [{ code: 'TRIAL_UNSUPPORTED' }] })
  const command = { verb: 'apply', playbooks: ['a.yaml'] }
  const ending = endingWritten(context, target.address, { result, boot: null, command })
  t.is(ending?.next, 'passway apply a.yaml -l nowhere --no-trial')
})
