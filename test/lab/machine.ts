import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { access, constants, copyFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { qemuArguments } from './topologies.ts'
import type { Topology } from './topologies.ts'

export type MachineOptions = {
  readonly topology: Topology
  /** Whether the emulated IOMMU remaps interrupts. */
  readonly intremap: boolean
  /** On 127.0.0.1, forwarded to the machine's sshd; a free one when absent. */
  readonly port?: number
}

/** `status` is the exit status of the remote command; 255 also where ssh itself failed. */
export type Output = { readonly status: number; readonly stdout: string; readonly stderr: string }

export type Machine = {
  readonly address: string
  readonly port: number
  readonly keyFile: string
  /** Holds the machine's host key and nothing else: host keys are always checked. */
  readonly knownHostsFile: string
  /** The same facts as a client configuration with one host, `lab`. */
  readonly sshConfigFile: string
  readonly ssh: (command: string, input?: string) => Promise<Output>
  /** Waits until a whole command over ssh works. Throws with the end of the serial console after `seconds`. */
  readonly waitForSsh: (seconds: number) => Promise<void>
  /** Switches the machine off and removes its overlay. */
  readonly stop: () => Promise<void>
  readonly serialLog: () => Promise<string>
}

const bootSeconds = 240

/** Where built images and overlays are kept, outside any source tree. */
export function findCache(): string {
  const { PASSWAY_LAB_CACHE, XDG_CACHE_HOME } = process.env
  return PASSWAY_LAB_CACHE ?? join(XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'passway-lab')
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}

async function hasTool(name: string): Promise<boolean> {
  const directories = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin']
  const found = await Promise.all(directories.map((directory) => isExecutable(join(directory, name))))
  return found.includes(true)
}

/** What this computer lacks to build and run the machine; empty when nothing. */
export async function listMissing(): Promise<string[]> {
  const tools = ['qemu-system-x86_64', 'qemu-img', 'mmdebstrap', 'parted', 'losetup', 'mkfs.ext4', 'ssh']
  const have = await Promise.all(tools.map(hasTool))
  const missing = tools.filter((_, index) => !have[index])
  return process.getuid?.() === 0 ? missing : [...missing, 'root']
}

function run(command: string, args: readonly string[], input?: string): Promise<Output> {
  return new Promise((resolve) => {
    const child = execFile(command, args, { maxBuffer: 1 << 28, encoding: 'latin1' }, (error, stdout, stderr) => {
      const status = error === null ? 0 : typeof error.code === 'number' ? error.code : 255
      resolve({ status, stdout, stderr })
    })
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input ?? '')
  })
}

async function check(command: string, args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await run(command, args)
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: exit ${status}\n${stderr.slice(-4000)}`)
  return stdout.trim()
}

/** A port of 127.0.0.1 that was free a moment ago. */
export function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

/** The machine dies with the process that started it, however that ends. */
function startQemu(directory: string, args: readonly string[]): ChildProcess {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...args], {
    cwd: directory,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  process.on('exit', () => child.kill('SIGKILL'))
  return child
}

async function writeClientFiles(directory: string, image: string, port: number): Promise<void> {
  const hostKey = (await readFile(join(image, 'host-key.pub'), 'utf8')).split(' ').slice(0, 2).join(' ')
  await copyFile(join(image, 'key'), join(directory, 'key'))
  await writeFile(join(directory, 'known_hosts'), `[127.0.0.1]:${port} ${hostKey}\n`)
  const settings = [
    'Host lab',
    '  HostName 127.0.0.1',
    `  Port ${port}`,
    '  User root',
    `  IdentityFile ${join(directory, 'key')}`,
    '  IdentitiesOnly yes',
    `  UserKnownHostsFile ${join(directory, 'known_hosts')}`,
    '  GlobalKnownHostsFile /dev/null',
    '  StrictHostKeyChecking yes',
    '  BatchMode yes',
    '  ConnectTimeout 10',
    '  ServerAliveInterval 5',
    '  ServerAliveCountMax 6',
    '  LogLevel ERROR',
  ]
  await writeFile(join(directory, 'ssh_config'), `${settings.join('\n')}\n`)
}

async function openMachine(image: string, disk: string, directory: string, options: MachineOptions): Promise<Machine> {
  const port = options.port ?? (await findFreePort())
  await writeClientFiles(directory, image, port)
  const qemu = startQemu(directory, qemuArguments({ ...options, port, disk }))
  let errors = ''
  qemu.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString('latin1')))
  const ended = new Promise<void>((resolve) => qemu.once('close', () => resolve()))
  const sshConfigFile = join(directory, 'ssh_config')
  const ssh = (command: string, input?: string) => run('ssh', ['-F', sshConfigFile, '--', 'lab', command], input)
  const serialLog = () => readFile(join(directory, 'serial.log'), 'latin1').catch(() => '')
  async function waitForSsh(seconds: number): Promise<void> {
    const deadline = Date.now() + seconds * 1000
    while (qemu.exitCode === null && Date.now() < deadline) {
      if ((await ssh('exec true')).status === 0) return
      await sleep(2000)
    }
    throw new Error(`no ssh after ${seconds} s; ${errors}\n${(await serialLog()).slice(-3000)}`)
  }
  async function stop(): Promise<void> {
    qemu.kill('SIGTERM')
    await ended
    await rm(directory, { recursive: true, force: true })
  }
  const files = { keyFile: join(directory, 'key'), knownHostsFile: join(directory, 'known_hosts'), sshConfigFile }
  return { address: '127.0.0.1', port, ...files, ssh, waitForSsh, stop, serialLog }
}

async function bootMachine(image: string, base: string, options: MachineOptions): Promise<Machine> {
  const directory = await mkdtemp(join(tmpdir(), 'passway-lab-'))
  const disk = join(directory, 'disk.qcow2')
  await check('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', base, disk])
  const machine = await openMachine(image, disk, directory, options)
  try {
    await machine.waitForSsh(bootSeconds)
  } catch (error) {
    await machine.stop()
    throw error
  }
  return machine
}

/** Boots once, waits until everything has started, shuts down and keeps the disk: what a first boot does is done. */
async function saveOverlay(image: string, options: MachineOptions): Promise<string> {
  const saved = join(image, 'booted.qcow2')
  if (
    await access(saved).then(
      () => true,
      () => false,
    )
  )
    return saved
  const directory = await mkdtemp(join(findCache(), 'boot-'))
  const disk = join(directory, 'disk.qcow2')
  await check('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', join(image, 'disk.qcow2'), disk])
  const machine = await openMachine(image, disk, directory, options)
  try {
    await machine.waitForSsh(bootSeconds)
    await machine.ssh('systemctl is-system-running --wait; sync; systemctl poweroff')
    await waitForEnd(machine, 120)
    await rename(disk, saved)
  } finally {
    await machine.stop()
  }
  return saved
}

async function waitForEnd(machine: Machine, seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second += 1) {
    if ((await machine.serialLog()).includes('Power down')) return
    await sleep(1000)
  }
  throw new Error(`the machine did not switch off\n${(await machine.serialLog()).slice(-3000)}`)
}

/** Builds what is not in the cache, starts a machine from the saved overlay and waits for ssh. */
export async function startMachine(options: MachineOptions): Promise<Machine> {
  const cache = findCache()
  await mkdir(cache, { recursive: true })
  const image = await check(fileURLToPath(new URL('./build-machine.sh', import.meta.url)), [cache])
  return bootMachine(image, await saveOverlay(image, options), options)
}
