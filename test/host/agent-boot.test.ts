import { existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import type { BootExpectation, HostPlan } from '../../src/core/plan.ts'
import { sha256 } from '../../src/core/public-change.ts'
import {
  bootTools,
  bundleFor,
  callFor,
  change,
  file,
  inMiniHost,
  isRoot,
  makeMiniHost,
  nextId,
  noExpectation,
  olderRelease,
  planOf,
  readHost,
  release,
  runUnder,
  settleMiniHost,
  updateInitramfs,
  shells,
  writeTool,
} from './agent-hosts.ts'
import { testUnless } from './skip.ts'

const test = testUnless(isRoot ? null : 'needs root, for chroot')

const grubBefore = 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX="console=ttyS0"\n'
const grubAfter =
  'GRUB_CMDLINE_LINUX_DEFAULT="quiet intel_iommu=on,sm_on iommu=pt"\nGRUB_CMDLINE_LINUX="console=ttyS0"\n'
const options = 'options vfio-pci ids=10de:1c82\n'

const expectation: BootExpectation = {
  ...noExpectation,
  normalArguments: ['console=ttyS0', 'intel_iommu=on,sm_on', 'iommu=pt'],
  recoveryArguments: ['console=ttyS0'],
  absentArguments: ['nomodeset'],
  imageModules: ['vfio', 'vfio-pci'],
  imageFiles: { '/etc/modprobe.d/passway.conf': sha256(options) },
}

function bootPlan(more: Partial<BootExpectation> = {}): HostPlan {
  return planOf(
    [
      change('file', '/etc/default/grub', file(grubBefore), file(grubAfter)),
      change('file', '/etc/modprobe.d/passway.conf', null, file(options)),
      change('file', '/etc/initramfs-tools/modules', file('# nothing yet\n'), file('# nothing yet\nvfio_pci\n')),
    ],
    { regenerate: ['initramfs', 'boot-loader'], reboot: 'needed', expectation: { ...expectation, ...more } },
  )
}

function makeBootHost(t: ExecutionContext, shell: (typeof shells)[number] = 'busybox sh'): string {
  const root = makeMiniHost(t, { shell, tools: bootTools })
  settleMiniHost(root)
  return root
}

function readText(root: string, path: string): string {
  return readFileSync(join(root, path), 'latin1')
}

for (const shell of shells) {
  test(`${shell}: builds and reads back images and grub.cfg; the way back builds them again`, (t) => {
    const root = makeBootHost(t, shell)
    const before = readHost(root)
    const grub = statSync(join(root, 'boot/grub/grub.cfg'))
    const id = nextId()
    const run = runUnder('/bin/sh', bundleFor(bootPlan(), null, id), { chroot: root })
    t.is(run.outcome, 'committed', run.text)

    t.regex(readText(root, 'boot/grub/grub.cfg'), /ro console=ttyS0 quiet intel_iommu=on,sm_on iommu=pt$/m)
    t.is(statSync(join(root, 'boot/grub/grub.cfg')).mode, grub.mode)
    const images = readText(root, 'var/lib/passway/images')
    const stat = statSync(join(root, `boot/initrd.img-${release}`))
    t.true(
      images.includes(
        `image\t/boot/initrd.img-${release}\t${stat.ino}\t${stat.size}\t${Math.floor(stat.mtimeMs / 1000)}\n`,
      ),
    )
    t.true(
      images.includes(`module\tvfio_pci\nearly\tvfio_pci\nfile\tetc/modprobe.d/passway.conf\t${sha256(options)}\n`),
    )

    const kept = readText(root, `boot/passway/${id}/initrd.img-${release}`)
    t.true(before.some((entry) => entry.type === 'file' && entry.content === kept))
    const custom = readText(root, 'boot/grub/custom.cfg')
    t.true(custom.includes(`menuentry 'passway: before ${id}' --id 'passway-before-${id}' {`))
    t.true(custom.includes(`linux\t/boot/vmlinuz-${release} root=UUID=uuid ro console=ttyS0 quiet\n`))
    t.true(custom.includes(`initrd\t/boot/passway/${id}/initrd.img-${release}\n`))

    const back = runUnder('/bin/sh', callFor({ verb: 'rollback' }), { chroot: root })
    t.is(back.outcome, 'reverted', back.text)
    t.deepEqual(
      readHost(root).filter((entry) => !entry.path.includes('initrd')),
      before.filter((entry) => !entry.path.includes('initrd')),
    )
    t.notRegex(readText(root, 'var/lib/passway/images'), /vfio/)
  })
}

test.serial('tools get nothing of the environment that the agent was called in', (t) => {
  // As the shell of an initramfs has it; mkinitramfs would write ROOT into the image.
  const given = { ROOT: '/dev/nowhere', MODPROBE_OPTIONS: '-qb', GRUB_CMDLINE_LINUX: 'panic=1\nexport X=1' }
  Object.assign(process.env, given)
  t.teardown(() => Object.keys(given).forEach((name) => delete process.env[name]))
  for (const shell of shells) {
    const root = makeBootHost(t, shell)
    const seen = updateInitramfs.replace('set -e\n', 'set -e\nenv >>/seen\n')
    writeFileSync(join(root, 'usr/sbin/update-initramfs'), seen, { mode: 0o755 })
    const plan = planOf([change('file', '/etc/modprobe.d/x.conf', null, file('options x y=1\n'))], {
      regenerate: ['initramfs'],
      reboot: 'needed',
    })
    const run = runUnder('/bin/sh', bundleFor(plan, null, nextId()), { chroot: root })
    t.is(run.outcome, 'committed', run.text)
    t.notRegex(readText(root, 'seen'), /ROOT=|MODPROBE|GRUB_|panic/, shell)
    t.regex(readText(root, 'seen'), /^PATH=\/usr\/sbin:/m)
  }
})

test('rules of udev are looked for where the hook of udev puts them', (t) => {
  const root = makeBootHost(t)
  const [path, rules] = ['/etc/udev/rules.d/10-passway.rules', 'ACTION!="add", GOTO="passway_end"\n']
  const directories = ['/etc/udev', '/etc/udev/rules.d'].map((each) =>
    change('directory', each, null, { mode: 0o755, uid: 0, gid: 0 }),
  )
  const plan = planOf([...directories, change('file', path, null, file(rules))], {
    regenerate: ['initramfs'],
    reboot: 'needed',
    expectation: { ...noExpectation, imageFiles: { [path]: sha256(rules) } },
  })
  const run = runUnder('/bin/sh', bundleFor(plan, null, nextId()), { chroot: root })
  t.is(run.outcome, 'committed', run.text)
  const listing = readText(root, 'var/lib/passway/images')
  t.true(listing.includes(`file\tusr/lib/udev/rules.d/10-passway.rules\t${sha256(rules)}\n`), listing)
  const back = runUnder('/bin/sh', callFor({ verb: 'rollback' }), { chroot: root })
  t.is(back.outcome, 'reverted', back.text)
})

const failures: readonly [string, Partial<BootExpectation>, (root: string) => void, string][] = [
  [
    'an image that is not built',
    {},
    (root) => writeFileSync(join(root, `etc/broken-${olderRelease}`), ''),
    'REGENERATION_FAILED',
  ],
  [
    'a build that was killed, its copy of the image of before left',
    {},
    (root) => writeFileSync(join(root, 'etc/killed'), ''),
    'REGENERATION_FAILED',
  ],
  [
    'a build that only says that it went well',
    {},
    (root) => writeFileSync(join(root, 'etc/lazy'), ''),
    'REGENERATION_FAILED',
  ],
  [
    'a module that is not in the image',
    {},
    (root) => writeFileSync(join(root, 'etc/without-vfio_pci'), ''),
    'IMAGE_LACKS_MODULE',
  ],
  [
    'a file that is not in the image as planned',
    { imageFiles: { '/etc/modprobe.d/passway.conf': sha256('other') } },
    () => {},
    'IMAGE_FILE_DIFFERS',
  ],
  [
    'an image that cannot be unpacked',
    {},
    (root) => writeTool(root, '/usr/bin/unmkinitramfs', '#!/bin/sh\nexit 0\n'),
    'IMAGE_UNREADABLE',
  ],
  ['grub-mkconfig that fails', {}, (root) => writeFileSync(join(root, 'etc/broken-grub'), ''), 'REGENERATION_FAILED'],
  [
    'a grub.cfg that grub-script-check does not understand',
    {},
    (root) => writeTool(root, '/usr/bin/grub-script-check', '#!/bin/sh\necho "syntax error"; exit 1\n'),
    'REGENERATION_FAILED',
  ],
  ['an argument that is missing', { normalArguments: ['iommu=pt', 'amd_iommu=on'] }, () => {}, 'GRUB_DIFFERS'],
  ['arguments in another order', { normalArguments: ['iommu=pt', 'intel_iommu=on,sm_on'] }, () => {}, 'GRUB_DIFFERS'],
  ['an argument that should be gone', { absentArguments: ['quiet'] }, () => {}, 'GRUB_DIFFERS'],
  ['a recovery entry without its argument', { recoveryArguments: ['quiet'] }, () => {}, 'GRUB_DIFFERS'],
]

for (const [title, more, arrange, code] of failures) {
  test(`${title}: everything is as before, images byte for byte`, (t) => {
    const root = makeBootHost(t)
    arrange(root)
    const before = readHost(root)
    const run = runUnder('/bin/sh', bundleFor(bootPlan(more), null, nextId()), { chroot: root })
    t.is(run.outcome, 'reverted', run.text)
    t.true(run.codes.includes(code), run.text)
    t.deepEqual(readHost(root), before)
  })
}

test('the message of a tool that failed comes along', (t) => {
  const root = makeBootHost(t)
  writeFileSync(join(root, 'etc/broken-grub'), '')
  const run = runUnder('/bin/sh', bundleFor(bootPlan(), null, nextId()), { chroot: root })
  const problem = run.events.find((event) => event.name === 'problem')
  t.regex(problem?.fields[3] ?? '', /grub-probe: error: no such disk/)
})

test('update_initramfs=no is refused before anything is written', (t) => {
  const root = makeBootHost(t)
  writeFileSync(join(root, 'etc/initramfs-tools/update-initramfs.conf'), '# comment\nupdate_initramfs=no\n')
  const before = readHost(root)
  const run = runUnder('/bin/sh', bundleFor(bootPlan(), null, nextId()), { chroot: root })
  t.is(run.outcome, 'refused')
  t.deepEqual(run.codes, ['UPDATE_INITRAMFS_OFF'])
  t.deepEqual(readHost(root), before)
})

test('a lock of dpkg, as /proc/locks shows it, is refused', (t) => {
  const root = makeBootHost(t)
  inMiniHost(root, 'mkdir -p /var/lib/dpkg && touch /var/lib/dpkg/lock')
  const { ino } = statSync(join(root, 'var/lib/dpkg/lock'))
  writeFileSync(join(root, 'proc/locks'), `1: POSIX  ADVISORY  WRITE 4711 fe:00:${ino} 0 EOF\n`)
  const run = runUnder('/bin/sh', bundleFor(bootPlan(), null, nextId()), { chroot: root })
  t.is(run.outcome, 'refused')
  t.deepEqual(run.codes, ['PACKAGES_BUSY'])
  t.regex(run.text, /4711/)
})

test('tools that the plan needs and the host lacks are named together', (t) => {
  const root = makeBootHost(t)
  rmSync(join(root, 'usr/sbin/update-initramfs'))
  rmSync(join(root, 'usr/sbin/grub-mkconfig'))
  const run = runUnder('/bin/sh', bundleFor(bootPlan(), null, nextId()), { chroot: root })
  t.is(run.outcome, 'refused')
  t.deepEqual(run.codes, ['TOOL_MISSING', 'TOOL_MISSING'])
})

test('a tree with its own tools regenerates inside itself; one without is told what is left to do', (t) => {
  const root = makeBootHost(t)
  const run = runUnder('sh', bundleFor(bootPlan(), root, nextId()))
  t.is(run.outcome, 'committed', run.text)
  t.regex(readText(root, 'boot/grub/grub.cfg'), /iommu=pt$/m)
  t.deepEqual(
    run.events.filter((event) => event.name === 'left-to-do'),
    [],
  )

  t.is(runUnder('sh', callFor({ verb: 'rollback', root })).outcome, 'reverted')
  rmSync(join(root, 'usr/sbin/grub-mkconfig'))
  rmSync(join(root, 'usr/sbin/update-initramfs'))
  const left = runUnder('sh', bundleFor(bootPlan(), root, nextId()))
  t.is(left.outcome, 'committed', left.text)
  t.deepEqual(
    left.events.filter((event) => event.name === 'left-to-do').map((event) => event.fields[0]),
    ['initramfs', 'boot-loader'],
  )
})

test("the kept images go with the next record, an administrator's custom.cfg stays", (t) => {
  const root = makeBootHost(t)
  writeFileSync(join(root, 'boot/grub/custom.cfg'), 'menuentry "mine" {\n}')
  const first = nextId()
  t.is(runUnder('/bin/sh', bundleFor(bootPlan(), null, first), { chroot: root }).outcome, 'committed')
  t.deepEqual(readdirSync(join(root, 'boot/passway')), [first])
  const second = runUnder('/bin/sh', bundleFor(planOf([change('file', '/etc/a', null, file('1\n'))]), null, nextId()), {
    chroot: root,
  })
  t.is(second.outcome, 'committed', second.text)
  t.false(existsSync(join(root, 'boot/passway')))
  t.is(readText(root, 'boot/grub/custom.cfg').trimEnd(), 'menuentry "mine" {\n}')
})

test('a kernel that came since is built on the way back too', (t) => {
  const root = makeBootHost(t)
  t.is(runUnder('/bin/sh', bundleFor(bootPlan(), null, nextId()), { chroot: root }).outcome, 'committed')
  inMiniHost(root, 'mkdir -p /lib/modules/6.2.0-1-amd64 && update-initramfs -u -k 6.2.0-1-amd64')
  t.true(readText(root, 'boot/initrd.img-6.2.0-1-amd64').includes('passway.conf'))
  const back = runUnder('/bin/sh', callFor({ verb: 'rollback' }), { chroot: root })
  t.is(back.outcome, 'reverted', back.text)
  t.false(readText(root, 'boot/initrd.img-6.2.0-1-amd64').includes('passway.conf'))
})

test('a rollback whose tool fails stays open, and the next contact ends it', (t) => {
  const root = makeBootHost(t)
  const before = readHost(root)
  const id = nextId()
  t.is(runUnder('/bin/sh', bundleFor(bootPlan(), null, id), { chroot: root }).outcome, 'committed')
  writeFileSync(join(root, 'etc/broken-grub'), '')
  const back = runUnder('/bin/sh', callFor({ verb: 'rollback' }), { chroot: root })
  t.is(back.outcome, 'failed')
  t.is(readText(root, `var/lib/passway/records/${id}/state`), 'staged\n')
  rmSync(join(root, 'etc/broken-grub'))
  const next = runUnder('/bin/sh', callFor({ verb: 'recover' }), { chroot: root })
  t.is(next.outcome, 'done', next.text)
  t.is(readText(root, `var/lib/passway/records/${id}/state`), 'reverted\n')
  const withoutImages = (entries: ReturnType<typeof readHost>) =>
    entries.filter((entry) => !entry.path.includes('initrd'))
  t.deepEqual(withoutImages(readHost(root)), withoutImages(before))
})

test('a change of the command line alone leaves an entry with the old one, for the image that stays', (t) => {
  const root = makeBootHost(t)
  const id = nextId()
  const plan = planOf([change('file', '/etc/default/grub', file(grubBefore), file(grubAfter))], {
    regenerate: ['boot-loader'],
    expectation: { ...expectation, imageModules: [], imageFiles: {} },
  })
  const run = runUnder('/bin/sh', bundleFor(plan, null, id), { chroot: root })
  t.is(run.outcome, 'committed', run.text)
  const custom = readText(root, 'boot/grub/custom.cfg')
  t.true(custom.includes(`ro console=ttyS0 quiet\n\tinitrd\t/boot/initrd.img-${release}\n`), custom)
  t.is(runUnder('/bin/sh', callFor({ verb: 'rollback' }), { chroot: root }).outcome, 'reverted')
  t.false(existsSync(join(root, 'boot/grub/custom.cfg')))
})

test('from a rescue shell where nothing can be built, images and grub.cfg of before are put back', (t) => {
  const root = makeBootHost(t)
  const before = readHost(root)
  t.is(runUnder('/bin/sh', bundleFor(bootPlan(), null, nextId()), { chroot: root }).outcome, 'committed')
  writeTool(root, '/usr/sbin/update-initramfs', '#!/bin/sh\necho no /proc >&2\nexit 1\n')
  const agent = join(root, 'var/lib/passway/agent.sh')
  const run = spawnSync('sh', [agent, 'rollback', '--root', root], { encoding: 'utf8' })
  t.is(run.status, 0, run.stdout)
  t.regex(run.stdout, /RESTORED_INSTEAD/)
  const restored = readHost(root)
  const image = (entries: typeof before) => entries.find((entry) => entry.path === `/boot/initrd.img-${release}`)
  t.deepEqual(image(restored), image(before))
  const withoutImages = (entries: typeof before) => entries.filter((entry) => !entry.path.includes('initrd'))
  t.deepEqual(withoutImages(restored), withoutImages(before))
})
