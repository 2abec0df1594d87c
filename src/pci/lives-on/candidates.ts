import type { Snapshot } from '../../core/snapshot.ts'
import { comparePciAddresses, type PciAddress } from '../address.ts'
import { findFunctionsAbove, type Loss } from './trace.ts'

/** Mass storage and SD host controllers; network controllers. */
const classes = { storage: /^(?:01|0805)/, network: /^02/ }

/** Functions that something on a disk, or in the network, may stand on: by class, and by what was seen below them. */
export function candidatesOver(snapshot: Snapshot, over: Loss['over']): readonly PciAddress[] {
  const devices = over === 'storage' ? snapshot.blockDevices : snapshot.network
  const seen = devices.flatMap(({ path }) => findFunctionsAbove(snapshot, path ?? '').map(({ address }) => address))
  const fitting = snapshot.pci.filter((found) => classes[over].test(found.class)).map(({ address }) => address)
  return [...new Set([...seen, ...fitting])].toSorted(comparePciAddresses)
}
