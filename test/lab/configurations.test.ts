import test from 'ava'
import type { ExecutionContext } from 'ava'
import { openBench } from './boot-configurations.ts'
import type { Bench, Outcome } from './boot-configurations.ts'
import { formatDriver } from './compare-live.ts'
import { addOutcome, readOutcomes, readTable, renderTable, writeTable } from './configuration-table.ts'
import { configurations } from './configurations.ts'
import type { Configuration } from './configurations.ts'
import { check, exists, listMissing } from './machine.ts'
import { cli } from './passway.ts'
import { listDevices } from './topologies.ts'
import type { Topology } from './topologies.ts'

/** Booted where nothing is asked for. */
const few = [
  'an option in two files',
  'huge pages: a count before its size, and a pair too many',
  'switch: override of the lower of two identical controllers',
]

/** `all`, or a regular expression over the names; results are kept then. */
const wanted = process.env['PASSWAY_CONFIGURATIONS']

function isWanted({ name }: Configuration): boolean {
  return wanted === undefined ? few.includes(name) : wanted === 'all' || new RegExp(wanted).test(name)
}

const chosen = configurations.filter(isWanted)
const missing = await listMissing()
if (!(await exists(cli))) missing.push(`${cli} (npm run build)`)
const known = missing.length === 0 ? await check('qemu-system-x86_64', ['-device', 'help']) : ''

/** What is missing to boot it. */
function findLacking({ topology }: Configuration): string[] {
  if (missing.length > 0) return missing
  return listDevices(topology)
    .filter((device) => !known.includes(`name "${device}"`))
    .map((device) => `a QEMU that has ${device}`)
}

const benches = new Map<Topology, Bench>()

/** One machine at a time. */
async function useBench(topology: Topology): Promise<Bench> {
  const open = benches.get(topology)
  if (open !== undefined) return open
  await stopAll()
  const bench = await openBench(topology)
  benches.set(topology, bench)
  return bench
}

async function stopAll(): Promise<void> {
  for (const bench of benches.values()) await bench.stop()
  benches.clear()
}

/** A machine that failed is not used again. */
async function bootOnce(configuration: Configuration): Promise<Outcome> {
  const bench = await useBench(configuration.topology)
  try {
    return await bench.boot(configuration)
  } catch (error) {
    await stopAll()
    throw error
  }
}

function checkTable(t: ExecutionContext, { drivers, isOpen, listed }: Configuration, { shown, open }: Outcome): void {
  for (const [address, driver] of Object.entries(drivers)) {
    const row = [...shown, ...open].find(({ what }) => what === `driver of ${address}`)
    t.is(row?.seen, formatDriver(driver), `the driver of ${address}`)
    if (listed && !isOpen)
      t.false(
        open.some(({ what }) => what === row?.what),
        `${address} is predicted for certain`,
      )
  }
  if (listed) t.is(open.length > 0, isOpen, `functions left open: ${open.length}`)
}

test.after.always(async () => {
  await stopAll()
  if (wanted !== undefined) await writeTable()
})

// While results are made, the table is written after them.
const runTable = wanted === undefined ? test.serial : test.serial.skip
runTable('the table of configurations is that of the results', async (t) => {
  const results = await readOutcomes()
  t.is(await readTable(), renderTable(results))
  t.deepEqual(
    results.filter(({ differences }) => differences.length > 0).map(({ name }) => name),
    [],
  )
  const names = new Set(configurations.map(({ name }) => name))
  t.deepEqual(
    results.filter(({ name }) => !names.has(name)).map(({ name }) => name),
    [],
  )
})

for (const configuration of chosen) {
  const lacking = findLacking(configuration)
  const run = lacking.length === 0 ? test.serial : test.serial.skip
  const lacks = lacking.length === 0 ? '' : ` (skipped: needs ${lacking.join(', ')})`
  run(`predicted, then booted: ${configuration.name}${lacks}`, async (t) => {
    t.timeout(900_000)
    const start = Date.now()
    const outcome = await bootOnce(configuration)
    if (wanted !== undefined) await addOutcome(outcome)
    t.log(
      `${outcome.compared} rows compared, ${outcome.open.length} open, ${Math.round((Date.now() - start) / 1000)} s`,
    )
    for (const { what, predicted, seen, why } of outcome.open)
      t.log(`open: ${what}: ${predicted}, seen ${seen}: ${why}`)
    t.deepEqual(outcome.differences, [])
    checkTable(t, configuration, outcome)
  })
}
