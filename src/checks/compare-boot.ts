import { foldName } from '../core/fold-name.ts'
import type { NextBoot } from '../core/plan.ts'
import { maskSecrets } from '../core/secrets.ts'
import type { Snapshot } from '../core/snapshot.ts'

/** One row of a boot's comparison, as in the public JSON of `verify`. */
export type BootRow = { readonly what: string; readonly predicted: string; readonly seen: string; readonly ok: boolean }

/**
 * Compares a boot with what was predicted for it. Only what the prediction calls certain is compared. `trial`: ID of the
 * trial that this boot should be; what its loader entry adds to the command line is left out, and on no other boot.
 */
export function compareBoot(predicted: NextBoot, snapshot: Snapshot, trial: string | null = null): BootRow[] {
  const open = new Set(predicted.uncertain.map(({ what }) => what))
  return [
    row('kernel', predicted.entry.kernel, snapshot.kernelRelease),
    ...compareCommandLine(predicted, trial === null ? snapshot.commandLine : withoutTrial(snapshot.commandLine, trial)),
    ...compareDrivers(predicted, snapshot),
    ...compareModules(predicted, snapshot),
    ...compareHugepages(predicted, snapshot),
    ...compareGroups(predicted, snapshot),
  ].filter(({ what }) => !open.has(what))
}

/** Words with variables of the loader are not predicted. */
function compareCommandLine({ kernelCommandLine, uncertain }: NextBoot, commandLine: string): BootRow[] {
  if (uncertain.some(({ code }) => code === 'LOADER_VARIABLE')) return []
  return [row('kernel command line', comparable(kernelCommandLine), comparable(commandLine))]
}

/** A trial's words stand together, the token first: a `panic=30` elsewhere is the host's own. */
function withoutTrial(commandLine: string, trial: string): string {
  const words = commandLine.split(/\s+/)
  const token = words.indexOf(`passway.txn=${trial}`)
  if (token < 0) return commandLine
  const rest = words.slice(token + 1)
  const own = rest.findIndex((word) => !/^(panic=30|systemd\.watchdog_sec=\d+)$/.test(word))
  return [...words.slice(0, token), ...(own < 0 ? [] : rest.slice(own))].join(' ')
}

function row(what: string, predicted: string, seen: string): BootRow {
  return { what, predicted, seen, ok: predicted === seen }
}

/**
 * Loaders add BOOT_IMAGE= (GRUB) and initrd= (EFI stub) by themselves: they name files, not settings. Values of secrets
 * are not in the record that a boot is compared with.
 */
function comparable(commandLine: string): string {
  return maskSecrets(commandLine)
    .split(/[\s\u00a0]+/)
    .filter((word) => word !== '' && !/^(BOOT_IMAGE|initrd)=/.test(word))
    .join(' ')
}

function compareDrivers(predicted: NextBoot, snapshot: Snapshot): BootRow[] {
  const functions = new Map(snapshot.pci.map((each) => [each.address, each]))
  return Object.entries(predicted.drivers)
    .filter(([, driver]) => driver.certain)
    .map(([address, driver]) => {
      const seen = functions.get(address)
      return row(
        `driver of ${address}`,
        driver.next ?? 'none',
        seen === undefined ? 'no such function' : (seen.driver ?? 'none'),
      )
    })
}

function compareModules(predicted: NextBoot, snapshot: Snapshot): BootRow[] {
  const kernel = snapshot.kernels.find((each) => each.running)
  const names = [...new Set([...predicted.modules.image, ...predicted.modules.boot])]
  return names.map((name) => {
    const folded = foldName(name)
    const seen = snapshot.loadedModules.has(folded)
      ? 'loaded'
      : kernel?.modules.get(folded) === 'builtin'
        ? 'built in'
        : 'not loaded'
    return { what: `module ${name}`, predicted: 'loaded', seen, ok: seen !== 'not loaded' }
  })
}

function compareHugepages(predicted: NextBoot, snapshot: Snapshot): BootRow[] {
  return Object.entries(predicted.hugepages).flatMap(([size, pool]) => {
    const seen = snapshot.hugepages.find((each) => formatSize(each.sizeKb) === size)
    const total = row(`huge pages of ${size}`, String(pool.total), String(seen?.total ?? 0))
    const nodes = Object.entries(pool.nodes ?? {}).map(([node, pages]) =>
      row(`huge pages of ${size} on node ${node}`, String(pages), String(seen?.perNode.get(Number(node)) ?? 0)),
    )
    return [total, ...nodes]
  })
}

/** `2M`, `1G`, as the kernel's command line spells sizes. */
function formatSize(kilobytes: number): string {
  if (kilobytes % 1_048_576 === 0) return `${kilobytes / 1_048_576}G`
  return kilobytes % 1024 === 0 ? `${kilobytes / 1024}M` : `${kilobytes}K`
}

function compareGroups(predicted: NextBoot, snapshot: Snapshot): BootRow[] {
  return Object.entries(predicted.groups).map(([address, group]) => {
    const seen = snapshot.pci.find((each) => each.address === address)?.iommuGroup
    return row(`IOMMU group of ${address}`, String(group), String(seen ?? 'none'))
  })
}
