import type { Diagnostic } from '../core/diagnostic.ts'
import type { PciFunction, Snapshot } from '../core/snapshot.ts'
import type { Handover } from '../pci/judge-handover.ts'
import { byAddress, formatClass } from '../pci/devices.ts'
import type { LivesOn } from '../pci/lives-on/use.ts'
import { formatDeviceName } from '../pci/names.ts'

/** Fields of `inspect` for one host, as in the contract. */
export function inspectFields(
  snapshot: Snapshot,
  { livesOn, closure, refusals }: { livesOn: LivesOn; closure: Handover | null; refusals: readonly Diagnostic[] },
): Record<string, unknown> {
  return {
    machineId: snapshot.machineId,
    kernelRelease: snapshot.kernelRelease,
    iommus: snapshot.iommus,
    devices: snapshot.pci.map((device) => publicDevice(snapshot, device)),
    groups: publicGroups(snapshot),
    livesOn: livesOn.uses,
    cannotTell: livesOn.cannotTell,
    ...(closure && { closure, refusals }),
  }
}

function publicDevice(snapshot: Snapshot, device: PciFunction): Record<string, unknown> {
  const { address, class: kind, vendor, device: product, subsystemVendor, subsystemDevice, ...rest } = device
  return {
    address,
    id: `${vendor}:${product}`,
    subsystem: subsystemVendor === null ? null : `${subsystemVendor}:${subsystemDevice}`,
    class: kind,
    className: formatClass(kind),
    name: formatDeviceName(snapshot, device),
    ...rest,
  }
}

/** Numbers in ascending order; type and regions where the kernel shows them. */
function publicGroups({ pci, iommuGroups }: Snapshot): Record<string, unknown>[] {
  const ids = [...new Set(pci.flatMap(({ iommuGroup }) => iommuGroup ?? []))].toSorted((a, b) => a - b)
  return ids.map((id) => {
    const known = iommuGroups.find((group) => group.id === id)
    const members = pci.filter(({ iommuGroup }) => iommuGroup === id).toSorted(byAddress)
    return {
      id,
      type: known?.type ?? null,
      members: members.map(({ address }) => address),
      reservedRegions: known?.reservedRegions ?? [],
    }
  })
}
