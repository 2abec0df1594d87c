import { error, warning } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import type { TaskOptions } from '../core/module.ts'
import { refuse } from '../core/refuse.ts'
import type { InstalledKernel, PciFunction, Snapshot } from '../core/snapshot.ts'
import { describeFunction } from './describe-function.ts'
import { findNativeDrivers, isVfioDriver } from './devices.ts'
import { findCompanions } from './groups.ts'
import { isIommuActive, judgeRemapping } from './iommu.ts'
import { findBootable, noteLeftOver } from './kernels.ts'
import type { Targets } from './targets.ts'

export function checkVfio({ snapshot }: Targets): readonly Diagnostic[] {
  const lacking = findBootable(snapshot).filter(lacksVfio)
  if (snapshot.kernels.length > 0 && lacking.length === 0) return noteLeftOver(snapshot, lacksVfio)
  const releases = lacking.map((kernel) => kernel.release).join(', ')
  return [
    error('VFIO_MISSING', releases === '' ? 'no installed kernel was found' : `kernel ${releases} has no vfio-pci`, {
      hint: 'install a kernel built with CONFIG_VFIO_PCI, or the package with its extra modules; remove kernels that lack it',
      evidence: lacking.map((kernel) => `/lib/modules/${kernel.release}: no vfio-pci`),
    }),
  ]
}

export function lacksVfio({ modules }: InstalledKernel): boolean {
  return (modules.get('vfio_pci') ?? 'absent') === 'absent'
}

export function checkGroups(targets: Targets): readonly Diagnostic[] {
  const ungrouped = targets.functions.filter((target) => target.iommuGroup === null)
  return [
    ...(ungrouped.length > 0 ? [unknownGroups(ungrouped)] : []),
    ...groupsOf(targets).flatMap((group) => checkGroup(group, targets)),
  ]
}

function groupsOf({ functions }: Targets): readonly number[] {
  return [...new Set(functions.flatMap(({ iommuGroup }) => iommuGroup ?? []))].toSorted((a, b) => a - b)
}

/** A warning and no refusal: the same playbook may be what turns the IOMMU on. */
function unknownGroups(functions: readonly PciFunction[]): Diagnostic {
  return warning(
    'GROUP_UNKNOWN',
    'the kernel has put these devices into no IOMMU group, so nothing can be said about what shares it',
    {
      hint: 'turn the IOMMU on (firmware, and intel_iommu=on where the kernel does not default to it), then plan again',
      evidence: functions.map(describeFunction),
    },
  )
}

function checkGroup(group: number, { snapshot, options, functions }: Targets): readonly Diagnostic[] {
  const members = functions.filter((target) => target.iommuGroup === group)
  const staying = findCompanions(snapshot, members).filter(
    (found) => !functions.includes(found) && keepsGroup(found, snapshot),
  )
  return staying.length === 0 ? [] : [refuseGroup(options, { group, members, evidence: staying.map(describeStaying) })]
}

export function describeStaying(found: PciFunction): string {
  return `stays: ${describeFunction(found)}`
}

type SharedGroup = {
  readonly group: number
  /** Those that are handed over. */
  readonly members: readonly PciFunction[]
  readonly evidence: readonly string[]
}

export function refuseGroup(
  options: Pick<TaskOptions, 'accept'>,
  { group, members, evidence }: SharedGroup,
): Diagnostic {
  const message = `IOMMU group ${group} of ${formatAddresses(members)} holds devices that stay with the host`
  const hint = 'hand over the whole group, move the card to another slot'
  return refuse(options, 'GROUP_SHARED', message, { hint, evidence })
}

/** A member without a driver keeps nobody from using the group (drivers/iommu/iommu.c, group ownership). */
export function keepsGroup(found: PciFunction, snapshot: Snapshot): boolean {
  if (found.driver !== null) return !isVfioDriver(found.driver)
  return findNativeDrivers(snapshot, found).length > 0
}

function formatAddresses(functions: readonly PciFunction[]): string {
  return functions.map(({ address }) => address).join(', ')
}

/**
 * Between two guests a device is reset by itself, or with its whole bus where the guest has all of that
 * (drivers/vfio/pci/vfio_pci_core.c, hot reset). A device that can do neither keeps the state of the last guest.
 */
export function checkResets({ snapshot, options, functions }: Targets): readonly Diagnostic[] {
  const isShown = snapshot.pci.some(({ hasReset, resetMethods }) => hasReset || resetMethods !== null)
  if (!isShown) return []
  const lacking = functions.filter((found) => !hasFunctionReset(found) && !hasBusReset(snapshot, functions, found))
  if (lacking.length === 0) return []
  return [
    refuse(options, 'RESET_MISSING', `nothing can reset ${formatAddresses(lacking)} between two guests`, {
      hint: 'a device like that may need a reboot of the host after each guest; some have a module that resets them (vendor-reset)',
      evidence: lacking.map((found) => `no reset file, no bus of its own: ${describeFunction(found)}`),
    }),
  ]
}

function hasFunctionReset({ hasReset, resetMethods }: PciFunction): boolean {
  return hasReset || (resetMethods ?? []).length > 0
}

/** A bus below a bridge of which every function is handed over. */
function hasBusReset({ pci }: Snapshot, functions: readonly PciFunction[], found: PciFunction): boolean {
  if (found.parent === null || found.physicalFunction !== null) return false
  return pci.filter(({ parent }) => parent === found.parent).every((other) => functions.includes(other))
}

/** A `direct` region is kept for the firmware: the kernel gives no guest the device (drivers/iommu/iommu.c). */
export function checkReservedRegions(targets: Targets): readonly Diagnostic[] {
  const { snapshot, options, functions } = targets
  return groupsOf(targets).flatMap((group) => {
    const regions = snapshot.iommuGroups.find(({ id }) => id === group)?.reservedRegions ?? []
    const direct = regions.filter(({ type }) => type === 'direct')
    if (direct.length === 0) return []
    const members = formatAddresses(functions.filter(({ iommuGroup }) => iommuGroup === group))
    return [
      refuse(options, 'REGION_RESERVED', `the firmware keeps memory for itself through ${members} (RMRR)`, {
        hint: 'the kernel will refuse to give it to a guest; look for a firmware setting that releases it (HPE has one per slot)',
        evidence: direct.map(({ start, end }) => `/sys/kernel/iommu_groups/${group}: ${start} ${end} direct`),
      }),
    ]
  })
}

/** Without remapping a guest can raise any interrupt of the host. Where no IOMMU is at work yet, nothing can be seen of it. */
export function checkRemapping({ snapshot, options, functions }: Targets): readonly Diagnostic[] {
  const { state, evidence } = judgeRemapping(snapshot)
  if (functions.length === 0 || state === 'on' || (state === 'unknown' && !isIommuActive(snapshot))) return []
  const message =
    state === 'off'
      ? 'interrupt remapping is off: a guest could raise any interrupt of the host'
      : 'nothing shows that interrupt remapping is on'
  return [
    refuse(options, 'INTREMAP_OFF', message, {
      hint: 'turn it on in the firmware setup (VT-d, AMD-Vi, x2APIC), take intremap=off off the command line',
      evidence,
    }),
  ]
}
