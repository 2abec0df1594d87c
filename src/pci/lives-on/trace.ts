import type { PciFunction, Snapshot } from '../../core/snapshot.ts'
import type { PciAddress } from '../address.ts'
import { isBridge } from '../devices.ts'

/** A way from a block or network device to a function it stands on. */
export type End = {
  readonly address: PciAddress
  /** Names on the way, the function last. */
  readonly chain: readonly string[]
  readonly certain: boolean
  /** What lies between, where the way leaves the machine. */
  readonly via?: 'iscsi' | 'nfs' | 'fc'
}

/** Where a way is lost: `over` says what kind of device would carry it on. */
export type Loss = { readonly why: string; readonly over: 'storage' | 'network' }

export type Trace = { readonly ends: readonly End[]; readonly losses: readonly Loss[] }

/** Where a trace has been. What several ways lead through is followed once, however much a host is stacked. */
export type Walk = { readonly above: readonly string[]; readonly done: Set<string> }

export function startWalk(): Walk {
  return { above: [], done: new Set() }
}

export function stepDown(walk: Walk, name: string): Walk {
  walk.done.add(name)
  return { above: [...walk.above, name], done: walk.done }
}

export const nowhere: Trace = { ends: [], losses: [] }

export function joinTraces(traces: readonly Trace[]): Trace {
  return { ends: traces.flatMap(({ ends }) => ends), losses: traces.flatMap(({ losses }) => losses) }
}

export function lost(why: string, over: Loss['over']): Trace {
  return { ends: [], losses: [{ why, over }] }
}

/** The same ways, seen from something that stands on the device they begin with. */
export function extendTrace(
  name: string,
  { ends, losses }: Trace,
  more: Partial<Pick<End, 'certain' | 'via'>> = {},
): Trace {
  return { ends: ends.map((end) => ({ ...end, ...more, chain: [name, ...end.chain] })), losses }
}

const addressPart = /^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/

/**
 * Functions in a sysfs path, the nearest to the device first. Bridges are left out, for they always stay; a controller
 * that has a PCI domain of its own below it (VMD) is none, and a virtual function stands on its physical one.
 */
export function findFunctionsAbove(snapshot: Snapshot, path: string): End[] {
  const chain: string[] = []
  const ends: End[] = []
  for (const address of path
    .split('/')
    .filter((part) => addressPart.test(part))
    .toReversed()) {
    const found = snapshot.pci.find((each) => each.address === address)
    if (found ? staysAnyway(found) : chain.length > 0) continue
    chain.push(address)
    ends.push({ address, chain: [...chain], certain: true })
    const physical = found?.physicalFunction ?? null
    if (physical !== null) ends.push({ address: physical, chain: [...chain, physical], certain: true })
  }
  return ends
}

function staysAnyway(found: PciFunction): boolean {
  return isBridge(found) || found.headerType === 1 || found.headerType === 2
}
