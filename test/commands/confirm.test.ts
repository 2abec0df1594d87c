import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { runApply } from '../../src/commands/apply.ts'
import { runConfirm } from '../../src/commands/confirm.ts'
import { runPlan } from '../../src/commands/plan.ts'
import { runReboot } from '../../src/commands/reboot.ts'
import { runRecords } from '../../src/commands/records.ts'
import { runRollback } from '../../src/commands/rollback.ts'
import type { CommandOptions } from '../../src/commands/run-context.ts'
import { makeFakeHosts, runCommand, type World } from './fake-host.ts'

const fakes = makeFakeHosts()
const playbook = join(fakes.directory, 'small.yaml')
writeFileSync(playbook, '- hosts: all\n  tasks:\n    - kernel_cmdline: {present: ["iommu=pt"]}\n')

type Staged = NonNullable<World['record']>
let staged: Staged

test.before(async (t) => {
  fakes.add('maker', {})
  await runCommand(t, runApply, { ...to('maker'), args: [playbook], yes: true })
  staged = fakes.read('maker').record as Staged
})

test.after.always(() => fakes.remove())

function to(host: string): CommandOptions {
  return { inventory: [`${host},`] }
}

/** A record in this state, and the boot that fits it. */
function inState(state: string, reason?: { code: string; text: string }): Pick<World, 'record' | 'onTrial'> {
  return { record: { ...staged, state, ...(reason && { reason }) }, onTrial: state === 'trial' }
}

const deadline = { code: 'DEADLINE', text: 'nobody confirmed the trial boot within 600 s' }
const aborted = { code: 'ABORTED', text: 'somebody took it back' }

type Confirmed = {
  readonly world: () => World
  readonly options?: CommandOptions
  readonly code: number
  readonly host: Record<string, unknown>
  readonly codes: readonly string[]
  readonly next: readonly string[]
  readonly log: readonly string[]
}

const cases: Record<string, Confirmed> = {
  'a trial that booted as predicted is committed': {
    world: () => inState('trial'),
    code: 0,
    host: { status: 'ok', state: 'committed', reboot: 'done' },
    codes: [],
    next: ['passway rollback -i HOST,'],
    log: ['status', 'records', 'probe', 'confirm'],
  },
  'one that did not is refused, and the way to confirm it all the same is told': {
    world: () => ({ ...inState('trial'), differs: true }),
    code: 1,
    host: { status: 'refused', state: 'trial', reboot: 'done' },
    codes: ['BOOT_DIFFERS'],
    next: ['passway rollback -i HOST, --reboot'],
    log: ['status', 'records', 'probe'],
  },
  '--force confirms it all the same': {
    world: () => ({ ...inState('trial'), differs: true }),
    options: { force: true },
    code: 0,
    host: { status: 'ok', state: 'committed' },
    codes: ['BOOT_DIFFERS'],
    next: ['passway rollback -i HOST,'],
    log: ['status', 'records', 'probe', 'confirm'],
  },
  'without a prediction nobody confirms by accident': {
    world: () => ({ ...inState('trial'), record: { id: staged.id, state: 'trial', document: {} } }),
    code: 1,
    host: { status: 'refused', state: 'trial' },
    codes: ['TRIAL_UNCOMPARED'],
    next: ['passway rollback -i HOST, --reboot'],
    log: ['status', 'records'],
  },
  'what waits for its boot cannot be confirmed': {
    world: () => inState('staged'),
    code: 1,
    host: { status: 'refused', state: 'staged', reboot: 'needed' },
    codes: ['TRIAL_NOT_BOOTED'],
    next: ['passway reboot -i HOST,'],
    log: ['status'],
  },
  'a boot without the trial: the host ends the record, and says why': {
    world: () => ({ ...inState('armed'), limbo: true }),
    code: 1,
    host: { status: 'failed', state: 'reverted' },
    codes: ['TRIAL_REVERTED'],
    next: ['passway records -i HOST,'],
    log: ['status', 'recover', 'status'],
  },
  'too late: it was taken back': {
    world: () => inState('reverted', deadline),
    code: 1,
    host: { status: 'failed', state: 'reverted' },
    codes: ['TRIAL_REVERTED'],
    next: ['passway records -i HOST,'],
    log: ['status'],
  },
  'nothing is open': {
    world: () => inState('committed'),
    code: 0,
    host: { status: 'ok', state: 'committed', reboot: 'none' },
    codes: [],
    next: [],
    log: ['status'],
  },
  'nothing is open, after a person took the last one back': {
    world: () => inState('reverted', aborted),
    code: 0,
    host: { status: 'ok', state: 'reverted', reboot: 'none' },
    codes: [],
    next: [],
    log: ['status'],
  },
}

for (const [index, [title, expected]] of Object.entries(cases).entries()) {
  test(`confirm: ${title}`, async (t) => {
    const name = `box${index}`
    fakes.add(name, expected.world())
    const { code, hosts } = await runCommand(t, runConfirm, { ...to(name), ...expected.options, json: true })
    const [host] = hosts
    t.is(code, expected.code)
    t.like(host, expected.host)
    const diagnostics = host?.['diagnostics'] as readonly { readonly code: string }[]
    t.deepEqual(
      diagnostics.map((found) => found.code),
      expected.codes,
    )
    t.deepEqual(
      host?.next,
      expected.next.map((command) => command.replace('HOST', name)),
    )
    t.deepEqual(fakes.readLog(name), expected.log)
  })
}

test('confirm: several hosts at once, one of them not there', async (t) => {
  for (const name of ['fleet1', 'fleet2']) fakes.add(name, inState('trial'))
  fakes.add('fleet3', { coming: Array.from({ length: 50 }, () => 'down') })
  const options = { inventory: ['fleet1,fleet2,fleet3,'], json: true }
  const { code, hosts } = await runCommand(t, runConfirm, options)
  t.is(code, 4)
  t.deepEqual(
    hosts.map(({ host, status, state }) => [host, status, state]),
    [
      ['fleet1', 'ok', 'committed'],
      ['fleet2', 'ok', 'committed'],
      ['fleet3', 'unreachable', null],
    ],
  )
})

test('confirm: what people read when it is not as predicted', async (t) => {
  fakes.add('words', { ...inState('trial'), differs: true, secondsLeft: 300 })
  const { stdout } = await runCommand(t, runConfirm, to('words'))
  t.regex(stdout, /^words {2}not confirmed; unconfirmed it takes it back by \d\d:\d\d:\d\d UTC/m)
  t.regex(stdout, /not {3}kernel command line: predicted .*iommu=pt, seen/)
  t.regex(stdout, /passway confirm -i words, --force commits it all the same/)
})

test('rollback of what waits for its boot: nothing has changed, nothing is rebooted', async (t) => {
  fakes.add('waiting', inState('staged'))
  const run = await runCommand(t, runRollback, { ...to('waiting'), yes: true, reboot: true })
  t.is(run.code, 0)
  t.regex(run.stdout, /its trial has not been booted/)
  t.false(/reboot +needed/.test(run.stdout))
  t.deepEqual(fakes.readLog('waiting'), ['read', 'rollback'])
})

test('rollback --reboot of a trial that runs: taken back, and rebooted out of it', async (t) => {
  fakes.add('running', { ...inState('trial'), scripts: [['down', 'old']] })
  const run = await runCommand(t, runRollback, { ...to('running'), yes: true, reboot: true })
  t.is(run.code, 0)
  t.regex(run.stdout, /its trial runs/)
  t.regex(run.stdout, /running {2}rolled back/)
  const log = fakes.readLog('running')
  t.true(log.indexOf('rollback') < log.indexOf('reboot'), log.join(' '))
})

test('reboot of a host that runs its trial is refused: it would take the trial back', async (t) => {
  fakes.add('busy', inState('trial'))
  const { code, hosts } = await runCommand(t, runReboot, { ...to('busy'), json: true })
  t.is(code, 1)
  t.like(hosts[0], { status: 'refused', state: 'trial', reboot: 'none', next: ['passway confirm -i busy,'] })
  t.false(fakes.readLog('busy').includes('reboot'))
})

test('a second apply while a record is open: the plan notes it, apply is refused with the three ways', async (t) => {
  fakes.add('open', inState('staged'))
  const place = join(fakes.directory, 'open/tree/var/lib/passway/records', staged.id)
  mkdirSync(place, { recursive: true })
  for (const [file, text] of [
    ['state', 'staged'],
    ['seq', '1'],
  ] as const)
    writeFileSync(join(place, file), `${text}\n`)
  const planned = await runCommand(t, runPlan, { ...to('open'), args: [playbook] })
  t.is(planned.code, 0)
  t.regex(planned.stdout, /note TRIAL_OPEN: record \S+ is open there \(staged\)/)
  const applied = await runCommand(t, runApply, { ...to('open'), args: [playbook], yes: true })
  t.is(applied.code, 1)
  t.regex(applied.stdout, /RECORD_OPEN/)
  t.regex(applied.stdout, /passway reboot.*passway confirm.*passway rollback/)
})

for (const [state, words] of [
  ['staged', 'staged {7}.*\n +waits for the boot that tries it: passway reboot'],
  ['trial', 'trial {8}.*\n +its trial runs: passway confirm keeps it'],
  ['reverted', 'reverted {5}.*\n +DEADLINE: nobody confirmed the trial boot within 600 s'],
] as const) {
  test(`records: ${state}`, async (t) => {
    fakes.add(`listed-${state}`, inState(state, state === 'reverted' ? deadline : undefined))
    const { code, stdout } = await runCommand(t, runRecords, to(`listed-${state}`))
    t.is(code, 0)
    t.regex(stdout, new RegExp(words))
  })
}
