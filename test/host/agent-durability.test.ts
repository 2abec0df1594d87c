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
import { testUnless } from './skip.ts'
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

function trace(t: ExecutionContext, program: string, data: string, root: string): Traced {
  const log = join(makeDirectory(t), 'trace')
  const words = ['-f', '-y', '-s', '300', '-e', `trace=${tracedCalls.join(',')}`, '-e', 'signal=none', '-o', log]
  const end = spawnSync('strace', [...words, 'sh', '-c', bootLine, 'passway', 'nonce'], {
    input: formatSpool(program, data),
    encoding: 'latin1',
  })
  const text = readFileSync(log, 'latin1')
  return { run: readRun(end.stdout + end.stderr), violations: findViolations(text, root), trace: text }
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
  ['the journal is not synced', '&& durable "$record/journal"', '', /before \S+\/journal is on disk/],
  ['nothing is announced', 'journal intent "$2"', ':', /the journal says/],
  ['the state is not synced', 'durable "$record/state.new" &&', '', /state is replaced before/],
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
