import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { buildInitramfs } from './build-initramfs.ts'
import { compareLive, formatDriver } from './compare-live.ts'
import type { Row } from './compare-live.ts'
import type { Configuration } from './configurations.ts'
import type { LiveState } from './host-files.ts'
import { readLive, readOutput } from './host-files.ts'
import { startMachine } from './machine.ts'
import type { Machine } from './machine.ts'
import { runPassway, writeInventory } from './passway.ts'
import type { HostDocument, PlanDocument, PublicNextBoot } from './public-json.ts'
import type { Topology } from './topologies.ts'

/** What a prediction left open, and what came. */
export type OpenRow = Row & { readonly why: string }

/** What was predicted for one configuration, before it booted, and what it booted to. Functions in order of address. */
export type Outcome = {
  readonly name: string
  readonly topology: Topology
  /** Rows compared, equal or not. */
  readonly compared: number
  /** What the configuration is about: its own drivers, and all that is not as on the fresh machine. */
  readonly shown: readonly Row[]
  readonly open: readonly OpenRow[]
  readonly differences: readonly Row[]
  /** Other statements of the prediction about what it cannot say. */
  readonly uncertain: readonly string[]
}

/** A machine that boots one configuration after the other, its files put back in between. */
export type Bench = {
  readonly machine: Machine
  readonly boot: (configuration: Configuration) => Promise<Outcome>
  readonly stop: () => Promise<void>
}

type Fresh = {
  readonly live: LiveState
  readonly grubCfg: string
  readonly settings: string
  readonly playbook: string
  readonly inventory: string
}

const early = '/etc/initramfs-tools/modules'
const kept = '/var/tmp/fresh'
/** Of all that a configuration may write, the image aside. */
const trees = '/etc /usr/lib/modprobe.d /usr/lib/modules-load.d /usr/lib/udev/rules.d /boot/grub/grub.cfg'
const settingsHash = `find ${trees} -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum`

export async function openBench(topology: Topology): Promise<Bench> {
  const machine = await startMachine({ topology, intremap: true })
  const fresh = await keepFresh(machine)
  let written: readonly string[] = []
  async function boot(configuration: Configuration): Promise<Outcome> {
    await write(machine, fresh, { written, configuration })
    written = Object.keys(configuration.files).filter((path) => path !== early)
    const next = await predict(machine, fresh, configuration)
    await reboot(machine, configuration)
    return compare(configuration, next, { fresh: fresh.live, live: await readLive(machine) })
  }
  return { machine, boot, stop: machine.stop }
}

async function keepFresh(machine: Machine): Promise<Fresh> {
  const release = await readOutput(machine, 'uname -r')
  const copies = `/boot/grub/grub.cfg /etc/default/grub ${early} /boot/initrd.img-${release}`
  await readOutput(machine, `mkdir ${kept} && cp --parents ${copies} ${kept}`)
  const playbook = join(dirname(machine.sshConfigFile), 'nothing.yaml')
  await writeFile(playbook, '- hosts: all\n  tasks: []\n')
  return {
    live: await readLive(machine),
    grubCfg: await readOutput(machine, 'cat /boot/grub/grub.cfg'),
    settings: await readOutput(machine, settingsHash),
    playbook,
    inventory: await writeInventory(machine),
  }
}

type Written = { readonly written: readonly string[]; readonly configuration: Configuration }

/** Restores what the last configuration changed, then writes this one, all in one go; nothing else may have changed. */
async function write(machine: Machine, fresh: Fresh, { written, configuration }: Written): Promise<void> {
  const { files, image } = configuration
  const { kernelRelease } = fresh.live
  const { grubCfg, chosen } = configureGrub(fresh.grubCfg, configuration)
  const texts = Object.entries({ ...files, '/boot/grub/grub.cfg': grubCfg })
  const contents = texts.map(([path, content]) => [path, Buffer.from(content)] as const)
  const built = image === 'rebuilt' ? await buildInitramfs(files, kernelRelease) : null
  const images = built === null ? [] : [[`/boot/initrd.img-${kernelRelease}`, built] as const]
  const lines = [
    `rm -f ${written.join(' ')}`,
    `cp -r ${kept}/. /`,
    `[ "$(${settingsHash})" = "${fresh.settings}" ] || { echo the machine is not as it was before >&2; exit 1; }`,
    ...[...contents, ...images].map(
      ([path, content]) => `mkdir -p ${dirname(path)}; base64 -d > ${path} <<'END'\n${content.toString('base64')}\nEND`,
    ),
    giveBack,
    `sed -i 's/^GRUB_DEFAULT=.*/GRUB_DEFAULT="${chosen}"/' /etc/default/grub`,
    'sync',
  ]
  const { status, stderr } = await machine.ssh('sh -e', lines.join('\n'))
  if (status !== 0) throw new Error(`the configuration was not written: ${stderr}`)
}

/** An override of the boot before would be one of which nobody knows who set it, and its device one that nobody takes. */
const giveBack = `for at in /sys/bus/pci/devices/*; do
  [ "$(cat "$at/driver_override")" != "(null)" ] || continue
  echo >"$at/driver_override"
  case $(readlink "$at/driver") in */vfio-pci) echo "\${at##*/}" >"$at/driver/unbind" ;; esac
  echo "\${at##*/}" >/sys/bus/pci/drivers_probe || :
done`

/** What update-grub would write, without the eleven seconds it takes. */
function configureGrub(grubCfg: string, { args, entry }: Configuration): { grubCfg: string; chosen: string } {
  const isMeant = (line: string) => /^\s*linux\s/.test(line) && (entry === 'recovery') === / single /.test(line)
  const lines = grubCfg.split('\n').map((line) => (isMeant(line) ? `${line.trimEnd()} ${args}`.trimEnd() : line))
  const text = `${lines.join('\n')}\n`
  if (entry === 'normal') return { grubCfg: text, chosen: '0' }
  const [, menu = ''] = /submenu .*'(gnulinux-advanced-[^']*)'/.exec(grubCfg) ?? []
  const [, recovery = ''] = /'(gnulinux-[^']*-recovery-[^']*)'/.exec(grubCfg) ?? []
  const chosen = `${menu}>${recovery}`
  return { grubCfg: text.replace('set default="0"', `set default="${chosen}"`), chosen }
}

/** From the files on the machine, while it still runs what was booted before. */
async function predict(machine: Machine, fresh: Fresh, { listed }: Configuration): Promise<PublicNextBoot> {
  const args = ['plan', fresh.playbook, '--json', ...(listed ? ['--images'] : []), '-i', fresh.inventory]
  const run = await runPassway(args, machine.directory)
  const host = (JSON.parse(run.stdout) as { hosts: HostDocument<PlanDocument>[] }).hosts[0]
  if (run.status !== 0 || host === undefined || host.nextBoot === null)
    throw new Error(`no prediction: exit ${run.status}\n${run.stderr}\n${run.stdout}`)
  return host.nextBoot
}

async function reboot(machine: Machine, { entry }: Configuration): Promise<void> {
  const bootId = 'cat /proc/sys/kernel/random/boot_id'
  const before = await readOutput(machine, bootId)
  // All is on the disk: a shutdown would only take its time.
  machine.cutPower()
  for (let tries = 0; ; tries += 1) {
    await sleep(3000)
    const { status, stdout } = await machine.ssh(bootId)
    if (status === 0 && stdout.trim() !== before) break
    if (tries > 100) throw new Error(`the machine did not come back\n${(await machine.serialLog()).slice(-3000)}`)
  }
  // The recovery entry waits for a person and never finishes to start.
  if (entry === 'normal') await machine.ssh('timeout 90 systemctl is-system-running --wait')
  else await sleep(8000)
}

type Lives = { readonly fresh: LiveState; readonly live: LiveState }

function compare(configuration: Configuration, next: PublicNextBoot, { fresh, live }: Lives): Outcome {
  const rows = compareLive(next, live)
  const before = new Map(compareLive(next, fresh).map(({ what, seen }) => [what, seen]))
  const own = new Set(Object.keys(configuration.drivers).map((address) => `driver of ${address}`))
  const open = Object.entries(next.drivers).filter(([, { certain }]) => !certain)
  return {
    name: configuration.name,
    topology: configuration.topology,
    compared: rows.length,
    shown: rows.filter(
      ({ what, predicted, seen }) => own.has(what) || predicted !== before.get(what) || predicted !== seen,
    ),
    open: open.map(([address, { next, because }]) => ({
      what: `driver of ${address}`,
      predicted: formatDriver(next),
      seen: formatDriver(live.drivers.get(address)),
      why: because,
    })),
    differences: rows.filter(({ predicted, seen }) => predicted !== seen),
    uncertain: next.uncertain
      .filter(({ code }) => code !== 'DRIVER_UNCERTAIN')
      .map(({ code, what, why }) => `${code} ${what}: ${why}`),
  }
}
