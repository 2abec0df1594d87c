import type { PciFunction } from '../core/snapshot.ts'
import type { PciAddress } from './address.ts'
import { byAddress } from './devices.ts'

export type PciNode = {
  readonly device: PciFunction
  /** Functions on the buses below a bridge, in order of address. */
  readonly children: readonly PciNode[]
}

/** A bus that no listed bridge leads to: below a host bridge, or the domain that a VMD makes of its own. */
export type RootBus = {
  /** `0000:00`, `10000:e0` */
  readonly name: string
  /** The VMD that made the bus (its functions sit in a domain of their own); null below a host bridge. */
  readonly behind: PciAddress | null
  readonly nodes: readonly PciNode[]
}

/** Every function stands in the tree exactly once, whatever the parents say. */
export function arrangeTree(functions: readonly PciFunction[]): readonly RootBus[] {
  const sorted = functions.toSorted(byAddress)
  const below = groupBy(sorted, (each) => each.parent ?? '')
  const listed = new Set(sorted.map((each) => each.address))
  const placed = new Set<PciAddress>()
  const tops = sorted
    .filter((each) => each.parent === null || !listed.has(each.parent))
    .map((each) => arrangeNode(each, below, placed))
  // Only a listing that is wrong has a loop of parents; its functions stand at the top rather than nowhere.
  const loops = sorted.flatMap((each) => (placed.has(each.address) ? [] : [arrangeNode(each, below, placed)]))
  const buses = groupBy([...tops, ...loops], ({ device }) => formatBus(device.address))
  return [...buses].map(([name, nodes]) => ({
    name,
    behind: nodes[0] ? findDomainOwner(nodes[0].device) : null,
    nodes,
  }))
}

function arrangeNode(
  device: PciFunction,
  below: ReadonlyMap<string, readonly PciFunction[]>,
  placed: Set<PciAddress>,
): PciNode {
  placed.add(device.address)
  const children = (below.get(device.address) ?? []).filter((child) => !placed.has(child.address))
  return { device, children: children.map((child) => arrangeNode(child, below, placed)) }
}

/**
 * The function whose driver made the domain that this one is in: a VMD, below which sysfs shows another host bridge
 * (`pci0000:00/0000:00:0e.0/pci10000:e0`, drivers/pci/controller/vmd.c).
 */
export function findDomainOwner({ path }: PciFunction): PciAddress | null {
  const made = path.findLastIndex((part) => part.startsWith('pci'))
  return made > 0 ? (path[made - 1] ?? null) : null
}

/** A device of the processor or the chipset itself, with no port above it. */
export function isOnRootBus({ address, path }: PciFunction): boolean {
  return path.length === 1 && path[0] === `pci${formatBus(address)}`
}

/** `0000:01:00.1` → `0000:01` */
function formatBus(address: PciAddress): string {
  return address.slice(0, address.lastIndexOf(':'))
}

/** Volume Management Devices (drivers/pci/controller/vmd.c, vmd_ids). */
const vmdDevices: ReadonlySet<string> = new Set([
  '201d',
  '28c0',
  '467f',
  '4c3d',
  '7d0b',
  '9a0b',
  'a77f',
  'ad0b',
  'b06f',
  'b60b',
])

export function isVmd({ driver, vendor, device }: PciFunction): boolean {
  return driver === 'vmd' || (vendor === '8086' && vmdDevices.has(device))
}

/** Virtual functions of a physical one that exist now. */
export function findVirtualFunctions(functions: readonly PciFunction[], address: PciAddress): readonly PciFunction[] {
  return functions.filter((each) => each.physicalFunction === address).toSorted(byAddress)
}

function groupBy<Item>(items: readonly Item[], key: (item: Item) => string): ReadonlyMap<string, readonly Item[]> {
  const groups = new Map<string, Item[]>()
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item])
  return groups
}
