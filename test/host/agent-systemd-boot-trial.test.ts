import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import type { HostPlan } from '../../src/core/plan.ts'
import {
  callFor,
  change,
  file,
  inMiniHost,
  isRoot,
  noExpectation,
  planOf,
  readHost,
  release,
  runUnder,
} from './agent-hosts.ts'
import { testUnless } from './skip.ts'
import { entryOf, makeSystemdBootHost, setVariable, token, variableOf } from './systemd-boot-hosts.ts'
import { addTrialTools, bootInto, runEarlyUnit, stageTrial, type StagedTrial } from './trial-hosts.ts'

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

function makeTrialHost(t: ExecutionContext): string {
  const root = addTrialTools(makeSystemdBootHost(t))
  setVariable(root, 'LoaderEntryDefault', 'debian-*')
  return root
}

function stage(root: string, plan: HostPlan = trialPlan()): StagedTrial {
  return stageTrial(root, plan)
}

/** The loader deletes what it was told to do once before it does it. */
function boot(root: string, id: string | null): void {
  if (variableOf(root, 'LoaderEntryOneShot') !== undefined) inMiniHost(root, 'bootctl set-oneshot ""')
  bootInto(root, `initrd=x ${id === null ? before : `${after} passway.txn=${id} panic=30`}`)
  runEarlyUnit(root)
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

test('what a cut left beside the entries goes, also where nothing was booted', (t) => {
  const root = makeTrialHost(t)
  const { id, run } = stage(root)
  t.is(run.outcome, 'staged', run.text)
  const left = join(root, `efi/loader/entries/.passway-${id}.Ab12Cd`)
  writeFileSync(left, '')
  t.is(runUnder('/bin/sh', callFor({ verb: 'rollback' }), { chroot: root }).outcome, 'reverted')
  t.false(existsSync(left))
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
