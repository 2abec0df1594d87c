import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { faultShell } from './fault-shell.ts'
import type { Fault, Step } from './faults.ts'
import { readTrees } from './host-files.ts'
import { exists, startMachine } from './machine.ts'
import type { Machine, MachineOptions } from './machine.ts'
import { runPassway, writeInventory } from './passway.ts'
import type { Run } from './passway.ts'
import type { Variant } from './variants.ts'
import { mendTimer, watchHost } from './watch-host.ts'
import type { Watch } from './watch-host.ts'

/** What one fault came to. */
export type FaultResult = {
  readonly fault: string
  readonly variant: Variant
  /** What was seen, in the controller's words where it has some. */
  readonly seen: string
  /** From the reboot, or the step that cut, until the host answered on ssh with nothing left open. */
  readonly seconds: number
  /** Empty where all is as it must be. */
  readonly wrong: readonly string[]
}

type Prepared = { readonly staged: string; readonly fresh: string; readonly before: string }

const playbook = 'test/lab/playbooks/trial.yaml'
const place: Omit<MachineOptions, 'variant'> = { topology: 'desktop', intremap: true, watchdog: true }

/** What a host is, apart from what passway keeps for itself: everything below /etc, and /boot without records and menus. */
async function readHost(machine: Machine): Promise<string> {
  const lines = (await readTrees(machine, ['/etc', '/boot'])).split('\n')
  return lines.filter((line) => !/ ?\/boot\/(?:passway|grub\/custom\.cfg)|random-seed/.test(line)).join('\n')
}

/** A machine as it was before, and the same with a trial that waits for its boot: in `kept`, or found there. */
export async function prepareTrial(variant: Variant, kept: string, log: (text: string) => void): Promise<Prepared> {
  const prepared = { staged: join(kept, 'staged'), fresh: join(kept, 'fresh'), before: join(kept, 'before') }
  if (await exists(prepared.before)) return prepared
  await mkdir(kept, { recursive: true })
  const first = await startMachine({ ...place, variant })
  const before = await readHost(first)
  await first.freeze(prepared.fresh)
  const machine = await startMachine({ ...place, variant, from: prepared.fresh })
  const inventory = await writeInventory(machine)
  const run = await runPassway(['apply', playbook, '--yes', '--json', '-i', inventory], dirname(inventory))
  log(`staging took ${run.seconds.toFixed(0)} s: exit ${run.status}`)
  if (run.status !== 0 || !run.stdout.includes('"staged"')) {
    const kernel = (await machine.serialLog()).slice(-1000)
    await machine.stop()
    throw new Error(`nothing was staged: exit ${run.status}\n${run.stdout}\n${run.stderr}\n${kernel}`)
  }
  if ((await readHost(machine).then(withoutGuard)) !== withoutGuard(before)) log('staging changed live files')
  await machine.freeze(prepared.staged)
  await writeFile(prepared.before, before)
  return prepared
}

/** What stands on the host while a record is open. */
function withoutGuard(host: string): string {
  return host
    .split('\n')
    .filter((line) => !/passway|\/etc\/systemd\/system/.test(line))
    .join('\n')
}

/**
 * One run: from an overlay over what was kept, all steps, then the host as it is. A run in which the emulated timer died
 * or QEMU crashed says nothing of the fault, for a boot was started twice: it is repeated.
 */
export async function runFault(
  fault: Fault,
  variant: Variant,
  prepared: Prepared,
  log: (text: string) => void,
): Promise<FaultResult> {
  for (let tries = 1; ; tries += 1) {
    const run = await runOnce(fault, variant, prepared, log)
    if (tries === 3 || !run.isMended) return await run.result
    await run.result.catch(() => {})
    log('again, from the start')
  }
}

type Once = { readonly result: Promise<FaultResult>; readonly isMended: boolean }

async function runOnce(fault: Fault, variant: Variant, prepared: Prepared, log: (text: string) => void): Promise<Once> {
  const from = fault.from === 'staged' ? prepared.staged : prepared.fresh
  const machine = await startMachine({ ...place, variant, from })
  let isMended = false
  const endMending = mendTimer(machine, () => {
    isMended = true
    log('the emulated timer died: started again')
  })
  const before = await readFile(prepared.before, 'utf8')
  const result = goThrough({ fault, variant, machine, log, before })
  await result.catch(() => {})
  endMending()
  if (machine.crashes() > 0) log('QEMU crashed')
  if (process.env['PASSWAY_LAB_KEEP'] !== undefined)
    await cp(join(machine.directory, 'serial.log'), join(process.env['PASSWAY_LAB_KEEP'], `${variant}.log`))
  await machine.stop()
  return { result, isMended: isMended || machine.crashes() > 0 }
}

type Faulty = {
  readonly fault: Fault
  readonly variant: Variant
  readonly machine: Machine
  readonly before: string
  readonly log: (text: string) => void
}

async function goThrough({ fault, variant, machine, before, log }: Faulty): Promise<FaultResult> {
  const inventory = await writeInventory(machine, [
    'sh',
    '-c',
    `kill -TERM "$(cat ${join(machine.directory, 'qemu.pid')})"`,
  ])
  const wrong: string[] = []
  const said: string[] = []
  let watch = watchHost(machine)
  try {
    for (const step of fault.steps) {
      if (isCut(step)) {
        watch.stop()
        watch = watchHost(machine)
      }
      const run = await takeStep(step, machine, inventory, watch)
      if (run === null) continue
      log(`${describeStep(step)}: exit ${run.status} after ${run.seconds.toFixed(0)} s`)
      const found = judgeStep(step, run)
      wrong.push(...found)
      if (found.length > 0) log(`${run.stdout.slice(-6000)}\n${run.stderr.slice(-3000)}`)
      if (step.on === 'controller') said.push(summarize(run))
    }
    const seconds = await watch.settled(60)
    wrong.push(...(await judgeHost(fault, machine, before, inventory)))
    if (wrong.length > 0) log(wrong.join('\n'))
    return { fault: fault.name, variant, seen: said.join('; '), seconds: Math.round(seconds), wrong }
  } finally {
    // It asks on for as long as nobody stops it, and keeps this process.
    watch.stop()
  }
}

/** From here the host is on its way; a `confirm` after that only asks what became of it. */
function isCut(step: Step): boolean {
  if (step.on === 'time') return false
  return step.on === 'host' ? step.mayCut === true : step.run[0] !== 'confirm' || step.exit.length > 1
}

function describeStep(step: Step): string {
  return step.on === 'controller' ? `passway ${step.run.join(' ')}` : step.on === 'host' ? 'on the host' : 'time passes'
}

async function takeStep(step: Step, machine: Machine, inventory: string, watch: Watch): Promise<Run | null> {
  if (step.on === 'time') {
    const seconds = await watch.settled(600)
    return { status: 0, stdout: '', stderr: '', seconds }
  }
  const start = Date.now()
  if (step.on === 'host') {
    const output = await machine.ssh('sh', `${faultShell}\n${step.run}\n`)
    return { ...output, seconds: (Date.now() - start) / 1000 }
  }
  return takeCommand(step, machine, inventory)
}

async function takeCommand(
  { run, atRestart }: Extract<Step, { on: 'controller' }>,
  machine: Machine,
  inventory: string,
): Promise<Run> {
  const control = new AbortController()
  const starts = machine.starts()
  if (atRestart === 'set the clock back') machine.setClock('2001-02-03T04:05:06')
  const ended = runPassway([...run, '--json', '-i', inventory], dirname(inventory), control.signal)
  if (atRestart !== undefined) {
    const isEnded = ended.then(() => true)
    while (machine.starts() === starts && !(await Promise.race([isEnded, sleep(100, false)])));
    if (atRestart === 'kill the controller') control.abort()
    if (atRestart === 'pull the cable') await machine.setLink(false)
    if (atRestart === 'cut the power in its early unit') await cutInEarlyUnit(machine)
  }
  return ended
}

async function cutInEarlyUnit(machine: Machine): Promise<void> {
  for (let tries = 0; tries < 1200; tries += 1) {
    if ((await machine.serialLog()).includes('this boot is the trial')) break
    await sleep(100)
  }
  machine.cutPower()
}

function judgeStep(step: Step, { status, stdout, stderr }: Run): string[] {
  if (step.on === 'time') return []
  if (step.on === 'host') return status === 0 || step.mayCut === true ? [] : [`on the host: exit ${status}: ${stderr}`]
  const name = describeStep(step)
  const isSaid = step.exit.includes(255) || step.says.test(stdout + stderr)
  return [
    ...(step.exit.includes(status) ? [] : [`${name}: exit ${status}, not ${step.exit.join(' or ')}`]),
    ...(isSaid ? [] : [`${name}: does not say ${String(step.says)}`]),
  ]
}

/** Of a command's JSON: its first error, or the state. */
function summarize({ status, stdout }: Run): string {
  if (stdout === '') return 'nothing (killed)'
  try {
    const { hosts } = JSON.parse(stdout) as {
      hosts: { state?: string; diagnostics: { severity: string; code: string; message: string }[] }[]
    }
    const found = hosts[0]?.diagnostics.find(({ severity }) => severity === 'error')
    const text = found === undefined ? (hosts[0]?.state ?? '') : `${found.code}: ${found.message}`
    return `exit ${status}, ${text.replace(/record \S+/, 'the record').replace(/^(\S+ )lab /, '$1')}`
  } catch {
    return `exit ${status}`
  }
}

const facts = `for d in /var/lib/passway/records/*/; do
  [ ! -f "$d/state" ] || printf '%s %s\\n' "$(cat "$d/state")" "$(cut -f 1 "$d/reason" 2>/dev/null)"
done
for f in /etc/systemd/system/passway-* /etc/systemd/system/*/passway-* /etc/apt/apt.conf.d/00passway /boot/passway/*/trial-* \\
  /boot/grub/passway.env /boot/efi/EFI/passway/env; do [ ! -e "$f" ] || echo "left $f"; done
! grep -q passway-trial /boot/grub/custom.cfg 2>/dev/null || echo "left trial entry"
echo "cmdline $(cat /proc/cmdline)"
systemctl is-system-running --wait | sed 's/^/system /'`

async function judgeHost(fault: Fault, machine: Machine, before: string, inventory: string): Promise<string[]> {
  const { status, stdout } = await machine.ssh(facts)
  if (status > 1) return [`the host does not answer: ${status}`]
  const lines = stdout.split('\n')
  const [state = 'none', reason = ''] = (lines.find((line) => /^(?:reverted|committed)/.test(line)) ?? 'none ').split(
    ' ',
  )
  const wrong = lines.filter((line) => line.startsWith('left '))
  const isNew = state === 'committed'
  if (fault.end === (isNew ? 'old' : 'new')) wrong.push(`the record is ${state} (${reason}), not ${fault.end}`)
  if (fault.reason !== null && !isNew && !fault.reason.includes(reason)) wrong.push(`the reason is ${reason}`)
  if (!isNew) wrong.push(...listDifferences(before, await readHost(machine), fault.buildsImages))
  if (isNew) {
    const plan = await runPassway(
      ['plan', playbook, '--json', '--detailed-exitcode', '-i', inventory],
      dirname(inventory),
    )
    if (plan.status !== 0) wrong.push(`a plan finds something left to do: ${plan.stdout.slice(0, 2000)}`)
  }
  return wrong
}

function listDifferences(before: string, after: string, exceptImages: boolean): string[] {
  const linesOf = (text: string) =>
    new Set(text.split('\n').filter((line) => !exceptImages || !/ \/boot\/initrd\.img-/.test(line)))
  const [old, now] = [linesOf(before), linesOf(after)]
  return [
    ...[...old].filter((line) => !now.has(line)).map((line) => `lost: ${line}`),
    ...[...now].filter((line) => !old.has(line)).map((line) => `new: ${line}`),
  ].slice(0, 20)
}
