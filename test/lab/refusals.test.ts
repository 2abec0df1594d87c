import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { compareLive } from './compare-live.ts'
import { readFiles, readLive, readTrees } from './host-files.ts'
import type { Machine } from './machine.ts'
import { exists, listMissing, startMachine } from './machine.ts'
import { cli, parseHost, runLogged, writeInventory } from './passway.ts'
import type { PlanDocument, PublicDiagnostic, ResultDocument } from './public-json.ts'

const rootDisk = '0000:00:02.0'
const sshNic = '0000:00:03.0'
const spareNic = '0000:02:00.0'
const nicId = '8086:10d3'
const display = '0000:00:10.0'
const audio = '0000:00:10.1'
const qemuUsb = '0000:01:00.0'
const necUsb = '0000:03:00.0'

type Task = Readonly<Record<string, unknown>>
type Refused = {
  readonly tasks: readonly Task[]
  readonly codes: readonly string[]
  /** What people must be able to read in the evidence. */
  readonly evidence: RegExp
}

const refused: Readonly<Record<string, Refused>> = {
  "passthrough of the root disk's controller": {
    tasks: [{ passthrough: { devices: [rootDisk] } }],
    codes: ['HOST_DEPENDS', 'RESET_MISSING'],
    evidence: /^\/ ← vda2 ← 0000:00:02\.0$/m,
  },
  "driver_override of the root disk's controller, live": {
    tasks: [{ driver_override: { devices: [rootDisk], live: true } }],
    codes: ['HOST_DEPENDS', 'RESET_MISSING'],
    evidence: /^\/ ← vda2 ← 0000:00:02\.0$/m,
  },
  'the NIC of this session by its id, which a spare one has too': {
    tasks: [{ vfio_ids: { ids: [nicId] } }],
    codes: ['HOST_DEPENDS', 'ID_SHARED'],
    evidence: /ssh from \S+ ← eth0 ← 0000:00:03\.0/,
  },
  'the NIC of this session by its address': {
    tasks: [{ driver_override: { devices: [sshNic], live: true } }],
    codes: ['HOST_DEPENDS'],
    evidence: /ssh from \S+ ← eth0 ← 0000:00:03\.0/,
  },
  'an audio function that shares its group with a display': {
    tasks: [{ driver_override: { devices: [audio] } }],
    codes: ['GROUP_SHARED', 'RESET_MISSING'],
    evidence: /0000:00:10\.0 .*display/i,
  },
  'the group of display and audio, that nothing resets': {
    tasks: [{ passthrough: { devices: [audio], group: 'whole' } }],
    codes: ['RESET_MISSING'],
    evidence: /0000:00:10\.1/,
  },
  'a controller beside the ISA bridge': {
    tasks: [{ passthrough: { devices: ['0000:00:1f.2'], group: 'whole' } }],
    codes: ['HOST_DEPENDS', 'RESET_MISSING'],
    evidence: /0000:00:1f\.0 .*ISA bridge/,
  },
  'a bridge': {
    tasks: [{ driver_override: { devices: ['0000:00:04.0'] } }],
    codes: ['BRIDGE_TARGET'],
    evidence: /0000:00:04\.0 .*PCI bridge/,
  },
  'by id where the driver is built in': {
    tasks: [{ vfio_ids: { ids: ['1b36:0002'] } }],
    codes: ['DRIVER_BUILTIN', 'RESET_MISSING'],
    evidence: /0000:00:11\.0/,
  },
}

/** One task of each kind. The display has the id of the VGA that stays, so its group is bound by address. */
const kinds: readonly Task[] = [
  { vfio_ids: { ids: ['1b36:000d'] } },
  { initramfs: { modules: ['vfio_pci'] } },
  { driver_override: { devices: [spareNic] } },
  { passthrough: { devices: [necUsb] } },
  {
    passthrough: { devices: [audio], group: 'whole' },
    accept: { RESET_MISSING: 'the lab boots anew before the next guest' },
  },
  { kernel_cmdline: { present: ['intel_iommu=on', 'iommu=pt'], absent: ['quiet'] } },
  { hugepages: { pages: [{ size: '2M', count: 32 }], at: 'boot', reserve: '512M' } },
]
const forGuests = [qemuUsb, spareNic, necUsb, display, audio]

const missing = await listMissing()
if (!(await exists(cli))) missing.push(`${cli} (npm run build)`)
const step = missing.length === 0 ? test.serial : test.serial.skip
const lacks = missing.length === 0 ? '' : ` (skipped: needs ${missing.join(', ')})`

const trees = ['/etc', '/boot', '/var/lib']
let opened: { readonly machine: Machine; readonly inventory: string } | undefined

function lab(): NonNullable<typeof opened> {
  if (opened === undefined) throw new Error('the machine did not start')
  return opened
}

/** Names make no difference: each task is called by its place. */
async function writePlaybook(name: string, tasks: readonly Task[]): Promise<string> {
  const path = join(dirname(lab().inventory), `${name.replaceAll(/\W+/g, '-')}.yaml`)
  const named = tasks.map((task, index) => ({ name: `task ${index + 1}`, ...task }))
  await writeFile(path, `${JSON.stringify([{ hosts: 'all', tasks: named }], null, 2)}\n`)
  return path
}

function errorsOf(host: PlanDocument & { readonly diagnostics: readonly PublicDiagnostic[] }): PublicDiagnostic[] {
  const all = [...host.diagnostics, ...host.tasks.flatMap(({ diagnostics }) => diagnostics)]
  return all.filter(({ severity }) => severity === 'error')
}

async function passway(t: ExecutionContext, command: string, args: readonly string[], status: number) {
  const run = await runLogged(t, lab().inventory, command, args)
  if (run.status !== status) t.log(run.stdout)
  t.is(run.status, status)
  return run
}

test.after.always(() => opened?.machine.stop())

step(`a machine boots${lacks}`, async (t) => {
  t.timeout(900_000)
  const machine = await startMachine({ topology: 'desktop', intremap: true })
  opened = { machine, inventory: join(machine.directory, 'inventory.yaml') }
  await writeInventory(machine)
  t.is((await readLive(machine)).drivers.get(spareNic), 'e1000e')
})

step(`refused with their codes, and nothing is written${lacks}`, async (t) => {
  const { machine } = lab()
  const before = await readTrees(machine, trees)
  for (const [name, { tasks, codes, evidence }] of Object.entries(refused)) {
    const playbook = await writePlaybook(name, tasks)
    const host = parseHost<PlanDocument>(t, await passway(t, 'plan', [playbook, '--json'], 1))
    const errors = errorsOf(host)
    t.is(host.status, 'refused', name)
    t.deepEqual([...new Set(errors.map(({ code }) => code))].sort(), codes, name)
    t.regex(errors.flatMap((each) => each.evidence ?? []).join('\n'), evidence, name)
  }
  const tasks = Object.values(refused).flatMap((each) => each.tasks)
  await passway(t, 'apply', [await writePlaybook('all of them', tasks), '--yes'], 1)
  t.is(await readTrees(machine, trees), before)
})

step(`the spare one of two equal NICs is bound live by its address, and given back${lacks}`, async (t) => {
  const { machine } = lab()
  const before = await readLive(machine)
  const playbook = await writePlaybook('spare', [{ driver_override: { devices: [spareNic], live: true } }])
  const plan = parseHost<PlanDocument>(t, await passway(t, 'plan', [playbook, '--json'], 0))
  const paths = plan.changes.filter(({ kind }) => kind === 'file').map(({ target }) => target)
  const files = await readFiles(machine, paths)
  await passway(t, 'apply', [playbook, '--yes', '--no-trial'], 0)
  const bound = await readLive(machine)
  t.is(bound.bootId, before.bootId)
  t.deepEqual([...bound.drivers], [...new Map([...before.drivers, [spareNic, 'vfio-pci']])])
  await passway(t, 'rollback', ['--yes'], 0)
  t.deepEqual([...(await readLive(machine)).drivers], [...before.drivers])
  t.deepEqual([...(await readFiles(machine, paths))], [...files])
})

step(`one task of each kind is applied, and boots as predicted${lacks}`, async (t) => {
  const { machine } = lab()
  const playbook = await writePlaybook('kinds', kinds)
  const { nextBoot } = parseHost<PlanDocument>(t, await passway(t, 'plan', [playbook, '--json'], 0))
  const run = await passway(t, 'apply', [playbook, '--yes', '--reboot', '--no-trial', '--json'], 0)
  t.is(parseHost<ResultDocument>(t, run).reboot, 'done')
  const live = await readLive(machine)
  if (nextBoot === null) throw new Error('no prediction')
  const rows = compareLive(nextBoot, live)
  t.log(`${rows.length} rows compared`)
  t.deepEqual(
    rows.filter(({ predicted, seen }) => predicted !== seen),
    [],
  )
  t.deepEqual(nextBoot.uncertain, [])
  for (const address of forGuests) t.is(live.drivers.get(address), 'vfio-pci', address)
  t.is(live.drivers.get(sshNic), 'e1000e')
  t.is(live.hugepages.get('2M'), 32)
})
