import { spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { readAgentProgram } from '../../src/host/programs.ts'
import {
  bootTools,
  callFor,
  inMiniHost,
  isRoot,
  olderRelease,
  readHost,
  release,
  runUnder,
  writeTool,
  type ShellRun,
} from './agent-hosts.ts'
import { bootGrub, environment, grubTrialPlan, makeGrubTrialHost, readArmed } from './grub-trial-hosts.ts'
import { testUnless } from './skip.ts'
import { stageTrial } from './trial-hosts.ts'

const test = testUnless(isRoot ? null : 'needs root, for chroot')

/** What a boot reads; images are looked at by themselves. */
function readBoot(root: string) {
  const ofBoot = readHost(root).filter(({ path }) => /^\/(boot|etc\/(default|modprobe|systemd|apt))/.test(path))
  return ofBoot.filter(({ path }) => !path.includes('/initrd'))
}

const read = (root: string, path: string) => readFileSync(join(root, path), 'latin1')
const stateOf = (root: string, id: string) => read(root, `var/lib/passway/records/${id}/state`).trim()
const agent = (root: string, verb: string) => inMiniHost(root, `sh /var/lib/passway/agent.sh ${verb} 2>&1 || :`)

function call(root: string, verb: 'reboot' | 'confirm' | 'rollback' | 'recover', id?: string): ShellRun {
  return runUnder('/bin/sh', callFor({ verb, ...(id !== undefined && { id }) }), { chroot: root })
}

function stage(t: ExecutionContext, root: string): string {
  const { id, run } = stageTrial(root, grubTrialPlan())
  t.is(run.outcome, 'staged', run.text)
  return id
}

/** Up to where the trial runs, its files in place. */
function enterTrial(t: ExecutionContext, root: string): string {
  const id = stage(t, root)
  t.is(call(root, 'reboot').outcome, 'done')
  bootGrub(root, id)
  t.is(stateOf(root, id), 'trial')
  return id
}

/** A tool of the host that fails from now on, for as long as /etc/failing is there. */
function breakTool(root: string, path: keyof typeof bootTools): void {
  const tool = read(root, path.slice(1))
  writeTool(root, path, tool.replace('#!/bin/sh\n', '#!/bin/sh\nif [ -e /etc/failing ]; then exit 1; fi\n'))
  writeFileSync(join(root, 'etc/failing'), '')
}

/** What systemctl is told goes to /tmp/systemctl; the reboot that armed the trial tells it `reboot` alone, a second later. */
function noteCalls(root: string): void {
  writeTool(root, '/usr/bin/systemctl', '#!/bin/sh\necho "$@" >>/tmp/systemctl\n[ "$1" != is-active ]\n')
  writeTool(root, '/bin/sleep', '#!/bin/sh\n')
}

test('a grub.cfg that somebody builds in the trial goes with it', (t) => {
  const root = makeGrubTrialHost(t)
  const live = readBoot(root)
  const id = enterTrial(t, root)
  inMiniHost(root, 'grub-mkconfig -o /boot/grub/grub.cfg')
  t.regex(read(root, 'boot/grub/grub.cfg'), /iommu=pt/)
  bootGrub(root, null)
  agent(root, 'recover')
  t.is(stateOf(root, id), 'reverted')
  t.deepEqual(readBoot(root), live)
})

test('a commit that was cut after grub.cfg was built, then fails: the grub.cfg of before comes back', (t) => {
  const root = makeGrubTrialHost(t)
  const live = readBoot(root)
  const id = enterTrial(t, root)
  const mkconfig = read(root, 'usr/sbin/grub-mkconfig')
  writeTool(root, '/usr/bin/true-grub-mkconfig', mkconfig)
  // The agent dies with it, once it is in place.
  writeTool(
    root,
    '/usr/sbin/grub-mkconfig',
    '#!/bin/sh\ntrue-grub-mkconfig "$@"; cp $2 /boot/grub/grub.cfg; kill -9 $(cut -f 2 /var/lib/passway/records/*/owner)\n',
  )
  call(root, 'confirm', id)
  t.is(stateOf(root, id), 'confirmed')
  t.regex(read(root, 'boot/grub/grub.cfg'), /iommu=pt/)
  writeTool(root, '/usr/sbin/grub-mkconfig', '#!/bin/sh\nexit 1\n')
  const run = call(root, 'recover')
  t.is(stateOf(root, id), 'reverted', run.text)
  t.deepEqual(readBoot(root), live)
})

test('an edit between staging and the reboot: nothing is armed, and the edit stays', (t) => {
  const root = makeGrubTrialHost(t)
  const id = stage(t, root)
  appendFileSync(join(root, 'etc/default/grub'), '# mine\n')
  const run = call(root, 'reboot')
  t.is(run.outcome, 'refused', run.text)
  t.true(run.codes.includes('STALE'), run.text)
  t.is(readArmed(root), null)
  t.is(stateOf(root, id), 'staged')
  t.is(call(root, 'rollback', id).outcome, 'reverted')
  t.regex(read(root, 'etc/default/grub'), /# mine\n$/)
})

test('an edit between arming and the trial is replaced, and not lost', (t) => {
  const root = makeGrubTrialHost(t)
  const id = stage(t, root)
  t.is(call(root, 'reboot').outcome, 'done')
  appendFileSync(join(root, 'etc/default/grub'), '# mine\n')
  bootGrub(root, id)
  t.is(stateOf(root, id), 'trial')
  t.regex(read(root, `var/lib/passway/records/${id}/found/1`), /# mine\n$/)
})

test('an image that somebody builds while a record waits is theirs, and stays', (t) => {
  const root = makeGrubTrialHost(t)
  const id = stage(t, root)
  writeFileSync(join(root, 'etc/modprobe.d/mine.conf'), 'options mine\n')
  inMiniHost(root, `update-initramfs -u -k ${release}`)
  const image = read(root, `boot/initrd.img-${release}`)
  t.is(call(root, 'rollback', id).outcome, 'reverted')
  t.is(read(root, `boot/initrd.img-${release}`), image)
})

test('the deadline looks at the boot that runs: an early unit that got nowhere is no excuse', (t) => {
  const root = makeGrubTrialHost(t)
  const live = readBoot(root)
  const id = stage(t, root)
  t.is(call(root, 'reboot').outcome, 'done')
  bootGrub(root, id, false)
  t.is(stateOf(root, id), 'armed')
  noteCalls(root)
  agent(root, 'expire')
  t.regex(read(root, 'tmp/systemctl'), /^--no-block reboot$/m)
  bootGrub(root, null)
  agent(root, 'recover')
  t.is(stateOf(root, id), 'reverted')
  t.deepEqual(readBoot(root), live)
})

test('the deadline reboots also where nothing can be written', (t) => {
  const root = makeGrubTrialHost(t)
  enterTrial(t, root)
  noteCalls(root)
  // As on a file system that was remounted read-only: a redirection that fails, before any flock is asked.
  writeTool(root, '/usr/bin/flock', '#!/bin/sh\n')
  rmSync(join(root, 'var/lib/passway/lock'), { force: true })
  spawnSync('mkdir', [join(root, 'var/lib/passway/lock')])
  agent(root, 'expire')
  t.regex(read(root, 'tmp/systemctl'), /^--no-block reboot$/m)
})

test('a way back that fails keeps all that the next one needs', (t) => {
  const root = makeGrubTrialHost(t)
  const live = readBoot(root)
  const before = read(root, `boot/initrd.img-${olderRelease}`)
  const id = enterTrial(t, root)
  breakTool(root, '/usr/sbin/grub-mkconfig')
  // No new name appears in /boot: as where it is full, or FAT and full.
  const stubborn = (name: string) =>
    `#!/bin/sh\ncase "$*" in *initrd.img-*passway-tmp*) exit 1 ;; esac\nexec busybox ${name} "$@"\n`
  for (const name of ['ln', 'cp']) writeTool(root, `/bin/${name}`, stubborn(name))
  const failed = call(root, 'confirm', id)
  t.is(failed.outcome, 'failed', failed.text)
  t.not(stateOf(root, id), 'reverted')
  t.true(existsSync(join(root, `boot/passway/${id}/initrd.img-${olderRelease}`)))
  t.regex(read(root, 'boot/grub/custom.cfg'), new RegExp(`passway-before-${id}`))
  for (const name of ['ln', 'cp']) {
    rmSync(join(root, 'bin', name))
    symlinkSync('/usr/bin/busybox', join(root, 'bin', name))
  }
  rmSync(join(root, 'etc/failing'))
  bootGrub(root, null)
  const recovered = call(root, 'recover')
  t.is(stateOf(root, id), 'reverted', recovered.text)
  t.is(read(root, `boot/initrd.img-${olderRelease}`), before)
  t.deepEqual(readBoot(root), live)
})

test('a rescue without /boot is refused: the loader would stay armed', (t) => {
  const root = makeGrubTrialHost(t)
  const live = readBoot(root)
  const id = stage(t, root)
  t.is(call(root, 'reboot').outcome, 'done')
  renameSync(join(root, 'boot'), join(root, 'elsewhere'))
  spawnSync('mkdir', [join(root, 'boot')])
  const rescue = () =>
    spawnSync('sh', [join(root, 'var/lib/passway/agent.sh'), 'rollback', '--root', root], { encoding: 'utf8' })
  const refused = rescue()
  t.is(refused.status, 1, refused.stdout)
  t.regex(refused.stdout, /BOOT_MISSING .*\/boot/)
  t.is(stateOf(root, id), 'armed')
  spawnSync('rmdir', [join(root, 'boot')])
  renameSync(join(root, 'elsewhere'), join(root, 'boot'))
  const back = rescue()
  t.is(back.status, 0, back.stdout)
  t.is(readArmed(root), null)
  t.is(stateOf(root, id), 'reverted')
  t.deepEqual(readBoot(root), live)
})

test('custom.cfg: one that is a link is left alone, and no trial is made with it', (t) => {
  const root = makeGrubTrialHost(t)
  writeFileSync(join(root, 'boot/grub/theirs.cfg'), 'set theirs=1\n')
  symlinkSync('theirs.cfg', join(root, 'boot/grub/custom.cfg'))
  const { run } = stageTrial(root, grubTrialPlan())
  t.is(run.outcome, 'reverted', run.text)
  t.is(read(root, 'boot/grub/theirs.cfg'), 'set theirs=1\n')
})

test('custom.cfg: theirs is whole after a commit and its way back', (t) => {
  const root = makeGrubTrialHost(t)
  writeFileSync(join(root, 'boot/grub/custom.cfg'), 'set theirs=1')
  const id = enterTrial(t, root)
  t.is(call(root, 'confirm', id).outcome, 'committed')
  t.regex(read(root, 'boot/grub/custom.cfg'), /^set theirs=1\n### BEGIN passway/)
  t.is(call(root, 'rollback', id).outcome, 'reverted')
  t.is(read(root, 'boot/grub/custom.cfg').trimEnd(), 'set theirs=1')
})

test('a kernel that was removed is not missed on the way back', (t) => {
  const root = makeGrubTrialHost(t)
  const id = enterTrial(t, root)
  for (const name of [`boot/vmlinuz-${olderRelease}`, `boot/initrd.img-${olderRelease}`, `lib/modules/${olderRelease}`])
    rmSync(join(root, name), { recursive: true, force: true })
  bootGrub(root, null)
  agent(root, 'recover')
  t.is(stateOf(root, id), 'reverted')
  t.false(existsSync(join(root, `boot/initrd.img-${olderRelease}`)))
})

test('the kept image is gone after others were built: it is built anew from the files of before', (t) => {
  const root = makeGrubTrialHost(t)
  const id = enterTrial(t, root)
  breakTool(root, '/usr/sbin/grub-mkconfig')
  const unmkinitramfs = read(root, 'usr/bin/unmkinitramfs')
  writeTool(root, '/usr/bin/unmkinitramfs', `${unmkinitramfs}rm -f /boot/passway/*/initrd.img-${release}\n`)
  const run = call(root, 'confirm', id)
  t.true(run.codes.includes('KEPT_MISSING'), run.text)
  t.is(stateOf(root, id), 'reverted', run.text)
  t.false(read(root, `boot/initrd.img-${release}`).includes('vfio-pci'))
})

test('units that a cut left after the end go with the next boot', (t) => {
  const root = makeGrubTrialHost(t)
  const live = readBoot(root)
  const id = stage(t, root)
  const units = readHost(root).filter(({ path }) => /systemd\/system\/.*passway|00passway/.test(path))
  t.true(units.length >= 5)
  const program = join(root, 'var/lib/passway/agent.sh')
  const whole = read(root, 'var/lib/passway/agent.sh')
  const last = '[ -z "$(open_records)" ] || return 0'
  t.true(whole.includes(last))
  writeFileSync(program, whole.replace(last, `${last}\n  exit 137`))
  agent(root, `rollback ${id}`)
  t.is(stateOf(root, id), 'reverted')
  t.true(existsSync(join(root, 'etc/systemd/system/passway-early.service')))
  writeFileSync(program, whole)
  agent(root, 'recover')
  t.deepEqual(readBoot(root), live)
  t.false(existsSync(join(root, environment)))
})

test('the image that was tried and that of the commit are told apart also for names with a plus', (t) => {
  const name = '6.12.41+deb13-amd64'
  const listing = (module: string) =>
    `image\t/boot/initrd.img-x\t1\t2\t3\nmodule\tx\nimage\t/boot/initrd.img-${name}\t1\t2\t3\nmodule\t${module}\n`
  const functions = readAgentProgram().replace(/main "\$@"\n$/, '')
  const script = `${functions}\nprepare\ntrial_release=$1\nlisting_of "$2"\n`
  const list = (text: string) => {
    const path = join(makeGrubTrialHost(t), 'listing')
    writeFileSync(path, text)
    return spawnSync('sh', ['-s', name, path], { input: script, encoding: 'latin1' }).stdout
  }
  t.is(list(listing('vfio_pci')), 'module\tvfio_pci\n')
})
