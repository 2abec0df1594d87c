import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { HostAddress } from '../../src/core/host-address.ts'

/** A real sshd on loopback with keys, port and configuration of its own. */
export type TestSshd = {
  readonly directory: string
  readonly port: number
  /** Words for `ansible_ssh_common_args`: a client configuration that knows this server and its key. */
  readonly commonArgs: readonly string[]
  readonly knownHosts: string
  readonly clientKey: string
  readonly readLog: () => string
  readonly stop: () => Promise<void>
}

/** Why no sshd can be started here; null when it can. */
export function findSshdObstacle(): string | null {
  if (!existsSync('/usr/sbin/sshd')) return 'sshd is not installed'
  if (process.getuid?.() !== 0) return 'needs root to start sshd'
  return null
}

export async function startSshd(extraConfig: readonly string[] = []): Promise<TestSshd> {
  const directory = mkdtempSync(join(tmpdir(), 'passway-sshd-'))
  const port = await findFreePort()
  const file = (name: string): string => join(directory, name)
  for (const key of ['host', 'client']) run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', key, '-f', file(key))
  mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
  // Readable by sshd after it has become the user.
  run('chmod', '755', directory)
  writeFileSync(file('authorized_keys'), readFileSync(file('client.pub')))
  writeFileSync(file('known_hosts'), `[127.0.0.1]:${port} ${readFileSync(file('host.pub'), 'utf8')}`)
  writeFileSync(file('sshd_config'), serverConfig(directory, port, extraConfig))
  writeFileSync(file('ssh_config'), clientConfig(directory))
  const server = spawn('/usr/sbin/sshd', ['-D', '-f', file('sshd_config'), '-E', file('log')], { stdio: 'ignore' })
  await waitForServer(file('log'), server)
  return {
    directory,
    port,
    commonArgs: ['-F', file('ssh_config')],
    knownHosts: file('known_hosts'),
    clientKey: file('client'),
    readLog: () => readFileSync(file('log'), 'utf8'),
    stop: async () => {
      if (server.exitCode === null) {
        server.kill()
        await once(server, 'exit')
      }
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** The server as a host of an inventory. */
export function addressOf(server: TestSshd, changes: Partial<HostAddress> = {}): HostAddress {
  return {
    name: 'box',
    connection: 'ssh',
    address: '127.0.0.1',
    port: server.port,
    commonArgs: server.commonArgs,
    become: false,
    root: null,
    ...changes,
  }
}

function serverConfig(directory: string, port: number, extra: readonly string[]): string {
  return [
    ...extra,
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${directory}/host`,
    `PidFile ${directory}/pid`,
    `AuthorizedKeysFile ${directory}/authorized_keys`,
    'PermitRootLogin yes',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'UsePAM no',
    // Tests of a file run at once; beyond ten logins under way a server drops some by chance (sshd_config(5)).
    'MaxStartups 500',
    'StrictModes no',
    '',
  ].join('\n')
}

function clientConfig(directory: string): string {
  return [
    'Host *',
    `  IdentityFile ${directory}/client`,
    '  IdentitiesOnly yes',
    '  IdentityAgent none',
    `  UserKnownHostsFile ${directory}/known_hosts`,
    '  GlobalKnownHostsFile /dev/null',
    '  StrictHostKeyChecking yes',
    '',
  ].join('\n')
}

async function waitForServer(log: string, server: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    if (existsSync(log) && readFileSync(log, 'utf8').includes('Server listening')) return
    if (server.exitCode !== null) break
    await pause(25)
  }
  throw new Error(`sshd did not start: ${existsSync(log) ? readFileSync(log, 'utf8') : 'no log'}`)
}

export async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

export function run(command: string, ...args: readonly string[]): string {
  const result = spawnSync(command, args, { encoding: 'utf8' })
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${result.status} ${result.stderr}`)
  return result.stdout
}
