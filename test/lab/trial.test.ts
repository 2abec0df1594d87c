import { appendFile, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { faults } from './faults.ts'
import { exists, findCache, listMissing } from './machine.ts'
import { cli } from './passway.ts'
import { prepareTrial, runFault } from './run-fault.ts'
import type { Variant } from './variants.ts'

/**
 * PASSWAY_FAULTS: `all`, or an expression that their names match; PASSWAY_VARIANT: another machine. Results are added to
 * the file PASSWAY_FAULT_RESULTS, a line each; the staged machine is kept in PASSWAY_STAGED for other runs.
 */
const { PASSWAY_FAULTS, PASSWAY_VARIANT, PASSWAY_FAULT_RESULTS, PASSWAY_STAGED } = process.env
const variant = (PASSWAY_VARIANT ?? 'bios-ext4') as Variant
const few = ['wrong root=', 'sshd that does not start', 'power cut in the trial, before it is confirmed']

const missing = await listMissing(variant)
if (!(await exists(cli))) missing.push(`${cli} (npm run build)`)
const lacks = missing.length === 0 ? '' : ` (skipped: needs ${missing.join(', ')})`
const run = missing.length === 0 ? test.serial : test.serial.skip

let kept: string | undefined

test.after.always(async () => {
  if (kept !== undefined && PASSWAY_STAGED === undefined) await rm(kept, { recursive: true, force: true })
})

function isChosen(name: string): boolean {
  if (PASSWAY_FAULTS === undefined) return few.includes(name)
  return PASSWAY_FAULTS === 'all' || new RegExp(PASSWAY_FAULTS).test(name)
}

for (const fault of faults.filter(({ name }) => isChosen(name))) {
  run(`${variant}: ${fault.name}${lacks}`, async (t) => {
    t.timeout(1_800_000)
    const log = (text: string): void => t.log(text)
    kept ??= PASSWAY_STAGED ?? (await mkdtemp(join(findCache(), 'trial-')))
    const prepared = await prepareTrial(variant, kept, log)
    const result = await runFault(fault, variant, prepared, log)
    if (PASSWAY_FAULT_RESULTS !== undefined) await appendFile(PASSWAY_FAULT_RESULTS, `${JSON.stringify(result)}\n`)
    t.log(`${result.seconds} s: ${result.seen}`)
    t.deepEqual(result.wrong, [])
  })
}
