import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { readDerived, readLive, readTrees } from './host-files.ts'
import type { Machine } from './machine.ts'
import { exists, listMissing, startMachine } from './machine.ts'
import { cli, runLogged, writeInventory } from './passway.ts'

const playbook = 'test/lab/playbooks/story.yaml'

const missing = await listMissing()
if (!(await exists(cli))) missing.push(`${cli} (npm run build)`)
const lacks = missing.length === 0 ? '' : ` (skipped: needs ${missing.join(', ')})`

async function waitForProgram(machine: Machine, name: string): Promise<void> {
  for (let tries = 0; tries < 120; tries += 1) {
    if ((await machine.ssh(`pgrep -f ${name} > /dev/null`)).status === 0) return
    await sleep(500)
  }
  throw new Error(`${name} did not run on the machine`)
}

/** Nobody reaches for the machine: a unit of its own ends the record. */
async function waitForEnd(machine: Machine): Promise<void> {
  for (let tries = 0; tries < 120; tries += 1) {
    if ((await machine.ssh('grep -q reverted /var/lib/passway/records/*/state')).status === 0) return
    await sleep(1000)
  }
  throw new Error('the record did not end by itself')
}

const run = missing.length === 0 ? test.serial : test.serial.skip

run(
  `a power cut while images are built: the machine boots as before and takes back by itself what was begun${lacks}`,
  async (t) => {
    t.timeout(900_000)
    const machine = await startMachine({ topology: 'desktop', intremap: true })
    t.teardown(() => machine.stop())
    const inventory = await writeInventory(machine)
    const before = {
      live: await readLive(machine),
      etc: await readTrees(machine, ['/etc']),
      derived: await readDerived(machine),
    }

    const apply = runLogged(t, inventory, 'apply', [playbook, '--yes', '--no-trial'])
    await waitForProgram(machine, '[m]kinitramfs')
    machine.cutPower()
    t.not((await apply).status, 0)
    await machine.waitForSsh(240)

    const live = await readLive(machine)
    t.not(live.bootId, before.live.bootId)
    t.is(live.commandLine, before.live.commandLine)
    await waitForEnd(machine)
    t.regex((await runLogged(t, inventory, 'records', ['--json'])).stdout, /"state": *"reverted"/)
    t.is(await readTrees(machine, ['/etc']), before.etc)
    t.deepEqual(await readDerived(machine), before.derived)
  },
)
