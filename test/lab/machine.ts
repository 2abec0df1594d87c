import { execFile } from 'node:child_process'
import { access, constants, copyFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { findFreePort } from '../host/sshd.ts'
import { askMonitor, powerOn } from './power.ts'
import { qemuArguments } from './topologies.ts'
import type { Topology } from './topologies.ts'
import { firmwareArguments, listVariantNeeds, placeVariables } from './variants.ts'
import type { Variant } from './variants.ts'

export type MachineOptions = {
  /** `bios-ext4` when absent. */
  readonly variant?: Variant
  readonly topology: Topology
  /** Whether the emulated IOMMU remaps interrupts. */
  readonly intremap: boolean
  /** On 127.0.0.1, forwarded to the machine's sshd; a free one when absent. */
  readonly port?: number
  /** A watchdog device, i6300esb. */
  readonly watchdog?: boolean
  /** Resumes what `freeze` left in this directory. */
  readonly from?: string
  /** Boots a disk of an earlier run. */
  readonly disk?: string
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
  /** Plugs the cable of the NIC that carries ssh, or pulls it. A reset plugs it. */
  readonly setLink: (isUp: boolean) => Promise<void>
  /** What the clock of the hardware says at the next power-on (`2001-02-03T04:05:06`), and after. */
  readonly setClock: (time: string) => void
  /** How often it was powered on, resets included. */
  readonly starts: () => number
  readonly crashes: () => number
  /** Ends the run, and keeps disk and memory in this directory: any number of runs resume there (`from`). */
  readonly freeze: (directory: string) => Promise<void>
  /** Switches the machine off and removes its overlay. */
  readonly stop: () => Promise<void>
  readonly serialLog: () => Promise<string>
}

const bootSeconds = 240
/** The chipset's own timer would reset the machine as well. */
const watchdogArguments = ['-device', 'i6300esb,bus=pcie.0,addr=0x12.0', '-global', 'ICH9-LPC.noreboot=true']

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
export async function listMissing(variant: Variant = 'bios-ext4'): Promise<string[]> {
  const needs = listVariantNeeds(variant)
  const tools = [
    'qemu-system-x86_64',
    'qemu-img',
    'mmdebstrap',
    'parted',
    'losetup',
    'mkfs.ext4',
    'ssh',
    ...needs.tools,
  ]
  const have = await Promise.all(tools.map(hasTool))
  const missing = tools.filter((_, index) => !have[index])
  for (const file of needs.files) if (!(await exists(file))) missing.push(file)
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

/** What a run starts from: a disk image, and the directory that holds the firmware's variables with it. */
type Base = { readonly disk: string; readonly directory: string | undefined; readonly memory: string | undefined }

async function freezeTo(run: string, target: string, switchOff: () => Promise<void>): Promise<void> {
  await mkdir(target, { recursive: true })
  await askMonitor(run, 'stop')
  await askMonitor(run, 'migrate', { uri: `exec:cat > ${join(target, 'memory')}` })
  for (;;) {
    const { status } = (await askMonitor(run, 'query-migrate')) as { status: string }
    if (status === 'completed') break
    if (status === 'failed') throw new Error('QEMU could not save the memory')
    await sleep(500)
  }
  await switchOff()
  for (const name of ['disk.qcow2', 'vars.fd'])
    if (await exists(join(run, name))) await rename(join(run, name), join(target, name))
}

/** What was frozen stands still until it is told to go on. */
async function resume(directory: string): Promise<void> {
  for (let tries = 0; tries < 240; tries += 1) {
    await sleep(500)
    const answer = await askMonitor(directory, 'query-status').catch(() => null)
    if ((answer as { status?: string } | null)?.status === 'paused') break
  }
  await askMonitor(directory, 'cont')
}

async function openMachine(image: string, base: Base, options: MachineOptions, restart: boolean): Promise<Opened> {
  const directory = await mkdtemp(join(findCache(), 'run-'))
  const port = options.port ?? (await findFreePort())
  const variant = options.variant ?? 'bios-ext4'
  const disk = join(directory, 'disk.qcow2')
  await check('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', base.disk, disk])
  await placeVariables(variant, directory, base.directory)
  await writeClientFiles(directory, image, port)
  let clock: string[] = []
  const listArguments = (start: number): string[] => [
    ...qemuArguments({ ...options, port, disk }),
    ...firmwareArguments(variant),
    ...(options.watchdog === true ? watchdogArguments : []),
    '-qmp',
    'unix:qmp.sock,server=on,wait=off',
    ...clock,
    ...(start === 0 && base.memory !== undefined ? ['-incoming', `exec:cat ${base.memory}`] : []),
  ]
  const power = powerOn(directory, listArguments, restart)
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
  async function freeze(target: string): Promise<void> {
    await freezeTo(directory, target, power.switchOff)
    await stop()
  }
  async function setLink(isUp: boolean): Promise<void> {
    await askMonitor(directory, 'set_link', { name: 'net', up: isUp })
  }
  const machine = {
    address: '127.0.0.1',
    port,
    directory,
    disk,
    keyFile: join(directory, 'key'),
    knownHostsFile: join(directory, 'known_hosts'),
    sshConfigFile,
    ssh,
    waitForSsh,
    serialLog,
    cutPower: power.cut,
    starts: power.starts,
    crashes: power.crashes,
    setLink,
    setClock: (time: string) => void (clock = ['-rtc', `base=${time}`]),
    freeze,
    stop,
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

const finish = '[ ! -e /usr/local/sbin/lab-finish ] || { lab-finish && rm /usr/local/sbin/lab-finish; }'

/** Boots once, waits until everything has started, shuts down and keeps the disk: what a first boot does is done. */
async function saveOverlay(image: string, options: MachineOptions): Promise<Base> {
  const directory = join(image, 'booted')
  const saved = { disk: join(directory, 'disk.qcow2'), directory, memory: undefined }
  if (await exists(saved.disk)) return saved
  const fresh = { disk: join(image, 'disk.qcow2'), directory: undefined, memory: undefined }
  const { machine, ended } = await openMachine(image, fresh, options, false)
  const save = async (): Promise<void> => {
    await machine.waitForSsh(bootSeconds)
    const { status, stderr } = await machine.ssh(`systemctl is-system-running --wait; ${finish}`)
    if (status !== 0) throw new Error(`the first boot could not be finished\n${stderr}`)
    await machine.ssh('systemctl poweroff')
    await Promise.race([ended, sleep(120_000, undefined, { ref: false })])
    if (!(await machine.serialLog()).includes('Power down')) throw new Error('the machine did not switch off')
    await mkdir(directory, { recursive: true })
    const names = ['vars.fd', 'disk.qcow2']
    for (const name of names)
      if (await exists(join(machine.directory, name)))
        await rename(join(machine.directory, name), join(directory, name))
  }
  await orStop(machine, save())
  await machine.stop()
  return saved
}

/** Builds the machine's disk where the cache has none. The directory of `disk.qcow2` and of the keys. */
export async function buildDisk(variant: Variant = 'bios-ext4'): Promise<string> {
  const cache = findCache()
  await mkdir(cache, { recursive: true })
  return check(fileURLToPath(new URL('./build-machine.sh', import.meta.url)), [cache, variant])
}

async function findBase(image: string, options: MachineOptions): Promise<Base> {
  const { from, disk } = options
  if (disk !== undefined) return { disk, directory: undefined, memory: undefined }
  if (from === undefined) return saveOverlay(image, options)
  return { disk: join(from, 'disk.qcow2'), directory: from, memory: join(from, 'memory') }
}

/** Builds what is not in the cache, starts a machine from the saved overlay and waits for ssh. */
export async function startMachine(options: MachineOptions): Promise<Machine> {
  const image = await buildDisk(options.variant)
  const base = await findBase(image, options)
  const { machine } = await openMachine(image, base, options, true)
  if (base.memory !== undefined) await orStop(machine, resume(machine.directory))
  await orStop(machine, machine.waitForSsh(bootSeconds))
  return machine
}
