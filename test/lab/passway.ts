import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import type { Machine } from './machine.ts'
import type { HostDocument } from './public-json.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))

/** The program as users run it: the bundle, or what PASSWAY_CLI names. */
export const cli = process.env['PASSWAY_CLI'] ?? join(project, 'dist/cli.js')

export type Run = {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
  readonly seconds: number
}

/** An inventory beside the machine's files; its host key is the only one known, and checked. `power` cycles its power. */
export async function writeInventory(machine: Machine, power?: readonly string[]): Promise<string> {
  const path = join(dirname(machine.sshConfigFile), 'inventory.yaml')
  const options = [
    `UserKnownHostsFile=${machine.knownHostsFile}`,
    'GlobalKnownHostsFile=/dev/null',
    'IdentitiesOnly=yes',
  ]
  const host = {
    ansible_host: machine.address,
    ansible_port: machine.port,
    ansible_user: 'root',
    ansible_ssh_private_key_file: machine.keyFile,
    ansible_ssh_common_args: options.map((option) => `-o ${option}`).join(' '),
    ...(power && { passway_power: power }),
  }
  await writeFile(path, `${JSON.stringify({ all: { hosts: { lab: host } } }, null, 2)}\n`)
  return path
}

/** Runs passway from the project's directory, its own state kept beside `stateDirectory` and nothing on standard input. */
export function runPassway(args: readonly string[], stateDirectory: string, kill?: AbortSignal): Promise<Run> {
  const start = Date.now()
  const state = { XDG_STATE_HOME: join(stateDirectory, 'state'), XDG_CACHE_HOME: join(stateDirectory, 'cache') }
  const child = spawn(process.execPath, [cli, ...args], {
    cwd: project,
    env: { ...process.env, ...state, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(kill && { signal: kill, killSignal: 'SIGKILL' }),
  })
  child.on('error', () => undefined)
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString('utf8')))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString('utf8')))
  return new Promise((resolve) => {
    child.on('close', (code) => resolve({ status: code ?? 255, stdout, stderr, seconds: (Date.now() - start) / 1000 }))
  })
}

/** Runs a command of passway on the inventory's host, for a test that logs it. */
export async function runLogged(
  t: ExecutionContext,
  inventory: string,
  command: string,
  args: readonly string[],
): Promise<Run> {
  const run = await runPassway([command, ...args, '-i', inventory], dirname(inventory))
  t.log(`passway ${command} ${args.join(' ')}: exit ${run.status} after ${run.seconds.toFixed(1)} s`)
  if (run.stderr !== '') t.log(run.stderr)
  return run
}

/** The only host of a document. */
export function parseHost<Body>(t: ExecutionContext, run: Run): HostDocument<Body> {
  const document = JSON.parse(run.stdout) as { format: number; diagnostics: unknown[]; hosts: HostDocument<Body>[] }
  t.is(document.format, 1)
  t.is(document.hosts.length, 1)
  return document.hosts[0] as HostDocument<Body>
}
