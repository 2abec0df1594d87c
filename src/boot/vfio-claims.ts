import type { Claim } from '../core/claim.ts'
import type { PciFunction, Snapshot } from '../core/snapshot.ts'
import { hasDriver, hasId, isBridge, isGuestDriver } from '../pci/devices.ts'
import { parsePciId } from '../pci/id.ts'
import { foldName } from '../core/fold-name.ts'
import type { MergedClaim } from './tasked.ts'

/** True for claims that hand functions to vfio-pci. */
export function isForGuests(claim: Claim): boolean {
  if (claim.want === 'absent') return false
  return claim.of === 'driver' ? claim.driver !== null && isGuestDriver(claim.driver) : isVfioIds(claim)
}

/** Functions that tasks give a driver, by id or by address. */
export function findInterest(snapshot: Snapshot, merged: readonly MergedClaim[]): readonly PciFunction[] {
  const named = new Set(merged.flatMap(({ claim }) => findNamed(snapshot, claim)))
  return snapshot.pci.filter((each) => named.has(each))
}

/** Functions that a claim names to a driver. */
export function findNamed({ pci }: Snapshot, claim: Claim): readonly PciFunction[] {
  if (claim.of === 'driver') return pci.filter(({ address }) => address === claim.device.address)
  if (!isVfioIds(claim)) return []
  const ids = (claim.value ?? '').split(',').flatMap((text) => {
    const parsed = parsePciId(text)
    return parsed.ok ? [parsed.id] : []
  })
  return pci.filter((each) => !isBridge(each) && ids.some((id) => hasId(each, id)))
}

/** Tasks by whose claims a function is to get a driver that it does not have, ascending. */
export function findTakers(merged: readonly MergedClaim[], snapshot: Snapshot, found: PciFunction): readonly number[] {
  const taking = merged.filter(
    ({ claim }) =>
      claim.want === 'present' &&
      findNamed(snapshot, claim).includes(found) &&
      !hasDriver(found, claim.of === 'driver' ? claim.driver : 'vfio-pci'),
  )
  return [...new Set(taking.flatMap(({ tasks }) => tasks))].toSorted((a, b) => a - b)
}

function isVfioIds(claim: Claim): claim is Extract<Claim, { of: 'module-option' | 'kernel-argument' }> {
  if (claim.of === 'module-option') return foldName(claim.module) === 'vfio_pci' && claim.option === 'ids'
  return claim.of === 'kernel-argument' && foldName(claim.name) === 'vfio_pci.ids'
}
