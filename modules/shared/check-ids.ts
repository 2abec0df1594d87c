import { error, warning } from '../../src/core/diagnostic.ts'
import type { Diagnostic } from '../../src/core/diagnostic.ts'
import type { TaskOptions } from '../../src/core/module.ts'
import type { PciFunction, Snapshot } from '../../src/core/snapshot.ts'
import { formatSlot } from '../../src/pci/address.ts'
import { findNativeDrivers, isBridge, isHostBridge, isVfioDriver } from '../../src/pci/devices.ts'
import { findCompanions } from '../../src/pci/groups.ts'
import { formatPciId } from '../../src/pci/id.ts'
import type { PciId } from '../../src/pci/id.ts'
import { describeFunction } from '../../src/pci/describe-function.ts'
import { findAvailability } from './kernel-modules.ts'
import { refuse } from '../../src/core/refuse.ts'

/** An id and every function of the host that carries it. */
export type IdMatch = { readonly id: PciId; readonly functions: readonly PciFunction[] }

/** vfio-pci copies `ids` into a buffer of 1024 bytes (drivers/vfio/pci/vfio_pci.c). */
const longestIds = 1023

export function checkIds(matches: readonly IdMatch[], snapshot: Snapshot, options: TaskOptions): readonly Diagnostic[] {
  return [
    ...checkVfio(snapshot),
    ...checkLength(matches),
    ...matches.flatMap((match) => checkMatch(match, options)),
    ...checkGroups(matches, snapshot, options),
    ...matches.flatMap(({ functions }) => functions.flatMap((found) => checkDrivers(found, snapshot))),
  ]
}

function checkVfio(snapshot: Snapshot): readonly Diagnostic[] {
  const lacking = snapshot.kernels.filter((kernel) => findAvailability(kernel, 'vfio_pci') === 'absent')
  if (snapshot.kernels.length > 0 && lacking.length === 0) return []
  const releases = lacking.map((kernel) => kernel.release).join(', ')
  return [
    error('VFIO_MISSING', releases === '' ? 'no installed kernel was found' : `kernel ${releases} has no vfio-pci`, {
      hint: 'install a kernel built with CONFIG_VFIO_PCI, or the package with its extra modules; remove kernels that lack it',
    }),
  ]
}

function checkLength(matches: readonly IdMatch[]): readonly Diagnostic[] {
  const { length } = matches.map(({ id }) => formatPciId(id)).join(',')
  if (length <= longestIds) return []
  return [error('IDS_TOO_LONG', `the ids make ${length} characters; vfio-pci reads ${longestIds}`)]
}

function checkMatch({ id, functions }: IdMatch, options: TaskOptions): readonly Diagnostic[] {
  const text = formatPciId(id)
  if (functions.length === 0) return [absentId(text, options)]
  const bridges = functions.filter((found) => isBridge(found) || isHostBridge(found))
  if (bridges.length > 0) return [bridgeTarget(text, bridges)]
  const slots = new Set(functions.map((found) => formatSlot(found.address)))
  return slots.size > 1 ? [sharedId(text, functions, options)] : []
}

function absentId(id: string, options: TaskOptions): Diagnostic {
  return refuse(options, 'ID_ABSENT', `no device of this host has the id ${id}`, { hint: 'compare with lspci -nn' })
}

function bridgeTarget(id: string, bridges: readonly PciFunction[]): Diagnostic {
  return error('BRIDGE_TARGET', `${id} is a bridge: vfio-pci never takes one, and it does not have to`, {
    hint: 'leave it out: bridges stay with the host and do not keep a group from being handed over',
    evidence: bridges.map(describeFunction),
  })
}

function sharedId(id: string, functions: readonly PciFunction[], options: TaskOptions): Diagnostic {
  return refuse(
    options,
    'ID_SHARED',
    `${functions.length} devices carry the id ${id}, and all of them would go to vfio-pci`,
    {
      hint: 'an id cannot tell equal devices apart',
      evidence: functions.map(describeFunction),
    },
  )
}

function checkGroups(matches: readonly IdMatch[], snapshot: Snapshot, options: TaskOptions): readonly Diagnostic[] {
  const targets = matches.flatMap(({ functions }) => functions)
  const ungrouped = targets.filter((target) => target.iommuGroup === null)
  const groups = new Set(targets.flatMap((target) => (target.iommuGroup === null ? [] : [target.iommuGroup])))
  return [
    ...(ungrouped.length > 0 ? [unknownGroups(ungrouped)] : []),
    ...[...groups].toSorted((a, b) => a - b).flatMap((group) => checkGroup(group, targets, snapshot, options)),
  ]
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

function checkGroup(
  group: number,
  targets: readonly PciFunction[],
  snapshot: Snapshot,
  options: TaskOptions,
): readonly Diagnostic[] {
  const members = targets.filter((target) => target.iommuGroup === group)
  const staying = findCompanions(snapshot, members)
    .filter((found) => !targets.some((target) => target.address === found.address))
    .filter((found) => keepsGroup(found, snapshot))
  if (staying.length === 0) return []
  return [
    refuse(
      options,
      'GROUP_SHARED',
      `IOMMU group ${group} of ${formatAddresses(members)} holds devices that stay with the host`,
      {
        hint: 'hand over the whole group, move the card to another slot',
        evidence: staying.map((found) => `stays: ${describeFunction(found)}`),
      },
    ),
  ]
}

/** A member without a driver keeps nobody from using the group (drivers/iommu/iommu.c, group ownership). */
function keepsGroup(found: PciFunction, snapshot: Snapshot): boolean {
  if (found.driver !== null) return !isVfioDriver(found.driver)
  return findNativeDrivers(snapshot, found).length > 0
}

function checkDrivers(found: PciFunction, snapshot: Snapshot): readonly Diagnostic[] {
  if (isBridge(found) || isHostBridge(found)) return []
  return findNativeDrivers(snapshot, found)
    .filter(({ builtinIn }) => builtinIn.length > 0)
    .map(({ module, builtinIn }) =>
      error(
        'DRIVER_BUILTIN',
        `${module} is built in to kernel ${builtinIn.join(', ')} and takes ${found.address} before vfio-pci can`,
        {
          hint: 'ids cannot help here: use a kernel that has the driver as a module; a driver_override of the device would help and is not there yet',
          evidence: [describeFunction(found)],
        },
      ),
    )
}

function formatAddresses(functions: readonly PciFunction[]): string {
  return functions.map(({ address }) => address).join(', ')
}
