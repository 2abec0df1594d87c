import { spawn } from 'node:child_process'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import {
  bootTools,
  bundleFor,
  change,
  file,
  inMiniHost,
  isRoot,
  makeHost,
  makeMiniHost,
  nextId,
  olderRelease,
  planOf,
  readHost,
  runUnder,
} from './agent-hosts.ts'
import { apply, assertSaid, grubBefore, makeBootHost, own, plan, rollBack } from './fault-hosts.ts'
import { testUnless } from './skip.ts'

const test = testUnless(isRoot ? null : 'needs root, for chroot')

test('a clock that jumps back and forth changes neither order nor end of records', (t) => {
  const root = makeMiniHost(t, { tools: {}, without: ['date'] })
  const clock = (seconds: number): void => {
    rmSync(join(root, 'bin/date'), { force: true })
    const text = `#!/bin/sh\ncase $1 in +%s) echo ${seconds} ;; *) echo 1970-01-01T00:00:00Z ;; esac\n`
    writeFileSync(join(root, 'bin/date'), text, { mode: 0o755 })
  }
  const before = readHost(root)
  const steps = [2_000_000_000, 1000, 4_000_000_000].map((seconds, index) => {
    clock(seconds)
    const run = apply(root, planOf([change('file', `/etc/new-${index}`, null, file('x\n'))]))
    t.is(run.outcome, 'committed', run.text)
    return run
  })
  for (const _ of steps) {
    clock(1)
    t.is(rollBack(root).outcome, 'reverted')
  }
  t.deepEqual(readHost(root), before)
})

test('two controllers at once: one does its work, the other is told who is there', async (t) => {
  const slow = bootTools['/usr/sbin/grub-mkconfig']?.replace('set -e', 'set -e\nsleep 4')
  const { root } = makeBootHost(t, { '/usr/sbin/grub-mkconfig': slow ?? '' })
  const { bootLine, formatSpool } = await import('../../src/host/bootstrap.ts')
  const { readAgentProgram } = await import('../../src/host/programs.ts')
  const first = spawn('chroot', [root, '/bin/sh', '-c', bootLine, 'passway', 'nonce'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let text = ''
  first.stdin.end(formatSpool(readAgentProgram(), bundleFor(plan, null, nextId())), 'latin1')
  await new Promise<void>((resolve) => {
    first.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      if (text.includes('boot-loader')) resolve()
    })
    first.on('close', () => resolve())
  })
  const second = apply(root, planOf([change('file', '/etc/second', null, file('x\n'))]))
  assertSaid(t, second, 'refused', 'LOCKED', /tester@controller holds this host/)
  await new Promise((resolve) => first.on('close', resolve))
  t.regex(text, /event\tend\tcommitted/)
  t.false(existsSync(join(root, 'etc/second')))
})

test('a file that an administrator edits between plan and apply: refused, and nothing of theirs is touched', (t) => {
  const { root } = makeBootHost(t)
  appendFileSync(join(root, 'etc/default/grub'), '# mine\n')
  const before = readHost(root)
  assertSaid(t, apply(root), 'refused', 'STALE', /\/etc\/default\/grub is not what the plan saw/)
  t.deepEqual(readHost(root), before)
})

test('a file that an administrator edits between apply and rollback: refused, and nothing is taken back', (t) => {
  const { root } = makeBootHost(t)
  t.is(apply(root).outcome, 'committed')
  appendFileSync(join(root, 'etc/default/grub'), '# mine\n')
  const before = readHost(root)
  assertSaid(t, rollBack(root), 'refused', 'CHANGED_SINCE', /changed since record/)
  t.deepEqual(readHost(root), before)
  const forced = rollBack(root, { options: ['force'] })
  t.is(forced.outcome, 'reverted', forced.text)
  t.true(forced.codes.includes('FOUND_KEPT'))
})

test('a kernel that is installed between apply and rollback has an image of the configuration of before', (t) => {
  const { root } = makeBootHost(t)
  t.is(apply(root).outcome, 'committed')
  const added = '6.1.0-2-amd64'
  mkdirSync(join(root, 'lib/modules', added), { recursive: true })
  writeFileSync(join(root, 'lib/modules', added, 'modules.builtin'), 'kernel/drivers/vfio/vfio.ko\n')
  writeFileSync(join(root, 'boot', `vmlinuz-${added}`), '')
  inMiniHost(root, `update-initramfs -u -k ${added}`)
  const run = rollBack(root)
  t.is(run.outcome, 'reverted', run.text)
  inMiniHost(root, `mkdir /tmp/u && unmkinitramfs /boot/initrd.img-${added} /tmp/u`)
  t.deepEqual(readdirSync(join(root, 'tmp/u/main/etc/modprobe.d')), [])
})

test('a kernel that is removed (autoremove) between apply and rollback is not missed', (t) => {
  const { root } = makeBootHost(t)
  t.is(apply(root).outcome, 'committed')
  rmSync(join(root, `boot/initrd.img-${olderRelease}`))
  rmSync(join(root, `boot/vmlinuz-${olderRelease}`))
  rmSync(join(root, 'lib/modules', olderRelease), { recursive: true })
  const run = rollBack(root)
  t.is(run.outcome, 'reverted', run.text)
  t.false(existsSync(join(root, `boot/initrd.img-${olderRelease}`)))
  t.is(readFileSync(join(root, 'etc/default/grub'), 'latin1'), grubBefore)
})

test('kept images that somebody removed are not needed by a rollback, for it builds its own', (t) => {
  const { root } = makeBootHost(t)
  t.is(apply(root).outcome, 'committed')
  rmSync(join(root, 'boot/passway'), { recursive: true })
  const run = rollBack(root)
  t.is(run.outcome, 'reverted', run.text)
})

test('a record whose directory was deleted: the host goes on without it', (t) => {
  const { root } = makeBootHost(t)
  const id = nextId()
  t.is(apply(root, plan, id).outcome, 'committed')
  rmSync(join(root, 'var/lib/passway/records', id), { recursive: true })
  assertSaid(t, rollBack(root, { id }), 'refused', 'RECORD_UNKNOWN', /no such record/)
  const next = planOf([change('file', '/etc/next', null, file('x\n'))])
  t.is(apply(root, next).outcome, 'committed')
  t.is(rollBack(root).outcome, 'reverted')
})

const damages: readonly (readonly [string, (record: string) => void, string])[] = [
  ['a manifest that was changed', (record) => swap(join(record, 'manifest'), 'grub', 'grab'), 'MANIFEST_INVALID'],
  [
    'a manifest that was cut',
    (record) => writeFileSync(join(record, 'manifest'), 'passway\t1\tx\n'),
    'MANIFEST_INVALID',
  ],
  ['a manifest that is gone', (record) => rmSync(join(record, 'manifest')), 'MANIFEST_INVALID'],
  ['what was there before was changed', (record) => swap(join(record, 'before/1'), 'quiet', 'loud'), 'RECORD_DAMAGED'],
  ['what was there before is gone', (record) => rmSync(join(record, 'before/1')), 'RECORD_DAMAGED'],
]

function swap(path: string, from: string, to: string): void {
  writeFileSync(path, readFileSync(path, 'latin1').replace(from, to), 'latin1')
}

for (const [title, damage, code] of damages) {
  test(`a damaged record is refused before anything is taken back: ${title}`, (t) => {
    const { root } = makeBootHost(t)
    const id = nextId()
    t.is(apply(root, plan, id).outcome, 'committed')
    damage(join(root, 'var/lib/passway/records', id))
    const before = readHost(root)
    assertSaid(t, rollBack(root), 'refused', code, /missing or damaged|is not what the record says/)
    t.deepEqual(readHost(root), before)
  })
}

test('/etc/default/grub that is a link is left alone', (t) => {
  const { root } = makeBootHost(t)
  const path = join(root, 'etc/default/grub')
  writeFileSync(join(root, 'etc/grub.real'), readFileSync(path))
  rmSync(path)
  symlinkSync('../grub.real', path)
  const before = readHost(root)
  assertSaid(t, apply(root), 'refused', 'STALE', /found a link/)
  t.deepEqual(readHost(root), before)
})

test('a directory of a tree that is full of links to elsewhere is never left', (t) => {
  const root = makeHost(t, 'link 0:0 /etc/modprobe.d -> /../../../../etc\n')
  const run = runUnder('sh', bundleFor(planOf([own]), root, nextId()))
  assertSaid(t, run, 'refused', 'LINK_ESCAPES', /leaves the root directory/)
})
