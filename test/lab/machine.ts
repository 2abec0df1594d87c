import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { openSync } from 'node:fs'
import { access, constants, copyFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { findFreePort } from '../host/sshd.ts'
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
  /** Of this run; removed by `stop`. */
  readonly directory: string
  readonly disk: string
  readonly keyFile: string
  /** Holds the machine's host key and nothing else: host keys are always checked. */
  readonly knownHostsFile: string
  /** The same facts as a client configuration with one host, `lab`. */
  readonly sshConfigFile: string
  readonly ssh: (command: string, input?: string) => Promise<Output>
  /** Waits until a whole command over ssh works. Throws with the end of the serial console after `seconds`. */
  readonly waitForSsh: (seconds: number) => Promise<void>
  /** Takes the power away and gives it back at once. */
  readonly cutPower: () => void
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

export async function exists(path: string, mode = constants.F_OK): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  )
}

async function hasTool(name: string): Promise<boolean> {
  const directories = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin']
  const found = await Promise.all(directories.map((directory) => exists(join(directory, name), constants.X_OK)))
  return found.includes(true)
}

/** What this computer lacks to build and run the machine; empty when nothing. */
export async function listMissing(): Promise<string[]> {
  const tools = ['qemu-system-x86_64', 'qemu-img', 'mmdebstrap', 'parted', 'losetup', 'mkfs.ext4', 'ssh']
  const have = await Promise.all(tools.map(hasTool))
  const missing = tools.filter((_, index) => !have[index])
  if (process.getuid?.() !== 0) missing.push('root')
  if (!(await exists('/dev/loop-control'))) missing.push('loop devices')
  return missing
}

/** Output is decoded as latin1: a character a byte. */
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

/** Standard output without the white space around it; throws where the command fails. */
export async function check(command: string, args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await run(command, args)
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: exit ${status}\n${stderr.slice(-4000)}`)
  return stdout.trim()
}

/** QEMU dies with the process that started it, however that ends. */
function startQemu(directory: string, args: readonly string[]): ChildProcess {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...args], {
    cwd: directory,
    stdio: ['ignore', 'ignore', openSync(join(directory, 'qemu.log'), 'a')],
  })
  process.on('exit', () => child.kill('SIGKILL'))
  return child
}

type Power = {
  readonly isOn: () => boolean
  readonly cut: () => void
  readonly switchOff: () => Promise<void>
  readonly ended: Promise<void>
}

/**
 * A reset ends QEMU (`-no-reboot`) and a new one starts: after a reset in place, emulation needs a minute for what takes
 * seconds after a cold start. `ended`: the machine switched itself off (`restart: false`), was switched off, or QEMU failed.
 */
function powerOn(directory: string, args: readonly string[], restart: boolean): Power {
  let isOn = true
  let current: ChildProcess
  const ended = new Promise<void>((resolve) => {
    const start = (): void => {
      current = startQemu(directory, args)
      current.once('close', (code) => {
        if (isOn && restart && code === 0) return start()
        isOn = false
        resolve()
      })
    }
    start()
  })
  async function switchOff(): Promise<void> {
    isOn = false
    current.kill('SIGKILL')
    await ended
  }
  /** QEMU writes out what the machine's disk holds, as a disk does; what is in the machine's memory is lost. */
  const cut = (): void => void current.kill('SIGTERM')
  return { isOn: () => isOn, cut, switchOff, ended }
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

type Opened = { readonly machine: Machine; readonly ended: Promise<void> }

async function openMachine(image: string, base: string, options: MachineOptions, restart: boolean): Promise<Opened> {
  const directory = await mkdtemp(join(findCache(), 'run-'))
  const port = options.port ?? (await findFreePort())
  const disk = join(directory, 'disk.qcow2')
  await check('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', base, disk])
  await writeClientFiles(directory, image, port)
  const power = powerOn(directory, qemuArguments({ ...options, port, disk }), restart)
  const sshConfigFile = join(directory, 'ssh_config')
  const ssh = (command: string, input?: string) => run('ssh', ['-F', sshConfigFile, '--', 'lab', command], input)
  const readLog = (name: string) => readFile(join(directory, name), 'latin1').catch(() => '')
  const serialLog = () => readLog('serial.log')
  async function waitForSsh(seconds: number): Promise<void> {
    const deadline = Date.now() + seconds * 1000
    while (power.isOn() && Date.now() < deadline) {
      if ((await ssh('exec true')).status === 0) return
      await sleep(2000)
    }
    throw new Error(`no ssh within ${seconds} s\n${await readLog('qemu.log')}\n${(await serialLog()).slice(-3000)}`)
  }
  async function stop(): Promise<void> {
    await power.switchOff()
    await rm(directory, { recursive: true, force: true })
  }
  const files = { keyFile: join(directory, 'key'), knownHostsFile: join(directory, 'known_hosts'), sshConfigFile }
  const machine = {
    address: '127.0.0.1',
    port,
    directory,
    disk,
    ...files,
    ssh,
    waitForSsh,
    cutPower: power.cut,
    stop,
    serialLog,
  }
  return { machine, ended: power.ended }
}

async function orStop<Result>(machine: Machine, action: Promise<Result>): Promise<Result> {
  try {
    return await action
  } catch (error) {
    await machine.stop()
    throw error
  }
}

/** Boots once, waits until everything has started, shuts down and keeps the disk: what a first boot does is done. */
async function saveOverlay(image: string, options: MachineOptions): Promise<string> {
  const saved = join(image, 'booted.qcow2')
  if (await exists(saved)) return saved
  const { machine, ended } = await openMachine(image, join(image, 'disk.qcow2'), options, false)
  const finish = async (): Promise<void> => {
    await machine.waitForSsh(bootSeconds)
    await machine.ssh('systemctl is-system-running --wait; systemctl poweroff')
    await Promise.race([ended, sleep(120_000, undefined, { ref: false })])
    if (!(await machine.serialLog()).includes('Power down')) throw new Error('the machine did not switch off')
    await rename(machine.disk, saved)
  }
  await orStop(machine, finish())
  await machine.stop()
  return saved
}

/** Builds the machine's disk where the cache has none. The directory of `disk.qcow2` and of the keys. */
export async function buildDisk(): Promise<string> {
  const cache = findCache()
  await mkdir(cache, { recursive: true })
  return check(fileURLToPath(new URL('./build-machine.sh', import.meta.url)), [cache])
}

/** Builds what is not in the cache, starts a machine from the saved overlay and waits for ssh. */
export async function startMachine(options: MachineOptions): Promise<Machine> {
  const image = await buildDisk()
  const { machine } = await openMachine(image, await saveOverlay(image, options), options, true)
  await orStop(machine, machine.waitForSsh(bootSeconds))
  return machine
}
