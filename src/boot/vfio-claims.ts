import type { Claim } from '../core/claim.ts'
import type { PciFunction, Snapshot } from '../core/snapshot.ts'
import { hasId, isBridge } from '../pci/devices.ts'
import { parsePciId } from '../pci/id.ts'
import { foldName } from '../core/fold-name.ts'
import type { MergedClaim } from './tasked.ts'

/** True for claims that hand functions to vfio-pci. */
export function isForGuests(claim: Claim): boolean {
  if (claim.want === 'absent') return false
  return claim.of === 'driver' ? foldName(claim.driver ?? '') === 'vfio_pci' : isVfioIds(claim)
}

/** Functions that tasks give a driver, by id or by address. */
export function findInterest(snapshot: Snapshot, merged: readonly MergedClaim[]): readonly PciFunction[] {
  const texts = merged.flatMap(({ claim }) => (isVfioIds(claim) ? (claim.value ?? '').split(',') : []))
  const ids = texts.flatMap((text) => {
    const parsed = parsePciId(text)
    return parsed.ok ? [parsed.id] : []
  })
  const addresses = new Set(merged.flatMap(({ claim }) => (claim.of === 'driver' ? [claim.device.address] : [])))
  return snapshot.pci.filter(
    (each) => addresses.has(each.address) || (!isBridge(each) && ids.some((id) => hasId(each, id))),
  )
}

function isVfioIds(claim: Claim): claim is Extract<Claim, { of: 'module-option' | 'kernel-argument' }> {
  if (claim.of === 'module-option') return foldName(claim.module) === 'vfio_pci' && claim.option === 'ids'
  return claim.of === 'kernel-argument' && foldName(claim.name) === 'vfio_pci.ids'
}
