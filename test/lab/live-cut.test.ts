import test from 'ava'
import type { HostAddress } from '../../src/core/host-address.ts'
import { applyPlan } from '../../src/host/execute.ts'
import { change, planOf } from '../host/agent-hosts.ts'
import { readOutput, readTrees } from './host-files.ts'
import { exists, listMissing, startMachine, type Machine } from './machine.ts'
import { cli, runLogged, writeInventory } from './passway.ts'

const missing = await listMissing()
if (!(await exists(cli))) missing.push(`${cli} (npm run build)`)
const lacks = missing.length === 0 ? '' : ` (skipped: needs ${missing.join(', ')})`
const run = missing.length === 0 ? test.serial : test.serial.skip

function addressOf({ address, port, keyFile, knownHostsFile }: Machine): HostAddress {
  const options = [`UserKnownHostsFile=${knownHostsFile}`, 'GlobalKnownHostsFile=/dev/null', 'IdentitiesOnly=yes']
  const commonArgs = options.flatMap((option) => ['-o', option])
  const login = { user: 'root', privateKeyFile: keyFile, commonArgs }
  return { name: 'lab', connection: 'ssh', address, port, ...login, become: false, root: null }
}

// Refused by every plan, so it is written by hand: what carries ssh loses its driver.
run(`the network card of the session is unbound: the host binds it again by itself${lacks}`, async (t) => {
  t.timeout(900_000)
  const machine = await startMachine({ topology: 'desktop', intremap: true })
  t.teardown(() => machine.stop())
  const inventory = await writeInventory(machine)
  const before = await readTrees(machine, ['/etc'])
  const card = await readOutput(machine, 'basename "$(readlink -f /sys/class/net/eth0/device)"')
  const plan = planOf([{ ...change('driver', card, 'e1000e', null), takesEffect: 'now' }])
  const started = Date.now()
  const result = await applyPlan(addressOf(machine), plan, {
    id: '20261121T000000Z-cut000',
    created: new Date().toISOString(),
    by: 'lab',
    playbooks: [],
    accepted: [],
    rescue: [],
    watchSeconds: 45,
    suspectAfterMs: 10_000,
  })
  t.log(`${result.outcome} after ${Math.round((Date.now() - started) / 1000)} s`)
  t.is(result.outcome, 'reverted')
  t.true(result.diagnostics.some(({ code }) => code === 'UNREACHED'))
  await machine.waitForSsh(120)
  t.is(await readOutput(machine, `basename "$(readlink /sys/bus/pci/devices/${card}/driver)"`), 'e1000e')
  t.is(await readTrees(machine, ['/etc']), before)
  t.regex((await runLogged(t, inventory, 'records', ['--json'])).stdout, /UNREACHED/)
})
