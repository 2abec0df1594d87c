import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { BootExpectation, HostPlan } from '../../src/core/plan.ts'
import {
  bundleFor,
  callFor,
  change,
  file,
  isRoot,
  nextId,
  noExpectation,
  olderRelease,
  planOf,
  readHost,
  release,
  runUnder,
  shells,
  writeTool,
} from './agent-hosts.ts'
import { testUnless } from './skip.ts'
import { entryOf, makeSystemdBootHost, setVariable, token, variableOf } from './systemd-boot-hosts.ts'

const test = testUnless(isRoot ? null : 'needs root, for chroot')

const cmdlinePath = '/etc/kernel/cmdline'
const before = 'root=UUID=uuid ro console=ttyS0 quiet\n'
const after = 'root=UUID=uuid ro console=ttyS0 quiet iommu=pt\n'
const options = 'options vfio-pci ids=10de:1c82\n'

const expectation: BootExpectation = {
  ...noExpectation,
  normalArguments: after.trim().split(' '),
  absentArguments: ['nomodeset'],
  entries: { root: '/efi', token },
}

function bootPlan(more: Partial<BootExpectation> = {}): HostPlan {
  return planOf(
    [
      change('file', cmdlinePath, file(before), file(after)),
      change('file', '/etc/modprobe.d/passway.conf', null, file(options)),
    ],
    { regenerate: ['initramfs', 'esp'], reboot: 'needed', expectation: { ...expectation, ...more } },
  )
}

function argumentPlan(from: string | null = before): HostPlan {
  return planOf([change('file', cmdlinePath, from === null ? null : file(from), file(after))], {
    regenerate: ['esp'],
    reboot: 'needed',
    expectation,
  })
}

type Host = ReturnType<typeof readHost>

/** Images are built anew on the way back, and their copies with them. */
function withoutImages(host: Host): Host {
  return host.filter(({ path }) => !path.includes('initrd'))
}

function readText(root: string, path: string): string {
  return readFileSync(join(root, path), 'latin1')
}

for (const shell of shells) {
  test(`${shell}: entries, copies and the entry of before; the way back`, (t) => {
    const root = makeSystemdBootHost(t, shell)
    const host = readHost(root)
    const image = readText(root, `boot/initrd.img-${release}`)
    const id = nextId()
    const run = runUnder('/bin/sh', bundleFor(bootPlan(), null, id), { chroot: root })
    t.is(run.outcome, 'committed', run.text)
    for (const kernel of [release, olderRelease]) {
      t.regex(entryOf(root, `${token}-${kernel}`), /^options {4}root=UUID=uuid ro console=ttyS0 quiet iommu=pt$/m)
      t.is(readText(root, `efi/${token}/${kernel}/initrd.img-${kernel}`), readText(root, `boot/initrd.img-${kernel}`))
    }
    const kept = readdirSync(join(root, `efi/EFI/passway/${id}`)).find((name) => name.startsWith('initrd')) ?? ''
    const keptRelease = kept.replace('initrd.img-', '')
    t.is(
      entryOf(root, `passway-before-${id}`),
      `title      passway: before ${id}\nversion    ${keptRelease}\noptions    ${before.trim()}\n` +
        `linux      /efi/EFI/passway/${id}/linux-${keptRelease}\ninitrd     /efi/EFI/passway/${id}/${kept}\n`,
    )
    if (keptRelease === release) t.is(readText(root, `efi/EFI/passway/${id}/${kept}`), image)
    t.is(variableOf(root, 'LoaderEntryDefault'), undefined)
    // The hook of both images, then both kernels.
    t.is(readText(root, 'var/tmp/defaults'), `passway-before-${id}.conf`.repeat(4))

    const back = runUnder('/bin/sh', callFor({ verb: 'rollback' }), { chroot: root })
    t.is(back.outcome, 'reverted', back.text)
    t.deepEqual(withoutImages(readHost(root)), withoutImages(host))
    for (const kernel of [release, olderRelease]) {
      t.is(readText(root, `efi/${token}/${kernel}/initrd.img-${kernel}`), readText(root, `boot/initrd.img-${kernel}`))
    }
  })
}

const failures: readonly [string, Partial<BootExpectation>, (root: string) => void, string][] = [
  [
    'a kernel-install that fails',
    {},
    (root) => writeFileSync(join(root, `etc/broken-entry-${olderRelease}`), ''),
    'REGENERATION_FAILED',
  ],
  [
    'a kernel-install that only says that it went well',
    {},
    (root) => writeFileSync(join(root, 'etc/lazy-entry'), ''),
    'ENTRIES_DIFFER',
  ],
  ['a copy that is torn', {}, (root) => writeFileSync(join(root, 'etc/torn-copy'), ''), 'ENTRIES_DIFFER'],
  ['an argument that is missing', { normalArguments: ['iommu=pt', 'amd_iommu=on'] }, () => {}, 'ENTRIES_DIFFER'],
  ['arguments in another order', { normalArguments: ['iommu=pt', 'quiet'] }, () => {}, 'ENTRIES_DIFFER'],
  ['an argument that should be gone', { absentArguments: ['quiet'] }, () => {}, 'ENTRIES_DIFFER'],
  ['a module that is not in the image', { imageModules: ['vfio_mdev'] }, () => {}, 'IMAGE_LACKS_MODULE'],
  [
    'variables that cannot be written',
    {},
    (root) => writeFileSync(join(root, 'etc/no-variables'), ''),
    'VARIABLE_NOT_TAKEN',
  ],
]

for (const [title, more, arrange, code] of failures) {
  test(`${title}: everything is as before, images and copies byte for byte`, (t) => {
    const root = makeSystemdBootHost(t)
    arrange(root)
    setVariable(root, 'LoaderEntryDefault', 'debian-*')
    const host = readHost(root)
    const run = runUnder('/bin/sh', bundleFor(bootPlan(more), null, nextId()), { chroot: root })
    t.is(run.outcome, 'reverted', run.text)
    t.true(run.codes.includes(code), run.text)
    t.deepEqual(readHost(root), host)
  })
}

test('a default that the admin chose is there again', (t) => {
  const root = makeSystemdBootHost(t)
  setVariable(root, 'LoaderEntryDefault', 'debian-*')
  t.is(runUnder('/bin/sh', bundleFor(argumentPlan(), null, nextId()), { chroot: root }).outcome, 'committed')
  t.is(variableOf(root, 'LoaderEntryDefault'), 'debian-*')
})

test('copies that differ from /boot are saved and come back', (t) => {
  const root = makeSystemdBootHost(t)
  writeFileSync(join(root, `efi/${token}/${olderRelease}/initrd.img-${olderRelease}`), 'of an admin')
  writeFileSync(join(root, `etc/broken-entry-${release}`), '')
  const host = readHost(root)
  const run = runUnder('/bin/sh', bundleFor(bootPlan(), null, nextId()), { chroot: root })
  t.is(run.outcome, 'reverted', run.text)
  t.deepEqual(readHost(root), host)
})

test('an entry that was not there before goes again', (t) => {
  const root = makeSystemdBootHost(t)
  rmSync(join(root, `efi/loader/entries/${token}-${olderRelease}.conf`))
  rmSync(join(root, `efi/${token}/${olderRelease}`), { recursive: true })
  const host = readHost(root)
  const run = runUnder('/bin/sh', bundleFor({ ...bootPlan({ absentArguments: ['quiet'] }) }, null, nextId()), {
    chroot: root,
  })
  t.is(run.outcome, 'reverted', run.text)
  t.deepEqual(readHost(root), host)
})

test('without a file of its own the host goes back to the line of before, not to the one that runs', (t) => {
  const root = makeSystemdBootHost(t)
  rmSync(join(root, 'etc/kernel/cmdline'))
  const host = readHost(root)
  const run = runUnder('/bin/sh', bundleFor(argumentPlan(null), null, nextId()), { chroot: root })
  t.is(run.outcome, 'committed', run.text)
  writeFileSync(join(root, 'proc/cmdline'), `initrd=x ${after}`)
  const back = runUnder('/bin/sh', callFor({ verb: 'rollback' }), { chroot: root })
  t.is(back.outcome, 'reverted', back.text)
  const ofBoot = (entries: Host) => entries.filter(({ path }) => path !== '/proc/cmdline')
  t.deepEqual(ofBoot(readHost(root)), ofBoot(host))
})

test('entries and copies of an earlier record go with the next', (t) => {
  const root = makeSystemdBootHost(t)
  const [first, second] = [nextId(), nextId()]
  t.is(runUnder('/bin/sh', bundleFor(argumentPlan(), null, first), { chroot: root }).outcome, 'committed')
  const plan = planOf([change('file', '/etc/a', null, file('1\n'))], {
    expectation: { ...noExpectation, entries: { root: '/efi', token } },
  })
  t.is(runUnder('/bin/sh', bundleFor(plan, null, second), { chroot: root }).outcome, 'committed')
  t.false(existsSync(join(root, 'efi/EFI/passway')))
  t.false(existsSync(join(root, `efi/loader/entries/passway-before-${first}.conf`)))
})

test('from a rescue shell where nothing can be built, images and entries of before are put back', (t) => {
  const root = makeSystemdBootHost(t)
  const host = readHost(root)
  t.is(runUnder('/bin/sh', bundleFor(bootPlan(), null, nextId()), { chroot: root }).outcome, 'committed')
  for (const tool of ['usr/sbin/update-initramfs', 'usr/bin/kernel-install']) {
    writeTool(root, `/${tool}`, '#!/bin/sh\necho no /proc >&2\nexit 1\n')
  }
  const agent = join(root, 'var/lib/passway/agent.sh')
  const run = spawnSync('sh', [agent, 'rollback', '--root', root], { encoding: 'utf8' })
  t.is(run.status, 0, run.stdout)
  t.regex(run.stdout, /RESTORED_INSTEAD/)
  t.deepEqual(withoutImages(readHost(root)), withoutImages(host))
})

test('a partition that is not mounted, or has no room for a tool, is refused', (t) => {
  const root = makeSystemdBootHost(t)
  rmSync(join(root, 'usr/bin/kernel-install'))
  rmSync(join(root, 'efi'), { recursive: true })
  const run = runUnder('/bin/sh', bundleFor(argumentPlan(), null, nextId()), { chroot: root })
  t.is(run.outcome, 'refused')
  t.deepEqual(run.codes, ['TOOL_MISSING', 'BOOT_UNSUPPORTED'])
})
