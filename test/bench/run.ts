import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { findSshdObstacle } from '../host/sshd.ts'
import { cli } from '../lab/passway.ts'
import { startHosts, writeInventory } from './bench-hosts.ts'
import type { BenchHost } from './bench-hosts.ts'
import { ansibleCheck, passwayPlan, runBareSsh, writePlaybook } from './contenders.ts'
import { measureProbe } from './measure-probe.ts'
import { median, sample, takeTurns } from './measure.ts'
import type { Contender } from './measure.ts'

const rounds = { oneHost: 15, manyHosts: 5, ansible: 3, probe: 21 }

type Row = { readonly what: string; readonly value: string; readonly target?: string; readonly reached?: boolean }

function findObstacle(): string | null {
  if (!existsSync(cli)) return `${cli} is not there (npm run build)`
  return findSshdObstacle()
}

function seconds(value: number): string {
  return `${value.toFixed(value < 1 ? 3 : 2)} s`
}

function ratioRow(what: string, value: number, base: number, most: number): Row {
  const ratio = value / base
  return {
    what,
    value: `${seconds(value)} = ${ratio.toFixed(2)} × bare ssh`,
    target: `≤ ${most}`,
    reached: ratio <= most,
  }
}

function hasAnsible(): boolean {
  return spawnSync('ansible-playbook', ['--version']).status === 0
}

/** The same hosts for all; Ansible gets fewer rounds, for it takes long. */
async function compare(directory: string, hosts: readonly BenchHost[], playbook: string): Promise<Row[]> {
  const single = hosts.length === 1
  const label = single ? 'one host' : `${hosts.length} hosts`
  const inventory = writeInventory(join(directory, `inventory${hosts.length}.json`), hosts)
  const plan = passwayPlan(directory, inventory, playbook)
  const bareSsh: Contender = () => runBareSsh(hosts)
  const passway: Contender = async () => (await sample(plan)).seconds
  const [bare = 0, own = 0] = await takeTurns([bareSsh, passway], single ? rounds.oneHost : rounds.manyHosts)
  const rows = [
    { what: `bare ssh, ${label}`, value: seconds(bare) },
    ratioRow(`passway plan, ${label}`, own, bare, single ? 1.5 : 1.3),
  ]
  if (!hasAnsible()) return [...rows, { what: `ansible-core --check, ${label}`, value: 'not measured: not installed' }]
  return [...rows, await compareAnsible(directory, inventory, label, own)]
}

async function compareAnsible(directory: string, inventory: string, label: string, own: number): Promise<Row> {
  const runs: number[] = []
  for (let round = 0; round < rounds.ansible; round += 1) {
    runs.push((await sample(ansibleCheck(directory, inventory))).seconds)
  }
  const taken = median(runs)
  return {
    what: `ansible-core --check, ${label}`,
    value: `${seconds(taken)} = ${(taken / own).toFixed(1)} × passway`,
    target: '≥ 10',
    reached: taken >= 10 * own,
  }
}

async function measureMemory(directory: string, hosts: readonly BenchHost[], playbook: string): Promise<Row> {
  const inventory = writeInventory(join(directory, `memory${hosts.length}.json`), hosts)
  const { peakKb, seconds: taken } = await sample(passwayPlan(directory, inventory, playbook), true)
  const megabytes = peakKb / 1024
  const what = `controller's memory, ${hosts.length} host${hosts.length === 1 ? '' : 's'}`
  const value = `${megabytes.toFixed(0)} MB (${seconds(taken)})`
  return hosts.length === 1 ? { what, value } : { what, value, target: '≤ 150 MB', reached: megabytes <= 150 }
}

function probeRows(root: string, playbook: string): Row[] {
  const { processes, seconds: taken, bytes } = measureProbe(root, playbook, rounds.probe)
  return [
    processes === null
      ? { what: 'probe, processes', value: 'not measured: needs strace' }
      : { what: 'probe, processes', value: String(processes), target: '≤ 40', reached: processes <= 40 },
    { what: 'probe, time', value: seconds(taken), target: '≤ 0.06 s', reached: taken <= 0.06 },
    { what: 'probe, output', value: `${(bytes / 1024).toFixed(0)} kB` },
  ]
}

function formatRow({ what, value, target, reached }: Row): string {
  const verdict = target === undefined ? '' : `${target} ${reached ? 'reached' : 'MISSED'}`
  return `| ${what.padEnd(34)} | ${value.padEnd(28)} | ${verdict.padEnd(18)} |`
}

async function measureAll(): Promise<void> {
  const all = await startHosts(200, 20)
  try {
    const directory = mkdtempSync(join(all.directory, 'run-'))
    const playbook = writePlaybook(directory)
    const print = (rows: readonly Row[]): void => rows.forEach((row) => console.log(formatRow(row)))
    console.log(`${cpus().length} × ${cpus()[0]?.model ?? '?'}, Node ${process.version}, ${new Date().toISOString()}`)
    console.log(
      `${formatRow({ what: 'what', value: 'median' })}\n|${'-'.repeat(36)}|${'-'.repeat(30)}|${'-'.repeat(20)}|`,
    )
    print(probeRows(all.hosts[0]?.root ?? '', playbook))
    print(await compare(directory, all.hosts.slice(0, 1), playbook))
    print(await compare(directory, all.hosts.slice(0, 20), playbook))
    print([await measureMemory(directory, all.hosts.slice(0, 1), playbook)])
    print([await measureMemory(directory, all.hosts, playbook)])
  } finally {
    await all.stop()
  }
}

const obstacle = findObstacle()
if (obstacle === null) await measureAll()
else {
  console.error(`bench: ${obstacle}`)
  process.exitCode = 69
}
