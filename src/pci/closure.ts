import type { Diagnostic } from '../core/diagnostic.ts'
import type { PciFunction, Snapshot } from '../core/snapshot.ts'
import type { PciAddress } from './address.ts'
import { collectParts, findGroups } from './closure-parts.ts'
import { judgeClosure, type Verdict } from './judge-closure.ts'

/** What leaves the host together with some functions, and what stays. Lists are in order of address. */
export type Closure = {
  /** The first that was asked about. */
  readonly target: PciAddress
  readonly targets: readonly PciAddress[]
  /**
   * Every endpoint that must travel: the targets and all endpoints of their IOMMU groups, or of their graphics cards where
   * the kernel made no groups. Never a bridge.
   */
  readonly members: readonly PciAddress[]
  /** Bridges of these groups, other than a target: they keep their port driver and are never bound to vfio-pci. */
  readonly bridgesLeftOut: readonly PciAddress[]
  /** Functions of a target's device that are in other groups, as the audio function of some graphics cards. */
  readonly slotSiblings: readonly PciAddress[]
  /** Ids of members that others have as well: id → addresses outside the members, which `ids=` would take too. */
  readonly sharedIds: Readonly<Record<string, readonly PciAddress[]>>
  /** IOMMU groups of the targets, ascending; empty where the kernel made none. */
  readonly groups: readonly number[]
  readonly verdict: Verdict
  readonly diagnostics: readonly Diagnostic[]
}

/**
 * The closure of some functions taken together. Addresses that the snapshot does not have are left out; the caller tells
 * the user about them.
 */
export function computeClosure(snapshot: Snapshot, targets: readonly PciAddress[]): Closure {
  const parts = collectParts(snapshot.pci, targets)
  return {
    target: targets[0] ?? '',
    targets: parts.targets.map(addressOf),
    members: parts.members.map(addressOf),
    bridgesLeftOut: parts.bridgesLeftOut.map(addressOf),
    slotSiblings: parts.slotSiblings.map(addressOf),
    sharedIds: Object.fromEntries([...parts.sharedIds].map(([id, others]) => [id, others.map(addressOf)])),
    groups: findGroups(parts.targets),
    ...judgeClosure(snapshot, parts),
  }
}

function addressOf({ address }: PciFunction): PciAddress {
  return address
}
