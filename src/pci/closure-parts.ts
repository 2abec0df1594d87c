import type { PciFunction } from '../core/snapshot.ts'
import { formatSlot, type PciAddress } from './address.ts'
import { areOneDevice, byAddress, isBridge, isDisplay, isHostBridge } from './devices.ts'
import { formatShortId } from './id.ts'
import { findDomainOwner } from './tree.ts'

/** A closure before it is judged, with the functions themselves. Lists are in order of address. */
export type ClosureParts = {
  readonly targets: readonly PciFunction[]
  readonly members: readonly PciFunction[]
  readonly bridgesLeftOut: readonly PciFunction[]
  readonly slotSiblings: readonly PciFunction[]
  readonly sharedIds: ReadonlyMap<string, readonly PciFunction[]>
}

/** Bridges of both kinds stay with the host; 0680 (NVSwitch and the like) is an endpoint. */
export function staysAsBridge(candidate: PciFunction): boolean {
  return isBridge(candidate) || isHostBridge(candidate)
}

export function collectParts(functions: readonly PciFunction[], addresses: readonly PciAddress[]): ClosureParts {
  const sorted = functions.toSorted(byAddress)
  const wanted = new Set(addresses)
  const targets = sorted.filter((each) => wanted.has(each.address))
  const groups = new Set(findGroups(targets))
  const cards = new Set(targets.flatMap((target) => findUngrouped(sorted, target)))
  const together = sorted.filter(
    (each) => wanted.has(each.address) || cards.has(each) || (each.iommuGroup !== null && groups.has(each.iommuGroup)),
  )
  const inside = new Set(together)
  const slots = new Set(targets.map((target) => formatSlot(target.address)))
  // What a VMD made vanishes when the VMD itself is handed over: it is nothing to bind.
  const members = together.filter((each) => !staysAsBridge(each) && !isBehind(each, inside))
  return {
    targets,
    members,
    bridgesLeftOut: together.filter((each) => staysAsBridge(each) && !wanted.has(each.address)),
    slotSiblings: sorted.filter((each) => slots.has(formatSlot(each.address)) && !inside.has(each)),
    sharedIds: findSharedIds(sorted, members),
  }
}

/**
 * Where no IOMMU is on there is no group: of a graphics card all will travel, as they will be in one group or are wanted
 * together. Of other devices nothing tells.
 */
function findUngrouped(functions: readonly PciFunction[], target: PciFunction): readonly PciFunction[] {
  if (target.iommuGroup !== null) return []
  return findCard(functions, target).filter(({ iommuGroup }) => iommuGroup === null)
}

/**
 * What is on a graphics card with this function: displays, their audio, USB and UCSI functions, of one vendor in one
 * slot. Empty where it is on none. Graphics inside a processor share their slot with functions of the chipset's vendor.
 */
export function findCard(functions: readonly PciFunction[], target: PciFunction): readonly PciFunction[] {
  const card = functions.filter((each) => isBeside(each, target) && each.vendor === target.vendor)
  return card.some(isDisplay) ? card : []
}

/** Endpoints of one slot; a virtual function is only beside itself. */
function isBeside(candidate: PciFunction, target: PciFunction): boolean {
  return !staysAsBridge(candidate) && areOneDevice([candidate, target])
}

function isBehind(candidate: PciFunction, functions: ReadonlySet<PciFunction>): boolean {
  const owner = findDomainOwner(candidate)
  return [...functions].some(({ address }) => address === owner)
}

/** Numbers of the groups of these functions, ascending. */
export function findGroups(functions: readonly PciFunction[]): number[] {
  return [...new Set(functions.flatMap(({ iommuGroup }) => iommuGroup ?? []))].toSorted((a, b) => a - b)
}

/** Short id → functions outside that have it too, for the ids that have any. Bridges do not count: no id makes vfio-pci take one. */
export function findSharedIds(
  functions: readonly PciFunction[],
  members: readonly PciFunction[],
): ReadonlyMap<string, readonly PciFunction[]> {
  const inside = new Set(members)
  const outside = functions.filter((each) => !inside.has(each) && !staysAsBridge(each))
  const ids = [...new Set(members.map(formatShortId))].toSorted()
  return new Map(
    ids
      .map((id) => [id, outside.filter((each) => formatShortId(each) === id)] as const)
      .filter(([, others]) => others.length > 0),
  )
}
