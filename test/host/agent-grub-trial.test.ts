import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { callFor, inMiniHost, isRoot, readHost, release, runUnder } from './agent-hosts.ts'
import { bootGrub, environment, grubTrialPlan, makeGrubTrialHost, options, readArmed } from './grub-trial-hosts.ts'
import { testUnless } from './skip.ts'
import { stageTrial } from './trial-hosts.ts'

const test = testUnless(isRoot ? null : 'needs root, for chroot')

/** What a boot reads; images differ in their times when they were built again. */
function readBoot(root: string) {
  const ofBoot = readHost(root).filter(({ path }) => /^\/(boot|etc\/(default|modprobe|systemd))/.test(path))
  return ofBoot.filter(({ path }) => !path.includes('/initrd'))
}

const read = (root: string, path: string) => readFileSync(join(root, path), 'latin1')
const stateOf = (root: string, id: string) => read(root, `var/lib/passway/records/${id}/state`).trim()

/** Of one entry of custom.cfg, by its id. */
function entryOf(root: string, id: string): string {
  const found = new RegExp(`--id '${id}' \\{\\n([^}]*)`).exec(read(root, 'boot/grub/custom.cfg'))
  return found?.[1] ?? ''
}

test('staged, armed, tried and confirmed', (t) => {
  const root = makeGrubTrialHost(t)
  const live = readBoot(root)
  const { id, run } = stageTrial(root, grubTrialPlan())
  t.is(run.outcome, 'staged', run.text)
  const ours = /passway|custom\.cfg|systemd/
  t.deepEqual(
    readBoot(root).filter(({ path }) => !ours.test(path)),
    live.filter(({ path }) => !ours.test(path)),
  )
  t.is(readArmed(root), null)
  t.regex(entryOf(root, `passway-trial-${id}`), new RegExp(`console=ttyS0 quiet iommu=pt passway.txn=${id} panic=30`))
  t.regex(entryOf(root, `passway-before-${id}`), new RegExp(`/boot/passway/${id}/vmlinuz-${release} .* quiet\n`))
  t.true(read(root, `boot/passway/${id}/trial-initrd.img-${release}`).includes(options))

  const armed = runUnder('/bin/sh', callFor({ verb: 'reboot' }), { chroot: root })
  t.is(armed.outcome, 'done', armed.text)
  t.is(readArmed(root), id)
  bootGrub(root, id)
  t.is(stateOf(root, id), 'trial')
  t.regex(read(root, 'etc/default/grub'), /quiet iommu=pt/)

  const confirmed = runUnder('/bin/sh', callFor({ verb: 'confirm', id }), { chroot: root })
  t.is(confirmed.outcome, 'committed', confirmed.text)
  t.regex(read(root, 'boot/grub/grub.cfg'), /quiet iommu=pt/)
  t.false(existsSync(join(root, environment)))
  t.is(entryOf(root, `passway-trial-${id}`), '')
  t.not(entryOf(root, `passway-before-${id}`), '')
  t.false(existsSync(join(root, `boot/passway/${id}/trial-initrd.img-${release}`)))

  const back = runUnder('/bin/sh', callFor({ verb: 'rollback' }), { chroot: root })
  t.is(back.outcome, 'reverted', back.text)
  t.deepEqual(readBoot(root), live)
})

const ways: readonly [title: string, go: (root: string, id: string) => void, reason: string][] = [
  ['the trial ended before its root file system was up', (root) => bootGrub(root, null), 'TRIAL_FAILED'],
  [
    'nobody confirmed',
    (root, id) => {
      bootGrub(root, id)
      bootGrub(root, null)
    },
    'NOT_CONFIRMED',
  ],
]
for (const [title, go, reason] of ways) {
  test(`${title}: all is as before`, (t) => {
    const root = makeGrubTrialHost(t)
    const live = readBoot(root)
    const { id, run } = stageTrial(root, grubTrialPlan())
    t.is(run.outcome, 'staged', run.text)
    t.is(runUnder('/bin/sh', callFor({ verb: 'reboot' }), { chroot: root }).outcome, 'done')
    go(root, id)
    inMiniHost(root, 'sh /var/lib/passway/agent.sh recover')
    t.is(stateOf(root, id), 'reverted')
    t.regex(read(root, `var/lib/passway/records/${id}/reason`), new RegExp(`^${reason}\t`))
    t.deepEqual(readBoot(root), live)
  })
}

test('an entry without what was planned, and a variable that cannot be written, end the staging', (t) => {
  const root = makeGrubTrialHost(t)
  const live = readBoot(root)
  const other = stageTrial(root, grubTrialPlan('amd_iommu=on')).run
  t.is(other.outcome, 'reverted', other.text)
  t.true(other.codes.includes('GRUB_DIFFERS'), other.text)
  t.deepEqual(readBoot(root), live)
  writeFileSync(join(root, 'etc/no-environment'), '')
  const { run } = stageTrial(root, grubTrialPlan())
  t.is(run.outcome, 'reverted', run.text)
  t.true(run.codes.includes('WRITE_FAILED'), run.text)
  t.deepEqual(readBoot(root), live)
})

test('where GRUB cannot write, a trial is refused', (t) => {
  const root = makeGrubTrialHost(t)
  const live = readHost(root)
  writeFileSync(join(root, 'etc/abstraction'), 'lvm\n')
  const { run } = stageTrial(root, grubTrialPlan())
  t.is(run.outcome, 'refused', run.text)
  t.deepEqual(run.codes, ['TRIAL_UNSUPPORTED'])
  t.deepEqual(
    readHost(root).filter(({ path }) => path !== '/etc/abstraction'),
    live,
  )
})
