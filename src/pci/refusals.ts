import type { Diagnostic } from '../core/diagnostic.ts'
import { parseOwnedClaims } from '../core/parse-owned-claims.ts'
import type { Snapshot } from '../core/snapshot.ts'
import type { PciAddress } from './address.ts'
import { checkBridges, checkBuiltinDrivers, checkLength, checkSharedIds } from './check-binding.ts'
import { checkConsole, checkGuests, checkHost, checkVirtualFunctions } from './check-host.ts'
import { checkGroups, checkRemapping, checkReservedRegions, checkResets, checkVfio } from './check-platform.ts'
import { checkMoved } from './choose-devices.ts'
import { staysAsBridge } from './closure-parts.ts'
import { byAddress, hasDriver, isGuestDriver } from './devices.ts'
import type { TargetOptions, Targets } from './targets.ts'

/**
 * Why these functions should not get that driver: every refusal of a device, each with what was seen and what can be
 * done. Risks that the task accepts are warnings. A device that has its driver already is not asked about the host.
 */
export function checkTargets(
  snapshot: Snapshot,
  addresses: readonly PciAddress[],
  options: TargetOptions,
): readonly Diagnostic[] {
  const named = snapshot.pci.filter(({ address }) => addresses.includes(address)).toSorted(byAddress)
  const functions = named.filter((found) => !staysAsBridge(found))
  const changing = functions.filter((found) => !hasDriver(found, options.driver))
  const targets: Targets = { snapshot, options, functions, changing }
  const isForGuests = options.driver !== null && isGuestDriver(options.driver)
  return [
    ...(isForGuests ? checkVfio(targets) : []),
    ...checkLength(options.ids ?? []),
    ...checkBridges(named),
    ...(options.ids === undefined ? [] : checkSharedIds(targets, options.ids)),
    ...(isForGuests ? checkGroups(targets) : []),
    ...(options.ids === undefined ? [] : checkBuiltinDrivers(targets)),
    ...checkMoved(snapshot, functions, knownDevices(snapshot), options),
    ...checkHost(targets),
    ...checkGuests(targets),
    ...checkVirtualFunctions(targets),
    ...checkConsole(targets),
    ...(isForGuests ? [...checkResets(targets), ...checkReservedRegions(targets), ...checkRemapping(targets)] : []),
  ]
}

function knownDevices({ lastRecord }: Snapshot) {
  return parseOwnedClaims(lastRecord).flatMap((claim) => (claim.of === 'driver' ? [claim.device] : []))
}
