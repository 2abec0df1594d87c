import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import {
  bootTools,
  bundleFor,
  callFor,
  change,
  isRoot,
  makeMiniHost,
  nextId,
  olderRelease,
  planOf,
  readHost as readWhole,
  release,
  runUnder,
  settleMiniHost,
  writeTool,
} from './agent-hosts.ts'
import { apply, assertSaid, makeBootHost, plan, rollBack } from './fault-hosts.ts'
import { grubTrialPlan, makeGrubTrialHost } from './grub-trial-hosts.ts'
import { testUnless } from './skip.ts'
import { stageTrial } from './trial-hosts.ts'

function findMountObstacle(): string | null {
  if (!isRoot) return 'needs root'
  const mounted = spawnSync('sh', ['-c', 'd=$(mktemp -d) && mount -t tmpfs none "$d" && umount "$d"; rmdir "$d"'])
  return mounted.status === 0 ? null : 'may not mount'
}

const test = testUnless(isRoot ? null : 'needs root, for chroot')
const mountTest = testUnless(findMountObstacle())

function mountOver(t: ExecutionContext, directory: string, options: string): void {
  const kept = `${directory}.kept`
  t.is(spawnSync('cp', ['-a', directory, kept]).status, 0)
  t.is(spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'none', directory]).status, 0)
  t.teardown(() => spawnSync('umount', ['-l', directory]))
  t.is(spawnSync('sh', ['-c', `cp -a "$1"/. "$2"`, 'sh', kept, directory]).status, 0)
  rmSync(kept, { recursive: true })
  // df and mount of busybox look for the mount that has the device of a path.
  const lines = ['/boot', '/var', '/etc', '/'].map((path) => `none ${path} tmpfs rw 0 0\n`)
  const root = directory.slice(0, directory.indexOf('/', '/tmp/'.length))
  writeFileSync(join(root, 'proc/mounts'), lines.join(''))
}

/** The records are in /etc/passway where /var is another file system. */
function readHost(root: string) {
  return readWhole(root).filter(({ path }) => !path.startsWith('/etc/passway'))
}

/** Fills what is left, but for so many kilobytes. */
function fill(directory: string, leaveKb: number): void {
  const free = Number(spawnSync('df', ['-k', '--output=avail', directory], { encoding: 'utf8' }).stdout.split('\n')[1])
  spawnSync('dd', ['if=/dev/zero', `of=${directory}/ballast`, 'bs=1k', `count=${free - leaveKb}`])
}

const places = ['boot', 'var', 'etc'] as const

for (const place of places) {
  mountTest(`full disk: /${place} has no room, and nothing is begun`, (t) => {
    const { root } = makeBootHost(t)
    mountOver(t, join(root, place), 'mode=755,size=30m')
    fill(join(root, place), 200)
    const before = readHost(root)
    assertSaid(t, apply(root), 'refused', 'SPACE_SHORT', /too little space/)
    t.deepEqual(readHost(root), before)
  })
}

for (const place of ['boot', 'etc'] as const) {
  mountTest(`read-only: /${place}, and nothing is begun`, (t) => {
    const { root } = makeBootHost(t)
    mountOver(t, join(root, place), 'mode=755,size=60m')
    const before = readHost(root)
    t.is(spawnSync('mount', ['-o', 'remount,ro', join(root, place)]).status, 0)
    assertSaid(t, apply(root), 'refused', 'READ_ONLY', /cannot be (?:made|written)|no file can be made/)
    t.deepEqual(readHost(root), before)
  })
}

mountTest('no inodes: no file can be made, and nothing is begun', (t) => {
  const { root } = makeBootHost(t)
  mountOver(t, join(root, 'etc'), 'mode=755,size=60m,nr_inodes=64')
  for (let turn = 0; turn < 64; turn += 1) spawnSync('touch', [join(root, `etc/i${turn}`)])
  const before = readHost(root)
  assertSaid(t, apply(root), 'refused', 'READ_ONLY', /cannot be made/)
  t.deepEqual(readHost(root), before)
})

mountTest('the disk of /boot fills up while images are built: all is taken back', (t) => {
  const greedy = bootTools['/usr/sbin/update-initramfs']?.replace(
    'set -e',
    'set -e\nwhile cat /usr/bin/busybox >>/boot/ballast; do :; done',
  )
  const { root } = makeBootHost(t, { '/usr/sbin/update-initramfs': greedy ?? '' })
  mountOver(t, join(root, 'boot'), 'mode=755,size=30m')
  const before = readHost(root)
  assertSaid(t, apply(root), 'reverted', 'REGENERATION_FAILED', /built no image for kernel/)
  rmSync(join(root, 'boot/ballast'), { force: true })
  rmSync(join(root, `boot/initrd.img-${release}.new`), { force: true })
  rmSync(join(root, `boot/initrd.img-${olderRelease}.new`), { force: true })
  t.deepEqual(readHost(root), before)
})

mountTest('a directory turns read-only in the middle: said, and the next contact takes it back', (t) => {
  const { root } = makeBootHost(t, { '/usr/sbin/grub-mkconfig': '#!/bin/sh\n: >/etc/failing\nsleep 3\nexit 1\n' })
  mountOver(t, join(root, 'etc/default'), 'mode=755,size=1m')
  const before = readHost(root)
  const watch = `while [ ! -e "$1/etc/failing" ]; do sleep 0.1; done; mount -o remount,ro "$1/etc/default"`
  const remounting = spawn('sh', ['-c', watch, 'sh', root], { stdio: 'ignore' })
  t.teardown(() => remounting.kill())
  assertSaid(t, apply(root), 'failed', 'REVERT_FAILED', /not all of record .* could be taken back/)
  t.is(spawnSync('mount', ['-o', 'remount,rw', join(root, 'etc/default')]).status, 0)
  rmSync(join(root, 'etc/failing'))
  const recovered = runUnder('/bin/sh', callFor({ verb: 'recover' }), { chroot: root })
  t.is(recovered.outcome, 'done', recovered.text)
  t.deepEqual(readHost(root), before)
})

for (const [tool, path, words] of [
  ['update-initramfs', '/usr/sbin/update-initramfs', /built no image .*status 3/s],
  ['grub-mkconfig', '/usr/sbin/grub-mkconfig', /grub-mkconfig failed/],
  ['unmkinitramfs', '/usr/bin/unmkinitramfs', /cannot be unpacked/],
  ['grub-script-check', '/usr/bin/grub-script-check', /does not understand/],
] as const) {
  test(`a tool that fails: ${tool}; its last lines are told and all is taken back`, (t) => {
    const failing = '#!/bin/sh\necho "the reason is here" >&2\nexit 3\n'
    const { root, before } = makeBootHost(t, { [path]: failing })
    const run = apply(root)
    const code = tool === 'unmkinitramfs' ? 'IMAGE_UNREADABLE' : 'REGENERATION_FAILED'
    assertSaid(t, run, 'reverted', code, words)
    t.regex(run.text, /the%20reason%20is%20here/)
    t.deepEqual(readHost(root), before)
  })
}

/** With a time limit that a test can wait for. */
function withLimit(seconds: number): (program: string) => string {
  return (program) =>
    program.replaceAll(/(run_inside "[^"]*"|run_inside [a-z-]+) (?:3600|1800|120|60)\b/g, `$1 ${seconds}`)
}

for (const shell of ['dash', 'busybox sh'] as const) {
  test(`a tool that hangs is ended with its children after its time, and all is taken back: ${shell}`, (t) => {
    t.timeout(60_000)
    const hanging = '#!/bin/sh\n(trap "" TERM HUP; sleep 473.1) &\ntrap "" TERM HUP\nsleep 473.1\nsleep 473.1\n'
    const root = makeMiniHost(t, { tools: { ...bootTools }, shell })
    settleMiniHost(root)
    const before = readHost(root)
    writeFileSync(join(root, 'usr/sbin/update-initramfs'), hanging, { mode: 0o755 })
    const start = Date.now()
    const run = runUnder('/bin/sh', bundleFor(plan, null, nextId(), withLimit(2)), { chroot: root })
    assertSaid(t, run, 'reverted', 'REGENERATION_FAILED', /within 2 s|did not end/)
    t.true(Date.now() - start < 40_000)
    t.deepEqual(readHost(root), before)
    t.is(spawnSync('pgrep', ['-f', 'sleep 473.1']).status, 1, 'something of it is left')
  })
}

mountTest('/var is a file system of its own: a trial is staged all the same, with the records in /etc', (t) => {
  const root = makeGrubTrialHost(t)
  mountOver(t, join(root, 'var'), 'mode=755,size=20m')
  const { id, run } = stageTrial(root, grubTrialPlan())
  t.is(run.outcome, 'staged', run.text)
  t.is(runUnder('/bin/sh', callFor({ verb: 'rollback', id }), { chroot: root }).outcome, 'reverted')
})

mountTest('/var/lib is a file system of its own: the records are in /etc as well', (t) => {
  const { root } = makeBootHost(t)
  mountOver(t, join(root, 'var/lib'), 'mode=755,size=20m')
  const before = readHost(root)
  t.is(apply(root).outcome, 'committed')
  t.true(existsSync(join(root, 'etc/passway/agent.sh')))
  t.is(rollBack(root).outcome, 'reverted')
  t.deepEqual(readHost(root).filter(notImage), before.filter(notImage))
})

mountTest('what is mounted below /etc, as /etc/pve of Proxmox, is not copied for the image of a trial', (t) => {
  const root = makeGrubTrialHost(t)
  spawnSync('mkdir', [join(root, 'etc/pve')])
  mountOver(t, join(root, 'etc/pve'), 'mode=755,size=1m')
  writeFileSync(join(root, 'etc/pve/cluster.db'), 'secret')
  const mkinitramfs = bootTools['/usr/sbin/mkinitramfs']?.replace('set -e', 'set -e\nls -a $ETC $ETC/pve >/tmp/seen')
  writeTool(root, '/usr/sbin/mkinitramfs', mkinitramfs ?? '')
  const { run } = stageTrial(root, grubTrialPlan())
  t.is(run.outcome, 'staged', run.text)
  const seen = readFileSync(join(root, 'tmp/seen'), 'latin1')
  t.regex(seen, /^pve$/m)
  t.regex(seen, /^modprobe\.d$/m)
  t.false(seen.includes('cluster.db'))
})

/** Images that were built again differ in their times. */
function notImage({ path }: { readonly path: string }): boolean {
  return !path.includes('/initrd')
}

test('a journal that cannot be written: nothing is changed that it does not announce', (t) => {
  const root = makeMiniHost(t, { tree: 'file 0644 0:0 /sys/governor\n|powersave\n' })
  const attribute = planOf([change('attribute', '/sys/governor', 'powersave', 'performance')])
  const failing = (program: string) =>
    program.replace('\njournal() {', '\njournal() {\n  [ "$1" != intent ] || return 1')
  const run = runUnder('/bin/sh', bundleFor(attribute, null, nextId(), failing), { chroot: root })
  assertSaid(t, run, 'reverted', 'WRITE_FAILED', /the journal of record .* cannot be written/)
  t.is(readFileSync(join(root, 'sys/governor'), 'latin1'), 'powersave\n')
})
