import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { runApply } from '../../src/commands/apply.ts'
import { runReboot } from '../../src/commands/reboot.ts'
import type { CommandOptions } from '../../src/commands/run-context.ts'
import { makeFakeHosts, runCommand, type World } from './fake-host.ts'

const fakes = makeFakeHosts()
const playbook = join(fakes.directory, 'small.yaml')
writeFileSync(playbook, '- hosts: all\n  tasks:\n    - kernel_cmdline: {present: ["iommu=pt"]}\n')

let staged: NonNullable<World['record']>

/** One record as apply makes it; the scenarios begin with it. */
test.before(async (t) => {
  fakes.add('maker', {})
  const { code } = await runCommand(t, runApply, { ...to('maker'), args: [playbook], yes: true })
  t.is(code, 0)
  staged = fakes.read('maker').record as NonNullable<World['record']>
})

test.after.always(() => fakes.remove())

function to(host: string): CommandOptions {
  return { inventory: [`${host},`] }
}

test('apply stages what takes effect at boot, and says how to go on', async (t) => {
  fakes.add('stage', {})
  const { code, hosts } = await runCommand(t, runApply, { ...to('stage'), args: [playbook], yes: true, json: true })
  t.is(code, 0)
  const [host] = hosts
  t.like(host, { status: 'ok', state: 'staged', reboot: 'needed' })
  t.deepEqual(host?.next, ['passway reboot -i stage,', 'passway rollback -i stage,'])
  const { manifest = '' } = fakes.read('stage')
  t.regex(manifest, /^trial\t\S+$/m)
  t.regex(manifest, /^boot\t1$/m)
  t.regex(manifest, /^confirm-within\t600$/m)
  t.false(fakes.readLog('stage').includes('reboot'))
})

test('apply --no-trial writes at once', async (t) => {
  fakes.add('plain', {})
  const options = { ...to('plain'), args: [playbook], yes: true, trial: false, json: true }
  const { code, hosts } = await runCommand(t, runApply, options)
  t.is(code, 0)
  t.like(hosts[0], { state: 'committed', reboot: 'needed' })
  t.false(/^(trial|boot|confirm-within)\t/m.test(fakes.read('plain').manifest ?? ''))
})

test('apply --reboot: staged, tried, compared, confirmed over connections of their own', async (t) => {
  fakes.add('whole', { scripts: [['down', 'trial']] })
  const options = { ...to('whole'), args: [playbook], yes: true, reboot: true, confirmWithin: 300_000 }
  const { code, stdout, stderr } = await runCommand(t, runApply, options)
  t.is(code, 0)
  t.regex(stdout, /whole {2}tried by a boot and committed/)
  t.regex(stdout, /booted as predicted/)
  t.regex(stderr, /unless that is confirmed within 5 min it takes everything back/)
  t.regex(stderr, /sh \/mnt\/var\/lib\/passway\/agent\.sh rollback \S+ --root \/mnt/)
  t.true(stderr.indexOf('at its console') < stderr.indexOf('rebooting into the trial'), 'before the reboot')
  t.deepEqual(fakes.readLog('whole'), [
    'probe',
    'apply',
    'records',
    'reboot',
    'login',
    'status',
    'probe',
    'confirm',
    'records',
  ])
  t.deepEqual(fakes.read('whole').told, ['reboot 300'])
})

type Scenario = {
  readonly world: Omit<World, 'record'>
  readonly options?: CommandOptions
  readonly expected: {
    readonly code: number
    readonly status: string
    readonly state: string
    readonly reboot: string
    readonly codes?: readonly string[]
    readonly next: readonly string[]
    /** In the text for people. */
    readonly text?: readonly RegExp[]
    /** What was asked of the host from the reboot on. */
    readonly log?: readonly string[]
  }
}

const back = { code: 1, status: 'failed', state: 'reverted', reboot: 'done' } as const
const shortly = { rebootTimeout: 200, confirmWithin: 200 }

const scenarios: Record<string, Scenario> = {
  confirmed: {
    world: { scripts: [['down', 'down', 'trial']] },
    expected: {
      code: 0,
      status: 'ok',
      state: 'committed',
      reboot: 'done',
      codes: [],
      next: ['passway rollback -i HOST,'],
      text: [/tried by a boot and committed/, /booted as predicted/],
      log: ['reboot', 'login', 'status', 'probe', 'confirm', 'records'],
    },
  },
  'held for a person': {
    world: { scripts: [['trial']], secondsLeft: 540 },
    options: { hold: true },
    expected: {
      code: 0,
      status: 'ok',
      state: 'trial',
      reboot: 'done',
      codes: [],
      next: ['passway confirm -i HOST,', 'passway rollback -i HOST, --reboot'],
      text: [/runs its trial; unconfirmed it takes it back by \d\d:\d\d:\d\d UTC/],
      log: ['reboot', 'login', 'status', 'probe', 'records'],
    },
  },
  'not as predicted: taken back and rebooted': {
    world: { scripts: [['trial'], ['down', 'old']], differs: true },
    expected: {
      ...back,
      codes: ['BOOT_DIFFERS'],
      next: ['passway records -i HOST,'],
      text: [/not {3}kernel command line/, /was taken back, and it booted without it/],
      log: ['reboot', 'login', 'status', 'probe', 'probe', 'probe', 'rollback', 'reboot', 'login', 'status'],
    },
  },
  'not as predicted, and guests were started: they do not keep it': {
    world: { scripts: [['trial'], ['old']], differs: true },
    expected: { ...back, codes: ['BOOT_DIFFERS'], next: ['passway records -i HOST,'] },
  },
  'reverted by itself: why, and the last kernel lines': {
    world: {
      scripts: [['down', 'old']],
      reason: { code: 'TRIAL_FAILED', text: 'the trial was booted and ended early' },
      kernelLines: ['Kernel panic - not syncing: VFS', '---[ end Kernel panic'],
    },
    expected: {
      ...back,
      codes: ['TRIAL_REVERTED'],
      next: ['passway records -i HOST,'],
      text: [/by itself: the trial was booted and ended early \(TRIAL_FAILED\)/, /Kernel panic - not syncing: VFS/],
      log: ['reboot', 'login', 'status'],
    },
  },
  'back without the trial, the record still open: the host ends it when it is spoken to': {
    world: { scripts: [['old']], limbo: true },
    expected: {
      ...back,
      codes: ['TRIAL_REVERTED'],
      next: ['passway records -i HOST,'],
      log: ['reboot', 'login', 'status', 'recover', 'status'],
    },
  },
  'the deadline was faster than confirming': {
    world: { scripts: [['trial'], ['down', 'down', 'old']], confirm: 'late' },
    expected: {
      ...back,
      codes: ['NOT_IN_TRIAL', 'TRIAL_REVERTED'],
      next: ['passway records -i HOST,'],
      text: [/warning NOT_IN_TRIAL/, /nobody confirmed the trial boot within 600 s \(DEADLINE\)/],
    },
  },
  'the commit fails on the host: rebooted out of the trial': {
    world: { scripts: [['trial'], ['old']], confirm: 'fails' },
    expected: {
      ...back,
      codes: ['TRIAL_DIFFERS'],
      next: ['passway records -i HOST,'],
      log: ['reboot', 'login', 'status', 'probe', 'confirm', 'reboot', 'login', 'status'],
    },
  },
  'the connection is cut while it commits: the host says how it ended': {
    world: { scripts: [['trial']], confirm: 'cut' },
    expected: {
      code: 0,
      status: 'ok',
      state: 'committed',
      reboot: 'done',
      next: ['passway rollback -i HOST,'],
    },
  },
  'not reached any more: what the host does, and by when': {
    world: { scripts: [Array.from({ length: 500 }, () => 'down' as const)] },
    options: shortly,
    expected: {
      code: 4,
      status: 'unreachable',
      state: 'armed',
      reboot: 'needed',
      codes: ['HOST_NOT_BACK'],
      next: ['ssh HOST true'],
      text: [/takes the trial back by itself and boots what it had before, which was due by \d\d:\d\d:\d\d UTC/],
    },
  },
  'a boot that takes its time to be as predicted': {
    world: { scripts: [['trial']], differs: 2 },
    expected: {
      code: 0,
      status: 'ok',
      state: 'committed',
      reboot: 'done',
      codes: [],
      next: ['passway rollback -i HOST,'],
      log: ['reboot', 'login', 'status', 'probe', 'probe', 'probe', 'confirm', 'records'],
    },
  },
  'it never goes down: what is armed stays so': {
    world: { scripts: [Array.from({ length: 500 }, () => 'same' as const)] },
    options: shortly,
    expected: {
      code: 1,
      status: 'failed',
      state: 'armed',
      reboot: 'needed',
      codes: ['REBOOT_NOT_BEGUN'],
      next: ['passway reboot -i HOST,'],
    },
  },
  'it is cut while it is told to reboot: it says itself what it did': {
    world: { scripts: [['trial']], cutsReboot: true },
    expected: {
      code: 0,
      status: 'ok',
      state: 'committed',
      reboot: 'done',
      next: ['passway rollback -i HOST,'],
      log: ['reboot', 'status', 'probe', 'confirm', 'records'],
    },
  },
  'the commit was cut and reverted by the host: rebooted out of the trial': {
    world: { scripts: [['trial'], ['old']], confirm: 'cut-fails' },
    expected: { ...back, next: ['passway records -i HOST,'] },
  },
  'somebody else takes it back meanwhile': {
    world: { scripts: [['trial']], confirm: 'aborted' },
    expected: {
      ...back,
      reboot: 'needed',
      codes: ['NOT_IN_TRIAL', 'TRIAL_ABORTED'],
      next: ['passway reboot -i HOST,'],
    },
  },
  '--soak: a plain boot proves what was written': {
    world: { scripts: [['trial'], ['down', 'old']] },
    options: { soak: true },
    expected: {
      code: 0,
      status: 'ok',
      state: 'committed',
      reboot: 'done',
      codes: [],
      next: ['passway rollback -i HOST,'],
      log: ['reboot', 'login', 'status', 'probe', 'confirm', 'reboot', 'login', 'probe', 'records'],
    },
  },
}

for (const [index, [title, { world, options = {}, expected }]] of Object.entries(scenarios).entries()) {
  test(`reboot: ${title}`, async (t) => {
    const name = `box${index}`
    fakes.add(name, { ...world, record: staged })
    const { code, hosts } = await runCommand(t, runReboot, { ...to(name), ...options, json: true })
    const [host] = hosts
    t.is(code, expected.code)
    t.like(host, { status: expected.status, state: expected.state, reboot: expected.reboot, record: staged.id })
    t.deepEqual(
      host?.next,
      expected.next.map((command) => command.replace('HOST', name)),
    )
    const diagnostics = host?.['diagnostics'] as readonly { code: string }[]
    if (expected.codes)
      t.deepEqual(
        diagnostics.map((found) => found.code),
        expected.codes,
      )
    const log = fakes.readLog(name)
    if (expected.log) t.deepEqual(log.slice(log.indexOf('reboot')), expected.log)
    if (expected.text === undefined) return
    fakes.add(`${name}-text`, { ...world, record: staged })
    const people = await runCommand(t, runReboot, { ...to(`${name}-text`), ...options })
    for (const pattern of expected.text) t.regex(people.stdout, pattern)
  })
}
