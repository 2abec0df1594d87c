import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import type { HostPlan } from '../../src/core/plan.ts'
import { formatBundle } from '../../src/host/bundle.ts'
import { readAgentProgram } from '../../src/host/programs.ts'
import {
  applyOptions,
  callFor,
  change,
  file,
  inMiniHost,
  isRoot,
  nextId,
  noExpectation,
  planOf,
  readHost,
  release,
  runUnder,
  writeTool,
} from './agent-hosts.ts'
import { testUnless } from './skip.ts'
import { entryOf, makeSystemdBootHost, setVariable, token, variableOf } from './systemd-boot-hosts.ts'

const test = testUnless(isRoot ? null : 'needs root, for chroot')

const before = 'root=UUID=uuid ro console=ttyS0 quiet'
const after = `${before} iommu=pt`
const options = 'options vfio-pci ids=10de:1c82\n'
const entry = `${token}-${release}`

function trialPlan(argument = 'iommu=pt'): HostPlan {
  return planOf(
    [
      change('file', '/etc/kernel/cmdline', file(`${before}\n`), file(`${after}\n`)),
      change('file', '/etc/modprobe.d/passway.conf', null, file(options)),
    ],
    {
      regenerate: ['initramfs', 'esp'],
      reboot: 'needed',
      expectation: { ...noExpectation, normalArguments: ['quiet', argument], entries: { root: '/efi', token } },
    },
  )
}

/** As update-initramfs builds, to another place; /etc is the one that it sees. */
const mkinitramfs = `#!/bin/sh
set -e
cp /boot/initrd.img-$3 /boot/saved.$$
update-initramfs -u -k $3 without-hook
cat /boot/initrd.img-$3 >$2
mv -f /boot/saved.$$ /boot/initrd.img-$3
`

/** No mount in this chroot: the view takes the place of /etc. `unshare -m --propagation private sh -c … passway VIEW ETC TOOL…` */
const unshare = `#!/bin/sh
view=$8
shift 9
mv /etc /etc.live && cp -a "$view" /etc
"$@"
status=$?
rm -rf /etc && mv /etc.live /etc
exit $status
`

function makeTrialHost(t: ExecutionContext): string {
  const root = makeSystemdBootHost(t)
  inMiniHost(root, 'mkdir -p /run/systemd/system /etc/systemd/system')
  writeTool(root, '/usr/bin/systemctl', '#!/bin/sh\n[ "$1" != is-active ]\n')
  writeTool(root, '/usr/sbin/mkinitramfs', mkinitramfs)
  writeTool(root, '/usr/bin/unshare', unshare)
  setVariable(root, 'LoaderEntryDefault', 'debian-*')
  return root
}

function stage(root: string, plan: HostPlan = trialPlan()) {
  const id = nextId()
  const trial = { kernel: release, confirmWithinSeconds: 600 }
  const data = formatBundle(plan, { ...applyOptions(id), root: null, agentProgram: readAgentProgram(), trial })
  return { id, run: runUnder('/bin/sh', data, { chroot: root }) }
}

let boots = 0

/** Another boot of that directory; the loader deletes what it was told to do once before it does it. */
function boot(root: string, id: string | null): void {
  boots += 1
  const write = (path: string, text: string): void => {
    rmSync(join(root, path), { force: true })
    writeFileSync(join(root, path), text)
  }
  write('proc/sys/kernel/random/boot_id', `7b1c3f52-5a0e-4a6e-9c55-${String(boots).padStart(12, '0')}\n`)
  write('proc/cmdline', id === null ? `initrd=x ${before}\n` : `initrd=x ${after} passway.txn=${id} panic=30\n`)
  if (variableOf(root, 'LoaderEntryOneShot') !== undefined) {
    inMiniHost(root, 'bootctl set-oneshot ""')
  }
  inMiniHost(root, 'sh /var/lib/passway/agent.sh early')
}

function stateOf(root: string, id: string): string {
  return readFileSync(join(root, `var/lib/passway/records/${id}/state`), 'latin1').trim()
}

/** What a boot reads, and what the loader was told. */
function readBoot(root: string) {
  const ofBoot = readHost(root).filter(({ path }) => /^\/(boot|efi|sys|etc\/(kernel|modprobe))/.test(path))
  return ofBoot.filter(({ path }) => !path.includes('initrd'))
}

test('staged, armed, tried and confirmed', (t) => {
  const root = makeTrialHost(t)
  const live = readBoot(root)
  const { id, run } = stage(root)
  t.is(run.outcome, 'staged', run.text)
  const ours = /passway|LoaderEntryDefault/
  t.deepEqual(
    readBoot(root).filter(({ path }) => !ours.test(path)),
    live.filter(({ path }) => !ours.test(path)),
  )
  t.is(variableOf(root, 'LoaderEntryDefault'), `passway-before-${id}.conf`)
  t.is(variableOf(root, 'LoaderEntryOneShot'), undefined)
  t.regex(entryOf(root, `passway-before-${id}`), new RegExp(`^options    ${before}$`, 'm'))
  const tried = entryOf(root, `passway-trial-${id}`)
  t.regex(tried, new RegExp(`^options    ${after} passway.txn=${id} panic=30`, 'm'))
  t.true(tried.includes(`initrd     /efi/EFI/passway/${id}/trial-initrd.img-${release}\n`), tried)
  const image = `trial-initrd.img-${release}`
  const bytes = (path: string) => readFileSync(join(root, path), 'latin1')
  t.is(bytes(`efi/EFI/passway/${id}/${image}`), bytes(`boot/passway/${id}/${image}`))
  t.true(bytes(`efi/EFI/passway/${id}/${image}`).includes(options))

  const armed = runUnder('/bin/sh', callFor({ verb: 'reboot' }), { chroot: root })
  t.is(armed.outcome, 'done', armed.text)
  t.is(variableOf(root, 'LoaderEntryOneShot'), `passway-trial-${id}.conf`)
  boot(root, id)
  t.is(stateOf(root, id), 'trial')
  t.is(bytes('etc/kernel/cmdline'), `${after}\n`)

  const confirmed = runUnder('/bin/sh', callFor({ verb: 'confirm', id }), { chroot: root })
  t.is(confirmed.outcome, 'committed', confirmed.text)
  t.regex(entryOf(root, entry), new RegExp(`^options    ${after}$`, 'm'))
  t.is(variableOf(root, 'LoaderEntryDefault'), 'debian-*')
  t.false(existsSync(join(root, `efi/loader/entries/passway-trial-${id}.conf`)))
  t.false(existsSync(join(root, `efi/EFI/passway/${id}/${image}`)))
  t.regex(entryOf(root, `passway-before-${id}`), new RegExp(`^options    ${before}$`, 'm'))

  const back = runUnder('/bin/sh', callFor({ verb: 'rollback' }), { chroot: root })
  t.is(back.outcome, 'reverted', back.text)
  t.deepEqual(readBoot(root), live)
})

const ways: readonly [title: string, go: (root: string, id: string) => void, reason: string][] = [
  ['the loader booted the old entry', (root) => boot(root, null), 'TRIAL_FAILED'],
  [
    'somebody built an image in the trial, and nobody confirmed',
    (root, id) => {
      boot(root, id)
      inMiniHost(root, `update-initramfs -u -k ${release}`)
      boot(root, null)
    },
    'NOT_CONFIRMED',
  ],
  [
    'nobody confirmed',
    (root, id) => {
      boot(root, id)
      boot(root, null)
    },
    'NOT_CONFIRMED',
  ],
]
for (const [title, go, reason] of ways) {
  test(`${title}: all is as before, the default as well`, (t) => {
    const root = makeTrialHost(t)
    const live = readBoot(root)
    const { id, run } = stage(root)
    t.is(run.outcome, 'staged', run.text)
    t.is(runUnder('/bin/sh', callFor({ verb: 'reboot' }), { chroot: root }).outcome, 'done')
    go(root, id)
    t.is(readFileSync(join(root, 'etc/kernel/cmdline'), 'latin1'), `${before}\n`)
    inMiniHost(root, 'sh /var/lib/passway/agent.sh recover')
    t.is(stateOf(root, id), 'reverted')
    t.regex(readFileSync(join(root, `var/lib/passway/records/${id}/reason`), 'latin1'), new RegExp(`^${reason}\t`))
    t.deepEqual(readBoot(root), live)
  })
}

test('taken back before any boot', (t) => {
  const root = makeTrialHost(t)
  const live = readBoot(root)
  const { run } = stage(root)
  t.is(run.outcome, 'staged', run.text)
  const back = runUnder('/bin/sh', callFor({ verb: 'rollback' }), { chroot: root })
  t.is(back.outcome, 'reverted', back.text)
  t.deepEqual(readBoot(root), live)
})

test('what is not what was staged is not booted', (t) => {
  const root = makeTrialHost(t)
  const { id } = stage(root)
  writeFileSync(join(root, `efi/EFI/passway/${id}/trial-initrd.img-${release}`), 'torn')
  const run = runUnder('/bin/sh', callFor({ verb: 'reboot' }), { chroot: root })
  t.is(run.outcome, 'refused', run.text)
  t.true(run.codes.includes('ARTEFACT_CHANGED'), run.text)
  t.is(variableOf(root, 'LoaderEntryOneShot'), undefined)
  t.is(stateOf(root, id), 'staged')
})

test('variables that are not taken, and arguments that are not there, end the staging', (t) => {
  const root = makeTrialHost(t)
  const live = readBoot(root)
  const other = stage(root, trialPlan('amd_iommu=on')).run
  t.is(other.outcome, 'reverted', other.text)
  t.true(other.codes.includes('ENTRIES_DIFFER'), other.text)
  t.deepEqual(readBoot(root), live)
  writeFileSync(join(root, 'etc/no-variables'), '')
  const { run } = stage(root)
  t.is(run.outcome, 'reverted', run.text)
  t.true(run.codes.includes('VARIABLE_NOT_TAKEN'), run.text)
  t.deepEqual(readBoot(root), live)
})

test('a trial without a file for the command line is refused', (t) => {
  const root = makeTrialHost(t)
  rmSync(join(root, 'etc/kernel/cmdline'))
  const plan = trialPlan()
  const { run } = stage(root, { ...plan, changes: plan.changes.slice(1) })
  t.is(run.outcome, 'refused', run.text)
  t.deepEqual(run.codes, ['TRIAL_UNSUPPORTED'])
})
