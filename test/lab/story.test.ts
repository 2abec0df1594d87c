import { readFile } from 'node:fs/promises'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import type { DerivedFiles, FileFacts, LiveState } from './host-files.ts'
import { readDerived, readFiles, readLive, readOutput, readTrees } from './host-files.ts'
import type { Machine } from './machine.ts'
import { exists, listMissing, startMachine } from './machine.ts'
import type { HostDocument, PlanDocument, ResultDocument } from './public-json.ts'
import { cli, parseHost, runLogged, writeInventory } from './passway.ts'
import type { Run } from './passway.ts'

const refusedPlaybook = 'test/lab/playbooks/refused.yaml'
const playbook = 'test/lab/playbooks/story.yaml'
const passedOn = ['0000:01:00.0', '0000:03:00.0']
const changedFileKinds = ['file', 'link', 'directory']

const missing = await listMissing()
if (!(await exists(cli))) missing.push(`${cli} (npm run build)`)
const step = missing.length === 0 ? test.serial : test.serial.skip
const lacks = missing.length === 0 ? '' : ` (skipped: needs ${missing.join(', ')})`

/** What one step learns and a later one compares with. */
const seen: {
  machine?: Machine
  inventory?: string
  live?: LiveState
  derived?: DerivedFiles
  files?: Map<string, FileFacts>
  plan?: HostDocument<PlanDocument>
  applied?: LiveState
} = {}

function found<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error('an earlier step did not get this far')
  return value
}

function passway(t: ExecutionContext, command: string, args: readonly string[]): Promise<Run> {
  return runLogged(t, found(seen.inventory), command, args)
}

/** Lines of the playbook from the task's first line to the next task. */
async function findTaskLines(module: string): Promise<{ first: number; last: number }> {
  const lines = (await readFile(refusedPlaybook, 'utf8')).split('\n')
  const at = lines.findIndex((line) => line.trim() === `${module}:`)
  const next = lines.findIndex((line, index) => index > at && line.startsWith('    - name:'))
  return { first: at, last: next === -1 ? lines.length : next }
}

/** GRUB adds BOOT_IMAGE= by itself. */
function withoutImage(commandLine: string): string {
  return commandLine.replace(/^BOOT_IMAGE=\S+ /, '')
}

function isLoaded(live: LiveState, module: string): boolean {
  return live.modules.has(module.replaceAll('-', '_'))
}

test.after.always(async () => {
  await seen.machine?.stop()
})

step(`a machine with an IOMMU boots${lacks}`, async (t) => {
  t.timeout(900_000)
  const machine = await startMachine({ topology: 'desktop', intremap: true })
  seen.machine = machine
  seen.inventory = await writeInventory(machine)
  seen.live = await readLive(machine)
  seen.derived = await readDerived(machine)
  const { drivers, groups } = seen.live
  for (const address of passedOn) {
    t.is(drivers.get(address), 'xhci_hcd')
    t.is(
      [...groups.values()].filter((group) => group === groups.get(address)).length,
      1,
      `${address} is alone in its group`,
    )
  }
})

step(`plan is refused at two lines, and nothing is written${lacks}`, async (t) => {
  const machine = found(seen.machine)
  const trees = ['/etc', '/boot', '/var/lib']
  const before = await readTrees(machine, trees)
  const run = await passway(t, 'plan', [refusedPlaybook, '--json'])
  t.is(run.status, 1)
  const host = parseHost<PlanDocument>(t, run)
  t.is(host.status, 'refused')
  const errors = [...host.diagnostics, ...host.tasks.flatMap((task) => task.diagnostics)].filter(
    ({ severity }) => severity === 'error',
  )
  t.deepEqual(errors.map(({ code }) => code).sort(), ['ACS_ABSENT', 'CPUFREQ_ABSENT'])
  for (const [code, module] of [
    ['ACS_ABSENT', 'acs_override'],
    ['CPUFREQ_ABSENT', 'cpufreq_governor'],
  ] as const) {
    const source = errors.find((each) => each.code === code)?.source
    const { first, last } = await findTaskLines(module)
    t.true(source !== undefined && source.file.endsWith('refused.yaml'), `${code} names its file`)
    t.true(
      source !== undefined && source.line >= first && source.line <= last,
      `${code} at line ${source?.line}, task ${first}-${last}`,
    )
  }
  const people = await passway(t, 'plan', [refusedPlaybook])
  t.log(people.stdout)
  t.is(people.status, 1)
  t.regex(people.stdout + people.stderr, /refused\.yaml:\d+:\d+: error ACS_ABSENT: /)
  t.regex(people.stdout + people.stderr, /refused\.yaml:\d+:\d+: error CPUFREQ_ABSENT: /)
  const applied = await passway(t, 'apply', [refusedPlaybook, '--yes'])
  t.is(applied.status, 1)
  t.is(await readTrees(machine, trees), before)
})

step(`plan shows the diff and the next boot${lacks}`, async (t) => {
  const machine = found(seen.machine)
  const people = await passway(t, 'plan', [playbook])
  t.log(people.stdout)
  t.is(people.status, 0)
  t.regex(people.stdout, /^ *\+GRUB_CMDLINE_LINUX_DEFAULT=.*intel_iommu=on/m)
  const run = await passway(t, 'plan', [playbook, '--json', '--detailed-exitcode'])
  t.is(run.status, 2)
  const plan = parseHost<PlanDocument>(t, run)
  seen.plan = plan
  t.is(plan.status, 'ok')
  t.is(plan.reboot, 'needed')
  t.true(plan.regenerate.includes('initramfs') && plan.regenerate.includes('boot-loader'))
  const paths = plan.changes.filter(({ kind }) => changedFileKinds.includes(kind)).map(({ target }) => target)
  seen.files = await readFiles(machine, paths)
  const next = found(plan.nextBoot ?? undefined)
  for (const argument of ['intel_iommu=on', 'iommu=pt', 'panic=10'])
    t.true(next.kernelCommandLine.split(' ').includes(argument))
  t.false(next.kernelCommandLine.split(' ').includes('quiet'))
  for (const address of passedOn) t.is(next.drivers[address]?.next, 'vfio-pci')
  t.is(next.hugepages['2M']?.total, 64)
  for (const module of ['vfio_pci', 'vfio_iommu_type1']) t.true(next.modules.image.includes(module))
  t.true(next.modules.boot.includes('vhost_net'))
})

step(
  `apply --reboot --soak tries a boot, makes it the default and brings the machine back as the plan said${lacks}`,
  async (t) => {
    const machine = found(seen.machine)
    const run = await passway(t, 'apply', [playbook, '--yes', '--reboot', '--soak', '--json'])
    if (run.status !== 0) t.log(run.stdout)
    t.is(run.status, 0)
    const host = parseHost<ResultDocument>(t, run)
    t.is(host.status, 'ok')
    t.is(host.reboot, 'done')
    t.is(host.state, 'committed')
    t.deepEqual(host.leftToDo, [])
    const live = await readLive(machine)
    seen.applied = live
    const next = found(found(seen.plan).nextBoot ?? undefined)
    t.not(live.bootId, found(seen.live).bootId)
    t.is(withoutImage(live.commandLine), withoutImage(next.kernelCommandLine))
    for (const module of [...next.modules.image, ...next.modules.boot])
      t.true(isLoaded(live, module), `${module} is loaded`)
    for (const [address, driver] of Object.entries(next.drivers)) {
      if (driver.certain) t.is(live.drivers.get(address), driver.next ?? '', `driver of ${address}`)
    }
    for (const address of passedOn) t.is(live.drivers.get(address), 'vfio-pci')
    for (const [size, { total }] of Object.entries(next.hugepages))
      t.is(live.hugepages.get(size), total, `${size} pages`)
    for (const [address, group] of Object.entries(next.groups))
      t.is(live.groups.get(address), group, `group of ${address}`)
  },
)

step(`what is on the disk is what the playbook says${lacks}`, async (t) => {
  const machine = found(seen.machine)
  t.is(await readOutput(machine, '. /etc/default/irqbalance; echo "$IRQBALANCE_BANNED_CPULIST"'), '1')
  t.is(await readOutput(machine, 'systemctl is-active irqbalance'), 'active')
  const grubCfg = await readOutput(machine, 'cat /boot/grub/grub.cfg')
  const lines = grubCfg.split('\n').filter((line) => /^\s*linux\s/.test(line))
  const recovery = lines.filter((line) => line.includes(' single '))
  t.true(recovery.length > 0 && recovery.length < lines.length)
  for (const line of lines) t.true(line.split(/\s+/).includes('panic=10'))
  for (const line of recovery) t.false(line.includes('iommu=pt'))
})

step(`a second plan is empty${lacks}`, async (t) => {
  const run = await passway(t, 'plan', [playbook, '--json', '--detailed-exitcode'])
  if (run.status !== 0) t.log(run.stdout)
  t.is(run.status, 0)
  const { changes, pending, reboot, regenerate } = parseHost<PlanDocument>(t, run)
  t.deepEqual({ changes, pending, reboot, regenerate }, { changes: [], pending: [], reboot: 'none', regenerate: [] })
})

step(`rollback --reboot brings back every file, the derived files and the drivers${lacks}`, async (t) => {
  const machine = found(seen.machine)
  const files = found(seen.files)
  const changed = await readFiles(machine, [...files.keys()])
  t.notDeepEqual([...changed], [...files])
  const run = await passway(t, 'rollback', ['--yes', '--reboot', '--json'])
  if (run.status !== 0) t.log(run.stdout)
  t.is(run.status, 0)
  t.is(parseHost<ResultDocument>(t, run).reboot, 'done')
  t.deepEqual([...(await readFiles(machine, [...files.keys()]))], [...files])
  const before = found(seen.derived)
  const after = await readDerived(machine)
  t.is(after.grubCfg, before.grubCfg)
  t.is(after.images, before.images)
  const live = await readLive(machine)
  t.not(live.bootId, found(seen.applied).bootId)
  t.is(live.commandLine, found(seen.live).commandLine)
  t.deepEqual([...live.drivers], [...found(seen.live).drivers])
  t.deepEqual([...live.hugepages], [...found(seen.live).hugepages])
  for (const module of ['vfio_pci', 'vhost_net']) t.false(isLoaded(live, module), `${module} is not loaded`)
})

step(`the record is there and says reverted${lacks}`, async (t) => {
  const run = await passway(t, 'records', ['--json'])
  t.is(run.status, 0)
  t.regex(run.stdout, /"state": *"reverted"/)
})
