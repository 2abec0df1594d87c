import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeTree } from '../../src/host/tree.ts'
import { startSshd } from '../host/sshd.ts'
import type { TestSshd } from '../host/sshd.ts'
import { benchTree } from './bench-tree.ts'

export type BenchHost = { readonly name: string; readonly server: TestSshd; readonly root: string }

export type BenchHosts = {
  readonly directory: string
  readonly hosts: readonly BenchHost[]
  readonly stop: () => Promise<void>
}

/**
 * Hosts that are trees of 150 PCI functions, each with a machine id of its own, behind `servers` sshd processes on
 * loopback. The trees share their files (hard links): nothing here writes to them.
 */
export async function startHosts(count: number, servers: number): Promise<BenchHosts> {
  const directory = mkdtempSync(join(tmpdir(), 'passway-bench-'))
  const first = join(directory, 'host0')
  writeTree(benchTree(), first)
  const running: TestSshd[] = []
  for (let index = 0; index < servers; index += 1) running.push(await startSshd())
  const hosts = Array.from({ length: count }, (_, index): BenchHost => {
    const root = join(directory, `host${index}`)
    if (index > 0) copyTree(first, root)
    return { name: `host${index}`, server: running[index % servers] as TestSshd, root }
  })
  async function stop(): Promise<void> {
    await Promise.all(running.map((server) => server.stop()))
    rmSync(directory, { recursive: true, force: true })
  }
  return { directory, hosts, stop }
}

function copyTree(from: string, to: string): void {
  execFileSync('cp', ['-al', from, to])
  const machineId = join(to, 'etc/machine-id')
  rmSync(machineId)
  writeFileSync(machineId, `${randomBytes(16).toString('hex')}\n`)
}

/** One inventory for both tools. */
export function writeInventory(path: string, hosts: readonly BenchHost[]): string {
  const entries = hosts.map(({ name, server, root }) => [
    name,
    {
      ansible_host: '127.0.0.1',
      ansible_port: server.port,
      ansible_ssh_common_args: server.commonArgs.join(' '),
      ansible_python_interpreter: '/usr/bin/python3',
      passway_root: root,
    },
  ])
  writeFileSync(path, `${JSON.stringify({ all: { hosts: Object.fromEntries(entries) } }, null, 2)}\n`)
  return path
}
