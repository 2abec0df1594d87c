import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync, chmodSync, statSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import type { Change } from '../../src/core/change.ts'
import {
  bundleFor,
  callFor,
  change,
  file,
  isRoot,
  makeHost,
  nextId,
  planOf,
  readHost,
  runUnder,
  shells,
} from './agent-hosts.ts'
import { testUnless } from './skip.ts'

const asRoot = testUnless(isRoot ? null : 'needs root')

const everyByte = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('')

const tree = `file 0644 0:0 /etc/default/grub
|GRUB_TIMEOUT=5
file 0640 0:0 /etc/gone.conf
|going
link 0:0 /etc/old-link -> default/grub
link 0:0 /etc/moved-link -> default
dir 0755 0:0 /etc/empty
file 0644 0:0 /sys/devices/cpu/governor
|powersave
file 0444 0:0 /proc/modules
|kvm 1000 0 - Live 0x0000000000000000
file 0644 0:0 /lib/systemd/system/irqbalance.service
|[Unit]
|Description=irqbalance
|[Install]
|WantedBy=multi-user.target
|Alias=balance.service
link 0:0 /etc/systemd/system/multi-user.target.wants/irqbalance.service -> /lib/systemd/system/irqbalance.service
link 0:0 /etc/systemd/system/balance.service -> /lib/systemd/system/irqbalance.service
file 0644 0:0 /lib/systemd/system/tuned.service
|[Install]
|WantedBy=multi-user.target
`

const off = { enabled: false, active: null, masked: false }
const on = { enabled: true, active: null, masked: false }
const unitText = '[Service]\nType=oneshot\n[Install]\nWantedBy=sysinit.target\n'

const changes: readonly Change[] = [
  change('file', '/etc/default/grub', file('GRUB_TIMEOUT=5\n'), file('GRUB_TIMEOUT=1\nmore\n', 0o600)),
  change('file', '/etc/gone.conf', file('going\n', 0o640), null),
  change('directory', '/etc/new.d/deep', null, { mode: 0o750, uid: 0, gid: 0 }),
  change('directory', '/etc/new.d', null, { mode: 0o755, uid: 0, gid: 0 }),
  change('directory', '/etc/empty', { mode: 0o755, uid: 0, gid: 0 }, null),
  change('file', '/etc/new.d/deep/every byte.conf', null, file(everyByte)),
  change('file', '/etc/new.d/nothing.conf', null, file('')),
  change('link', '/etc/old-link', { to: 'default/grub' }, null),
  change('link', '/etc/moved-link', { to: 'default' }, { to: '/etc/new.d' }),
  change('link', '/etc/new-link', null, { to: 'a b' }),
  change('attribute', '/sys/devices/cpu/governor', 'powersave', 'performance'),
  change('kernel-module', 'vfio-pci', null, 'loaded'),
  change('unit', 'irqbalance.service', on, off),
  change('unit', 'passway-governor.service', null, on),
  change('file', '/etc/systemd/system/passway-governor.service', null, file(unitText)),
  change('unit', 'tuned.service', off, { ...off, masked: true }),
]

for (const shell of shells) {
  asRoot(`${shell}: applies every kind of change and rolls all of it back`, (t) => {
    const root = makeHost(t, tree)
    const before = readHost(root)
    const id = nextId()

    const applied = runUnder(shell, bundleFor(planOf(changes), root, id))
    t.is(applied.outcome, 'committed', applied.text)
    t.is(applied.status, 0)
    const read = (path: string): string => readFileSync(join(root, path), 'latin1')
    t.is(read('/etc/default/grub'), 'GRUB_TIMEOUT=1\nmore\n')
    t.is(statSync(join(root, '/etc/default/grub')).mode & 0o7777, 0o600)
    t.is(read('/etc/new.d/deep/every byte.conf'), everyByte)
    t.is(read('/etc/new.d/nothing.conf'), '')
    t.is(read('/sys/devices/cpu/governor'), 'performance\n')
    t.regex(read('/proc/modules'), /^vfio_pci /m)
    const links = readHost(root).flatMap((entry) => (entry.type === 'link' ? [`${entry.path} -> ${entry.to}`] : []))
    t.deepEqual(links, [
      '/etc/moved-link -> /etc/new.d',
      '/etc/new-link -> a b',
      '/etc/systemd/system/sysinit.target.wants/passway-governor.service -> /etc/systemd/system/passway-governor.service',
      '/etc/systemd/system/tuned.service -> /dev/null',
    ])
    t.false(readHost(root).some((entry) => entry.path === '/etc/gone.conf' || entry.path === '/etc/empty'))

    const rolledBack = runUnder(shell, callFor({ verb: 'rollback', root }))
    t.is(rolledBack.outcome, 'reverted', rolledBack.text)
    t.deepEqual(readHost(root), before)
  })
}

asRoot('a file that was linked into place is refused, and so is every other difference, at once', (t) => {
  const root = makeHost(
    t,
    'file 0644 0:0 /etc/a\n|1\nfile 0600 0:0 /etc/b\n|1\nlink 0:0 /etc/c -> a\nfile 0644 0:0 /etc/d\n|1\n',
  )
  const before = readHost(root)
  const plan = planOf([
    change('file', '/etc/a', file('2\n'), file('3\n')),
    change('file', '/etc/b', file('1\n'), file('3\n')),
    change('file', '/etc/c', file('1\n'), file('3\n')),
    change('file', '/etc/d', null, file('3\n')),
    change('file', '/etc/e', file('1\n'), null),
  ])
  const run = runUnder('sh', bundleFor(plan, root, nextId()))
  t.is(run.outcome, 'refused')
  t.deepEqual(run.codes, ['STALE', 'STALE', 'STALE', 'STALE', 'STALE'])
  t.deepEqual(readHost(root), before)
  t.is(runUnder('sh', callFor({ verb: 'records', root })).text.includes('record\t'), false)
})

asRoot('a missing directory, an immutable file and a missing attribute are refused before anything is written', (t) => {
  const root = makeHost(t, 'file 0644 0:0 /etc/a\n|1\nfile 0644 0:0 /etc/fixed\n|1\n')
  const immutable = spawnSync('chattr', ['+i', join(root, 'etc/fixed')]).status === 0
  t.teardown(() => spawnSync('chattr', ['-i', join(root, 'etc/fixed')]))
  const plan = planOf([
    change('file', '/etc/a', file('1\n'), file('2\n')),
    change('file', '/etc/none/b', null, file('2\n')),
    change('file', '/etc/fixed', file('1\n'), file('2\n')),
    change('attribute', '/sys/none', 'a', 'b'),
  ])
  const run = runUnder('sh', bundleFor(plan, root, nextId()))
  t.is(run.outcome, 'refused')
  t.deepEqual(run.codes, ['DIRECTORY_MISSING', ...(immutable ? ['IMMUTABLE'] : []), 'STALE'])
  t.is(readFileSync(join(root, 'etc/a'), 'latin1'), '1\n')
})

asRoot('directories that are links are followed inside the root, and not out of it', (t) => {
  const root = makeHost(
    t,
    `link 0:0 /etc/inside -> /usr/etc
dir 0755 0:0 /usr/etc
link 0:0 /etc/outside -> ../../outside
link 0:0 /etc/loop -> other
link 0:0 /etc/other -> loop
`,
  )
  const good = runUnder('sh', bundleFor(planOf([change('file', '/etc/inside/a', null, file('1\n'))]), root, nextId()))
  t.is(good.outcome, 'committed', good.text)
  t.is(readFileSync(join(root, 'usr/etc/a'), 'latin1'), '1\n')
  for (const path of ['/etc/outside/a', '/etc/loop/a', '/../a']) {
    const bad = runUnder('sh', bundleFor(planOf([change('file', path, null, file('1\n'))]), root, nextId()))
    t.is(bad.outcome, 'refused', path)
    t.true(bad.codes.includes('LINK_ESCAPES'), path)
  }
})

asRoot("the state directory must be root's own", (t) => {
  const root = makeHost(t, 'dir 0755 0:0 /var/lib/passway\n')
  const plan = planOf([change('file', '/etc/a', null, file('1\n'))])
  t.deepEqual(runUnder('sh', bundleFor(plan, root, nextId())).codes, ['STATE_UNSAFE'])
  rmSync(join(root, 'var/lib/passway'), { recursive: true })
  mkdirSync(join(root, 'elsewhere'), { mode: 0o700 })
  symlinkSync('/elsewhere', join(root, 'var/lib/passway'))
  t.deepEqual(runUnder('sh', bundleFor(plan, root, nextId())).codes, ['STATE_UNSAFE'])
})

asRoot('a failure in the middle takes everything back', (t) => {
  const root = makeHost(t, `${tree}link 0:0 /sys/full -> /dev/full\n`)
  const before = readHost(root)
  const failing = [
    ...changes.slice(0, -1),
    // No unit file: the links cannot be made, which only the write itself finds out.
    change('unit', 'nowhere.service', null, on),
    change('file', '/etc/last', null, file('1\n')),
  ]
  const id = nextId()
  const run = runUnder('sh', bundleFor(planOf(failing), root, id))
  t.is(run.outcome, 'reverted', run.text)
  t.is(run.status, 1)
  t.deepEqual(run.codes, ['UNIT_MISSING'])
  t.deepEqual(readHost(root), before)
  t.regex(
    runUnder('sh', callFor({ verb: 'records', root })).text,
    new RegExp(`^record\t${id}\t1\treverted\tno\t-\t-$`, 'm'),
  )
})

asRoot('who holds the lock is named, and nothing is written', async (t) => {
  const root = makeHost(t, '')
  const first = runUnder('sh', bundleFor(planOf([change('file', '/etc/a', null, file('1\n'))]), root, nextId()))
  t.is(first.outcome, 'committed')
  const lock = join(root, 'var/lib/passway/lock')
  const { spawn } = await import('node:child_process')
  const holder = spawn('flock', [lock, 'sleep', '30'], { stdio: 'ignore' })
  t.teardown(() => holder.kill())
  while (spawnSync('flock', ['-n', lock, 'true']).status === 0) spawnSync('sleep', ['0.05'])
  const second = runUnder('sh', bundleFor(planOf([change('file', '/etc/b', null, file('1\n'))]), root, nextId()))
  t.is(second.outcome, 'refused')
  t.deepEqual(second.codes, ['LOCKED'])
  t.regex(second.text, /tester@controller/)
  t.false(readHost(root).some((entry) => entry.path === '/etc/b'))
  t.is(runUnder('sh', callFor({ verb: 'records', root })).outcome, 'done')
})

/** It says how it ended before it gives its lock back. */
asRoot('whoever comes a moment after the end is not turned away', (t) => {
  const root = makeHost(t, '')
  const slow = (program: string) => program.replace('release_lock() {', 'release_lock() {\n  sleep 1')
  for (const name of ['a', 'b']) {
    const plan = planOf([change('file', `/etc/${name}`, null, file('1\n'))])
    t.is(runUnder('sh', bundleFor(plan, root, nextId(), slow)).outcome, 'committed')
  }
})

test('without root, owners are left alone and that is said', (t) => {
  const root = makeHost(t, 'file 0644 0:0 /etc/a\n|1\n')
  if (isRoot) spawnSync('chown', ['-R', '65534:65534', root])
  const plan = planOf([
    change('file', '/etc/a', { ...file('1\n'), uid: 0, gid: 0 }, { ...file('2\n', 0o600), uid: 0, gid: 0 }),
  ])
  const run = runUnder('sh', bundleFor(plan, root, nextId()), isRoot ? { uid: 65534 } : {})
  t.is(run.outcome, 'committed', run.text)
  t.true(run.events.some((event) => event.name === 'note' && /owners/.test(event.fields[0] ?? '')))
  t.is(statSync(join(root, 'etc/a')).mode & 0o7777, 0o600)
})

asRoot('extended attributes and links of the original are kept', (t) => {
  const root = makeHost(t, 'file 4755 1:2 /etc/tool\n|1\n')
  const value = { content: '1\n', mode: 0o4755, uid: 1, gid: 2 }
  const plan = planOf([change('file', '/etc/tool', value, { ...value, content: '2\n' })])
  t.is(runUnder('sh', bundleFor(plan, root, nextId())).outcome, 'committed')
  const stat = statSync(join(root, 'etc/tool'))
  t.deepEqual([stat.mode & 0o7777, stat.uid, stat.gid], [0o4755, 1, 2])
})

asRoot('a manifest or a content that was damaged on the host is refused', (t) => {
  const root = makeHost(t, '')
  const id = nextId()
  t.is(runUnder('sh', bundleFor(planOf([change('file', '/etc/a', null, file('1\n'))]), root, id)).outcome, 'committed')
  const manifest = join(root, `var/lib/passway/records/${id}/manifest`)
  writeFileSync(manifest, readFileSync(manifest, 'latin1').replace('/etc/a', '/etc/b'))
  chmodSync(manifest, 0o600)
  const run = runUnder('sh', callFor({ verb: 'rollback', root }))
  t.is(run.outcome, 'refused')
  t.true(run.codes.includes('MANIFEST_INVALID'))
  t.true(readHost(root).some((entry) => entry.path === '/etc/a'))
})

/** Whether the directory for temporary files keeps extended attributes; older tmpfs does not. */
function keepsAttributes(): boolean {
  const directory = mkdtempSync(join(tmpdir(), 'passway-attributes-'))
  const { status } = spawnSync('setfattr', ['-n', 'user.passway', '-v', 'x', directory])
  rmSync(directory, { recursive: true })
  return status === 0
}

const withAttributes = testUnless(
  isRoot && keepsAttributes()
    ? null
    : 'needs root, setfattr and getfattr (package attr), and a file system with extended attributes',
)

withAttributes('extended attributes are kept, over apply, removal and rollback', (t) => {
  const root = makeHost(t, 'file 0644 0:0 /etc/a\n|1\nfile 0644 0:0 /etc/b\n|1\n')
  for (const name of ['a', 'b']) {
    t.is(spawnSync('setfattr', ['-n', 'user.passway', '-v', name, join(root, 'etc', name)]).status, 0)
  }
  const read = (name: string): string =>
    spawnSync('getfattr', ['-n', 'user.passway', '--only-values', join(root, 'etc', name)], { encoding: 'latin1' })
      .stdout
  const plan = planOf([change('file', '/etc/a', file('1\n'), file('2\n')), change('file', '/etc/b', file('1\n'), null)])
  t.is(runUnder('sh', bundleFor(plan, root, nextId())).outcome, 'committed')
  t.is(read('a'), 'a')
  t.is(runUnder('sh', callFor({ verb: 'rollback', root })).outcome, 'reverted')
  t.deepEqual([read('a'), read('b')], ['a', 'b'])
})
