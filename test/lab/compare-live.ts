import type { LiveState } from './host-files.ts'
import type { PublicNextBoot } from './public-json.ts'

/** One thing that a prediction says of a boot, and what the booted machine shows. */
export type Row = { readonly what: string; readonly predicted: string; readonly seen: string }

/**
 * Written apart from what passway itself compares after a boot, so that a fault there does not hide one of the
 * prediction. Only what the prediction calls certain.
 */
export function compareLive(next: PublicNextBoot, live: LiveState): Row[] {
  const open = new Set(next.uncertain.map(({ what }) => what))
  return [
    { what: 'kernel', predicted: next.entry.kernel, seen: live.kernelRelease },
    { what: 'command line', predicted: dropImage(next.kernelCommandLine), seen: dropImage(live.commandLine) },
    ...compareDrivers(next, live),
    ...compareModules(next, live),
    ...comparePages(next, live),
    ...Object.entries(next.groups).map(([address, group]) => ({
      what: `group of ${address}`,
      predicted: String(group),
      seen: String(live.groups.get(address)),
    })),
  ].filter(({ what }) => !open.has(what))
}

/** GRUB adds BOOT_IMAGE= by itself. */
function dropImage(commandLine: string): string {
  return commandLine.replace(/^BOOT_IMAGE=\S+ /, '')
}

export function formatDriver(driver: string | null | undefined): string {
  return driver === null || driver === undefined || driver === '' ? 'none' : driver
}

/** Every function that the machine has must be predicted, and no other. */
function compareDrivers({ drivers }: PublicNextBoot, live: LiveState): Row[] {
  const addresses = new Set([...Object.keys(drivers), ...live.drivers.keys()])
  return [...addresses].sort().flatMap((address) => {
    const prediction = drivers[address]
    if (prediction?.certain === false) return []
    const predicted = prediction === undefined ? 'no such function' : formatDriver(prediction.next)
    const seen = live.drivers.has(address) ? formatDriver(live.drivers.get(address)) : 'no such function'
    return [{ what: `driver of ${address}`, predicted, seen }]
  })
}

function compareModules({ modules }: PublicNextBoot, live: LiveState): Row[] {
  const names = [...new Set([...modules.image, ...modules.boot])]
  return names.map((name) => ({
    what: `module ${name}`,
    predicted: 'loaded',
    seen: live.modules.has(name.replaceAll('-', '_')) ? 'loaded' : 'not loaded',
  }))
}

/** Sizes that are not predicted have no pages. */
function comparePages({ hugepages }: PublicNextBoot, live: LiveState): Row[] {
  const sizes = new Set([...Object.keys(hugepages), ...live.hugepages.keys()])
  const totals = [...sizes].map((size) => ({
    what: `huge pages of ${size}`,
    predicted: String(hugepages[size]?.total ?? 0),
    seen: String(live.hugepages.get(size) ?? 0),
  }))
  const nodes = Object.entries(hugepages).flatMap(([size, { nodes }]) =>
    Object.entries(nodes ?? {}).map(([node, pages]) => ({
      what: `huge pages of ${size} on node ${node}`,
      predicted: String(pages),
      seen: String(live.nodePages.get(`${size} ${node}`)),
    })),
  )
  return [...totals, ...nodes]
}
