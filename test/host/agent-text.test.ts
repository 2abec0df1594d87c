import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import test from 'ava'
import * as fc from 'fast-check'
import { decodeField, encodeField, formatBlob } from '../../src/host/fields.ts'
import { formatManifest, orderOperations, parseManifest } from '../../src/host/manifest.ts'
import { parseStatus } from '../../src/host/read-status.ts'
import { mayCutConnection } from '../../src/host/trial-lines.ts'
import { formatSummary, parseFrames } from '../../src/host/read-records.ts'
import { agentParts, readAgentProgram } from '../../src/host/programs.ts'
import type { Change } from '../../src/core/change.ts'
import { change, file, nextId, planOf, shells } from './agent-hosts.ts'
import { testUnless } from './skip.ts'

const partsDirectory = new URL('../../src/host/agent/', import.meta.url)
const withShellcheck = testUnless(spawnSync('shellcheck', ['--version']).status === 0 ? null : 'no shellcheck')
const bytes = fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)) })

withShellcheck('shellcheck finds nothing', (t) => {
  t.is(spawnSync('shellcheck', ['-s', 'sh', '-'], { input: readAgentProgram(), encoding: 'utf8' }).stdout, '')
})

test('all parts of the agent are sent', (t) => {
  const files = readdirSync(partsDirectory).map((name) => name.replace(/\.sh$/, ''))
  t.deepEqual(files.toSorted(), [...agentParts].toSorted())
})

test('the agent is ASCII and ends with its call', (t) => {
  t.regex(readAgentProgram(), /^[\t\n -~]*\nmain "\$@"\n$/)
})

test('fields decode to what was encoded', (t) => {
  fc.assert(fc.property(fc.option(bytes), (text) => decodeField(encodeField(text)) === text))
  t.is(encodeField(null), '-')
  t.is(encodeField('-'), '%2D')
  t.is(encodeField(''), '%')
})

for (const shell of shells) {
  const words = shell.split(' ')
  // An argument holds 128 KiB at most; the agent does not fit into one.
  const run = (script: string, ...rest: readonly string[]): string =>
    spawnSync(words[0] ?? '', [...words.slice(1), '-s', '--', ...rest], { input: script, encoding: 'latin1' }).stdout

  test(`${shell}: the agent decodes and encodes fields as the controller does`, (t) => {
    const functions = readAgentProgram().replace(/main "\$@"\n$/, '')
    const script = `${functions}\nprepare\nfor field; do decode "$field"; printf '%s' "$decoded"; encode "$decoded"; printf '\\001%s\\002' "$encoded"; done`
    const texts = ['', '-', 'a b', '50%', '/etc/ä\xff', 'it\'s "$x" `y` \\n', 'ends\n\n', '%41', 'x\ty']
    const expected = texts.map((text) => `${text}\x01${encodeField(text)}\x02`).join('')
    t.is(run(script, ...texts.map(encodeField)), Buffer.from(expected, 'latin1').toString('latin1'))
  })

  test(`${shell}: services that read a file of the record are started again`, (t) => {
    const functions = readAgentProgram().replace(/main "\$@"\n$/, '')
    const units = [
      'Id=irqbalance.service\nEnvironmentFiles=/etc/default/irqbalance (ignore_errors=yes)',
      'EnvironmentFiles=/etc/default/ssh (ignore_errors=yes)\nId=ssh.service',
      'Id=none.service',
      'EnvironmentFiles=/etc/a b (ignore_errors=no)\nEnvironmentFiles=/etc/x (ignore_errors=no)\nId=last.service',
    ]
    const script = `${functions}
prepare
systemctl() { printf '%s\\n' "${units.join('\n\n')}"; }
run_tool() { shift 2; printf '%s\\n' "$*"; }
operations=$1
restart_readers`
    const operation = (kind: string, target: string) => `op\t1\t${kind}\t${encodeField(target)}\t-\t-`
    const restarted = (...operations: readonly string[]) => run(script, operations.join('\n')).trimEnd().split('\n')
    t.deepEqual(restarted(operation('file', '/etc/default/irqbalance'), operation('attribute', '/etc/default/ssh')), [
      'systemctl try-restart irqbalance.service',
    ])
    t.deepEqual(restarted(operation('file', '/etc/a b')), ['systemctl try-restart last.service'])
    t.deepEqual(restarted(operation('file', '/etc/default/irq')), [''])
  })

  test(`${shell}: printf %b gives the bytes of a blob`, (t) => {
    const everyByte = Array.from({ length: 256 }, (_, code) => `${String.fromCharCode(code)}7`).join('')
    const blobText = formatBlob({ name: 'x', content: `${everyByte}\\c\\0101 %s \n` }).split('\t')[3] ?? ''
    t.is(run('printf %b "$1"', blobText), `${everyByte}\\c\\0101 %s \n`)
  })
}

test('operations are ordered so that each finds what it needs', (t) => {
  const on = { enabled: true, active: true, masked: false }
  const ordered = orderOperations([
    change('unit', 'old.service', on, null),
    change('unit', 'new.service', null, on),
    change('directory', '/etc/old.d', { mode: 0o755, uid: 0, gid: 0 }, null),
    change('file', '/etc/old.d/a', file('1\n'), null),
    change('file', '/etc/new.d/b/c', null, file('1\n')),
    change('directory', '/etc/new.d/b', null, { mode: 0o755, uid: 0, gid: 0 }),
    change('directory', '/etc/new.d', null, { mode: 0o755, uid: 0, gid: 0 }),
    change('file', '/etc/systemd/system/old.service', file('1\n'), null),
  ])
  t.deepEqual(
    ordered.map((one) => one.target),
    [
      'old.service',
      '/etc/new.d',
      '/etc/new.d/b',
      '/etc/old.d/a',
      '/etc/new.d/b/c',
      '/etc/systemd/system/old.service',
      '/etc/old.d',
      'new.service',
    ],
  )
})

test('a manifest says what the plan says', (t) => {
  const plan = planOf([change('file', '/etc/a b', file('1\n'), null), change('attribute', '/sys/x', 'none', 'a b')], {
    regenerate: ['boot-loader'],
  })
  const text = formatManifest(plan, '20261121T081500Z-7f3a9c')
  t.deepEqual(text.split('\n').slice(0, 4), [
    'passway\t1\t20261121T081500Z-7f3a9c',
    `op\t1\tfile\t/etc/a%20b\t0644:${process.getuid?.()}:${process.getgid?.()}:4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865\t-`,
    'op\t2\tattribute\t/sys/x\tnone\ta%20b',
    'regenerate\tboot-loader',
  ])
  t.regex(text, /\nhash\t[0-9a-f]{64}\n$/)
  t.deepEqual(parseManifest(text).operations[1], {
    number: 2,
    kind: 'attribute',
    target: '/sys/x',
    before: 'none',
    after: 'a%20b',
  })
})

test('a trial: what is staged until the boot, by number; anything else of it is done at once', (t) => {
  const atBoot = (path: string): Change => ({ ...change('file', path, null, file('1\n')), takesEffect: 'boot' })
  const now = (each: Change): Change => ({ ...each, takesEffect: 'now' })
  const plan = planOf([
    now(change('attribute', '/sys/x', 'a', 'b')),
    atBoot('/etc/modprobe.d/passway.conf'),
    atBoot('/boot/loader.conf'),
    now(change('file', '/etc/default/irqbalance', null, file('1\n'))),
    { ...change('link', '/etc/a', null, { to: 'b' }), takesEffect: 'boot' },
  ])
  const trial = { kernel: '6.1.0-1-amd64', confirmWithinSeconds: 300 }
  const text = formatManifest(plan, nextId(), { trial, watchSeconds: 90 })
  const lines = text.split('\n')
  const operations = lines.filter((line) => line.startsWith('op\t')).map((line) => line.split('\t')[3])
  const boot = lines.flatMap((line) => (line.startsWith('boot\t') ? [operations[Number(line.slice(5)) - 1]] : []))
  t.deepEqual(boot, ['/etc/modprobe.d/passway.conf', '/etc/a'])
  for (const line of ['trial\t6.1.0-1-amd64', 'confirm-within\t300', 'watch\t90']) t.true(lines.includes(line), line)
  t.true(parseManifest(text).isTrial)
  t.false(parseManifest(formatManifest(plan, nextId())).isTrial)
  t.false(/^(trial|boot|confirm-within|watch)\t/m.test(formatManifest(plan, nextId(), { trial: null })))
})

for (const [title, changed, expected] of [
  ['a driver', change('driver', '0000:01:00.0', null, 'vfio-pci'), true],
  ['a unit that starts', change('unit', 'a.service', null, { enabled: true, active: true, masked: false }), true],
  ['a unit left alone', change('unit', 'a.service', null, { enabled: true, active: null, masked: false }), false],
  ['a unit that goes', change('unit', 'a.service', { enabled: true, active: true, masked: false }, null), true],
  ['sysfs of a device', change('attribute', '/sys/devices/pci0000:00/0000:00:01.0/reset_method', 'a', 'b'), true],
  ['sysfs of a class', change('attribute', '/sys/class/net/eth0/mtu', '1', '2'), true],
  ['a governor', change('attribute', '/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor', 'a', 'b'), false],
  ['huge pages', change('attribute', '/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages', '0', '4'), false],
  ['a file', change('file', '/etc/default/grub', null, file('1\n')), false],
] as const) {
  test(`what can end the connection: ${title}: ${expected}`, (t) => t.is(mayCutConnection([changed]), expected))
}

test('status of a host, as it says it', (t) => {
  const output = [
    'boot\t7b1c\t6.1.0-1-amd64',
    'token\tID',
    'open\tID\ttrial\t542',
    'last\tID\treverted\tDEADLINE\tnobody%20confirmed',
    'blob\tprevious-boot\t13',
    'token\tno\nlast\n',
    'event\tend\tdone',
  ]
  t.deepEqual(parseStatus(Buffer.from(`${output.join('\n')}\n`)), {
    bootId: '7b1c',
    kernelRelease: '6.1.0-1-amd64',
    token: 'ID',
    open: { id: 'ID', state: 'trial', secondsLeft: 542 },
    last: { id: 'ID', state: 'reverted', reason: { code: 'DEADLINE', text: 'nobody confirmed' } },
    previousBoot: ['token\tno', 'last'],
  })
  const nothing = { token: null, open: null, last: null, previousBoot: [] }
  t.like(parseStatus(Buffer.from('boot\t7b1c\t6.1\ntoken\t-\nopen\t-\t-\t-\n')), nothing)
  t.is(parseStatus(Buffer.from('event\tend\trefused\n')), undefined)
})

for (const [row, state] of [
  ['record\tID\t1\tstaged\tno', 'interrupted'],
  ['record\tID\t1\tstaged\tyes', 'staged'],
  ['record\tID\t1\tstaged\twaiting', 'staged'],
  ['record\tID\t1\tarmed\tno', 'armed'],
] as const) {
  test(`a record: ${row.replaceAll('\t', ' ')}: ${state}`, (t) => {
    const [fields = []] = parseFrames(Buffer.from(`${row}\t-\t-\n`)).records
    t.deepEqual(formatSummary(fields), { id: 'ID', seq: 1, state })
  })
}

test('frames hold any bytes', (t) => {
  const output = Buffer.from(
    'record\tID\t1\tcommitted\tno\nblob\tID/now/1\t8\nblob\tx\n\xff\nnow\tID\t1\t-\n',
    'latin1',
  )
  const frames = parseFrames(output)
  t.deepEqual(frames.records, [['ID', '1', 'committed', 'no']])
  t.is(frames.blobs.get('ID/now/1'), 'blob\tx\n\xff')
  t.is(frames.now.get('ID/1'), '-')
})
