import type { PciFunction, Snapshot } from '../core/snapshot.ts'
import { byAddress, isBridge, isHostBridge } from './devices.ts'

/** Members of an IOMMU group in order of address, bridges included. */
export function findGroupMembers(snapshot: Snapshot, group: number): readonly PciFunction[] {
  return snapshot.pci.filter((candidate) => candidate.iommuGroup === group).toSorted(byAddress)
}

/**
 * Endpoints that a guest must get together with these functions: every member of their groups that is neither a
 * PCI-to-PCI nor a host bridge. A member without a driver does not block, but comes along all the same.
 */
export function findCompanions(snapshot: Snapshot, targets: readonly PciFunction[]): readonly PciFunction[] {
  const groups = new Set(targets.flatMap((target) => (target.iommuGroup === null ? [] : [target.iommuGroup])))
  const addresses = new Set(targets.map((target) => target.address))
  return snapshot.pci
    .filter((candidate) => candidate.iommuGroup !== null && groups.has(candidate.iommuGroup))
    .filter((candidate) => !addresses.has(candidate.address) && !isBridge(candidate) && !isHostBridge(candidate))
    .toSorted(byAddress)
}

/** Group numbers of all functions of these groups: address → group. */
export function mapGroups(snapshot: Snapshot, targets: readonly PciFunction[]): Readonly<Record<string, number>> {
  const groups = new Set(targets.map((target) => target.iommuGroup))
  const members = snapshot.pci.filter((candidate) => candidate.iommuGroup !== null && groups.has(candidate.iommuGroup))
  return Object.fromEntries(members.toSorted(byAddress).map((member) => [member.address, member.iommuGroup as number]))
}
