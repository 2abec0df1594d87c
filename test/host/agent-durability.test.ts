import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import type { Change } from '../../src/core/change.ts'
import { bootLine, formatSpool } from '../../src/host/bootstrap.ts'
import { formatBundle } from '../../src/host/bundle.ts'
import { readAgentProgram } from '../../src/host/programs.ts'
import {
  applyOptions,
  callFor,
  change,
  file,
  isRoot,
  makeDirectory,
  makeHost,
  nextId,
  planOf,
  readRun,
  type ShellRun,
} from './agent-hosts.ts'
import { bootGrub, grubTrialPlan, makeGrubTrialHost } from './grub-trial-hosts.ts'
import { testUnless } from './skip.ts'
import { formatTrial } from './trial-hosts.ts'
import { findViolations, tracedCalls, type Violation } from './trace-durability.ts'

/** In a container that forbids ptrace, strace is there and can do nothing. */
function findTraceObstacle(): string | null {
  if (!isRoot) return 'needs root'
  return spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0
    ? null
    : 'strace is not installed, or may not trace'
}

const test = testUnless(findTraceObstacle())

const tree = `file 0640 0:6 /etc/default/grub
|quiet
file 0600 0:0 /etc/modprobe.d/old.conf
|options old
link 0:0 /etc/moved -> default
link 0:0 /etc/gone -> default
dir 0755 0:0 /etc/empty
file 0644 0:0 /sys/governor
|powersave
file 0644 0:0 /lib/systemd/system/irqbalance.service
|[Install]
|WantedBy=multi-user.target
link 0:0 /etc/systemd/system/multi-user.target.wants/irqbalance.service -> /lib/systemd/system/irqbalance.service
`

const on = { enabled: true, active: null, masked: false }
const off = { ...on, enabled: false }
const grub = { content: 'quiet\n', mode: 0o640, uid: 0, gid: 6 }
const changes: readonly Change[] = [
  change('file', '/etc/default/grub', grub, { ...grub, content: 'quiet iommu=pt\n' }),
  change('file', '/etc/modprobe.d/old.conf', file('options old\n', 0o600), null),
  change('directory', '/etc/new.d', null, { mode: 0o750, uid: 0, gid: 0 }),
  change('directory', '/etc/new.d/deep', null, { mode: 0o750, uid: 0, gid: 0 }),
  change('file', '/etc/new.d/deep/a.conf', null, file('a\n')),
  change('link', '/etc/moved', { to: 'default' }, { to: 'new.d' }),
  change('link', '/etc/gone', { to: 'default' }, null),
  change('link', '/etc/made', null, { to: 'new.d' }),
  change('directory', '/etc/empty', { mode: 0o755, uid: 0, gid: 0 }, null),
  change('attribute', '/sys/governor', 'powersave', 'performance'),
  change('unit', 'irqbalance.service', on, off),
  change('file', '/etc/systemd/system/passway-x.service', null, file('[Install]\nWantedBy=sysinit.target\n')),
  change('unit', 'passway-x.service', null, on),
]

const few = changes.filter(({ kind, target }) => /new\.d|default\/grub/.test(target) || kind === 'unit').slice(0, -1)

type Traced = { readonly run: ShellRun; readonly violations: readonly Violation[]; readonly trace: string }

/** `inside`: on the host that is the directory `root`. */
function trace(t: ExecutionContext, program: string, data: string, root: string, inside = false): Traced {
  const shell = [...(inside ? ['chroot', root] : []), 'sh', '-c', bootLine, 'passway', 'nonce']
  return traceCommand(t, shell, formatSpool(program, data), root, inside)
}

function traceCommand(
  t: ExecutionContext,
  command: readonly string[],
  input: string,
  root: string,
  inside: boolean,
): Traced {
  const log = join(makeDirectory(t), 'trace')
  const words = ['-f', '-y', '-s', '300', '-e', `trace=${tracedCalls.join(',')}`, '-e', 'signal=none', '-o', log]
  const end = spawnSync('strace', [...words, ...command], { input, encoding: 'latin1' })
  const text = readFileSync(log, 'latin1')
  return { run: readRun(end.stdout + end.stderr), violations: findViolations(text, root, inside), trace: text }
}

function bundle(root: string, program: string, some = changes): string {
  return formatBundle(planOf(some), { ...applyOptions(nextId()), root, agentProgram: program })
}

test('each change is announced on disk before, and on disk before it is called done: apply and rollback', (t) => {
  const root = makeHost(t, tree)
  const program = readAgentProgram()
  const applied = trace(t, program, bundle(root, program), root)
  t.is(applied.run.outcome, 'committed', applied.run.text)
  t.deepEqual(applied.violations, [])
  t.true(applied.trace.split('fsync(').length > changes.length * 3)
  const back = trace(t, program, callFor({ verb: 'rollback', root }), root)
  t.is(back.run.outcome, 'reverted', back.run.text)
  t.deepEqual(back.violations, [])
})

test('the same when a failure takes everything back', (t) => {
  const root = makeHost(t, tree)
  const program = readAgentProgram()
  const failing = [...changes, change('unit', 'nowhere.service', null, on)]
  const data = formatBundle(planOf(failing), { ...applyOptions(nextId()), root, agentProgram: program })
  const run = trace(t, program, data, root)
  t.is(run.run.outcome, 'reverted', run.run.text)
  t.deepEqual(run.violations, [])
})

/** Agents that forget one of these, and what is found out about them. */
const careless: readonly (readonly [string, string, string, RegExp])[] = [
  ['nothing is synced', 'durable() {', 'durable() {\n  return 0', /before its bytes are on disk/],
  ['files are not synced', '[ -L "$1" ] || durable "$1"', ':', /before its bytes are on disk/],
  ['directories are not synced', 'durable "${2%/*}"', ':', /before \S+\/(?:etc|default|deep)\S* is on disk/],
  [
    'the journal is not synced',
    '>>"$record/journal" && durable_record',
    '>>"$record/journal"',
    /before \S+\/journal is on disk/,
  ],
  ['nothing is announced', 'journal_intent "$2" &&', '', /the journal says/],
  ['the state is not synced', 'durable_record &&', '', /state is replaced before/],
  ['what was there is not synced', 'durable_files "$record/before"', ':', /before \S+\/before\/\d+ is on disk/],
]

for (const [title, found, instead, expected] of careless) {
  test(`it is noticed when ${title}`, (t) => {
    const root = makeHost(t, tree)
    const program = readAgentProgram().replaceAll(found, instead)
    t.not(program, readAgentProgram())
    const { run, violations } = trace(t, program, bundle(root, program, few), root)
    t.is(run.outcome, 'committed', run.text)
    t.true(
      violations.some(({ text }) => expected.test(text)),
      JSON.stringify(violations, null, 1),
    )
  })
}

/** From staging to the commit, each step traced; `steps` are what was done and what was found. */
function traceTrial(t: ExecutionContext, program = readAgentProgram()): readonly (readonly [string, Traced])[] {
  const root = makeGrubTrialHost(t)
  const id = nextId()
  const call = (verb: 'reboot' | 'confirm' | 'rollback') => trace(t, program, callFor({ verb, id }), root, true)
  const staged = trace(t, program, formatTrial(grubTrialPlan(), id, program), root, true)
  const armed = call('reboot')
  bootGrub(root, id, false)
  const early = traceCommand(t, ['chroot', root, 'sh', '/var/lib/passway/agent.sh', 'early'], '', root, true)
  const steps = { staged, armed, early, confirmed: call('confirm'), back: call('rollback') }
  t.is(
    steps.back.run.outcome,
    'reverted',
    Object.values(steps)
      .map(({ run }) => run.text)
      .join('\n'),
  )
  return Object.entries(steps)
}

test('a trial with GRUB: staged, armed, tried, made the default, taken back', (t) => {
  t.deepEqual(
    traceTrial(t).flatMap(([step, { violations }]) => violations.map(({ line, text }) => `${step} ${line}: ${text}`)),
    [],
  )
})

/** Found by a power cut: the note was lost, and what it named was left behind. */
test('it is noticed when notes of a trial are not synced', (t) => {
  const program = readAgentProgram().replace('>"$record/environment" && durable_record', '>"$record/environment"')
  t.not(program, readAgentProgram())
  const found = traceTrial(t, program).flatMap(([, { violations }]) => violations)
  t.true(
    found.some(({ text }) => text.endsWith('/environment is on disk')),
    JSON.stringify(found, null, 1),
  )
})
