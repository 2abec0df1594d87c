import type { DeviceIdentity } from '../core/claim.ts'
import type { PciFunction, Snapshot } from '../core/snapshot.ts'
import { formatShortId } from './id.ts'

/** What a record keeps of a function, to know it again. */
export function identify(found: PciFunction): DeviceIdentity {
  const { subsystemVendor, subsystemDevice } = found
  const hasSubsystem = subsystemVendor !== null && subsystemDevice !== null
  return {
    address: found.address,
    id: formatShortId(found),
    subsystem: hasSubsystem ? `${subsystemVendor}:${subsystemDevice}` : null,
    serial: found.serial,
    slotPath: formatSlotPath(found),
  }
}

/** `pci0000:00`, bridges by device and function: `0000:00/01.3/00.0`. The kernel numbers buses anew, slots stay. */
function formatSlotPath({ path, address }: PciFunction): string {
  const [host = '', ...bridges] = path
  const root = host.replace(/^pci/, '') || address.slice(0, address.lastIndexOf(':'))
  return [root, ...[...bridges, address].map((each) => each.slice(each.lastIndexOf(':') + 1))].join('/')
}

/** True when the function may be the one that was meant; a serial number or subsystem counts only where both are known. */
export function isSameDevice(identity: DeviceIdentity, found: PciFunction): boolean {
  const seen = identify(found)
  if (identity.id !== seen.id) return false
  if (identity.subsystem !== null && seen.subsystem !== null && identity.subsystem !== seen.subsystem) return false
  return identity.serial === null || seen.serial === null || identity.serial === seen.serial
}

/** Where a device went: functions like it at other addresses; by serial number where one is known. */
export function findMoved(snapshot: Snapshot, identity: DeviceIdentity): readonly PciFunction[] {
  const alike = snapshot.pci.filter((found) => found.address !== identity.address && isSameDevice(identity, found))
  const certain = alike.filter((found) => identity.serial !== null && found.serial === identity.serial)
  return certain.length > 0 ? certain : alike
}
