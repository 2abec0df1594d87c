import { foldName } from '../core/fold-name.ts'
import type { InstalledKernel, PciFunction, Snapshot } from '../core/snapshot.ts'
import { comparePciAddresses, formatSlot } from './address.ts'
import type { PciId } from './id.ts'
import { findBootable } from './kernels.ts'
import { matchesAlias } from './match-alias.ts'

export function hasId(candidate: PciFunction, id: PciId): boolean {
  if (candidate.vendor !== id.vendor || candidate.device !== id.device) return false
  if (id.subsystemVendor === null) return true
  return candidate.subsystemVendor === id.subsystemVendor && candidate.subsystemDevice === id.subsystemDevice
}

/** Every function of that id, in order of address. */
export function findFunctionsById(snapshot: Snapshot, id: PciId): readonly PciFunction[] {
  return snapshot.pci.filter((candidate) => hasId(candidate, id)).toSorted(byAddress)
}

export function byAddress(a: PciFunction, b: PciFunction): number {
  return comparePciAddresses(a.address, b.address)
}

/**
 * Those of one slot; true of none. A virtual function is a device of its own: its number follows from offset and stride
 * (PCI Express, SR-IOV capability), and what shares its slot is there by chance.
 */
export function areOneDevice(functions: readonly PciFunction[]): boolean {
  const devices = functions.map(({ address, physicalFunction }) =>
    physicalFunction === null ? formatSlot(address) : address,
  )
  return new Set(devices).size <= 1
}

/**
 * A PCI-to-PCI bridge: header type 1 or 2, or class 0604, whatever its programming interface. It stays with the host and does not make a group
 * unviable. 0600 (host bridge) stays too and has no driver; 0680 (NVSwitch and the like) is an endpoint.
 */
export function isBridge(candidate: PciFunction): boolean {
  return (candidate.headerType ?? 0) > 0 || candidate.class.startsWith('0604')
}

export function isHostBridge(candidate: PciFunction): boolean {
  return candidate.class.startsWith('0600')
}

export function isDisplay(candidate: PciFunction): boolean {
  return candidate.class.startsWith('03')
}

/** Drivers that take part in giving a device away; never "native". */
const vfioDrivers: ReadonlySet<string> = new Set(['vfio_pci', 'pci_stub', 'vfio_pci_core'])

export function isVfioDriver(name: string): boolean {
  return vfioDrivers.has(foldName(name)) || /vfio[_-]pci$/.test(name)
}

/** A driver through which guests get devices; pci-stub only keeps other drivers off. */
export function isGuestDriver(name: string): boolean {
  return isVfioDriver(name) && foldName(name) !== 'pci_stub'
}

/** Any driver of vfio's family is as good as vfio-pci. */
export function hasDriver(found: PciFunction, driver: string | null): boolean {
  if (found.driver === null || driver === null) return found.driver === driver
  return found.driver === driver || (driver === 'vfio-pci' && /vfio[_-]pci$/.test(found.driver))
}

/** Folded names of the modules that would bind this function by its alias, over all kernels that may boot, sorted. */
export function findNativeDrivers(snapshot: Snapshot, target: PciFunction): readonly string[] {
  const aliases = findBootable(snapshot).flatMap((kernel) => findAliases(kernel, target))
  return [...new Set(aliases.map(({ module }) => module))].toSorted()
}

type Alias = { readonly module: string; readonly builtin: boolean }

/** Modules of one kernel whose PCI alias matches, without vfio's own and without those that match every device. */
export function findAliases(kernel: InstalledKernel, target: PciFunction): readonly Alias[] {
  const modalias = target.modalias
  if (modalias === null) return []
  return findSpecific(kernel)
    .filter((alias) => matchesAlias(alias.pattern, modalias))
    .map(({ module, builtin }) => ({ module, builtin }))
}

type SpecificAlias = Alias & { readonly pattern: string }

/** The table of a kernel is asked for every function of the host, and sifted once. */
const sifted = new WeakMap<InstalledKernel['pciAliases'], readonly SpecificAlias[]>()

function findSpecific({ pciAliases }: InstalledKernel): readonly SpecificAlias[] {
  const known = sifted.get(pciAliases)
  if (known !== undefined) return known
  const specific = pciAliases
    .filter(({ pattern }) => !isGeneric(pattern))
    .map(({ pattern, module, builtin }) => ({ pattern, module: foldName(module), builtin }))
    .filter(({ module }) => !isVfioDriver(module))
  sifted.set(pciAliases, specific)
  return specific
}

/** `pci:v*d*sv*sd*bc*sc*i*` (pci-stub like test modules) says nothing about the device. `vfio_pci:` aliases are another bus. */
function isGeneric(pattern: string): boolean {
  return (
    !pattern.startsWith('pci:') ||
    /^[^0-9A-F]*$/.test(pattern.replace(/^pci:/, '').replaceAll(/bc|sc|sv|sd|[vdi]/g, ''))
  )
}

const classNames: Readonly<Record<string, string>> = {
  '0100': 'SCSI controller',
  '0101': 'IDE controller',
  '0104': 'RAID controller',
  '0106': 'SATA controller',
  '0107': 'SAS controller',
  '0108': 'NVMe controller',
  '0200': 'network controller',
  '0207': 'InfiniBand controller',
  '0280': 'network controller',
  '0480': 'multimedia controller',
  '0300': 'VGA controller',
  '0302': '3D controller',
  '0380': 'display controller',
  '0400': 'video device',
  '0401': 'audio device',
  '0403': 'HD audio',
  '0600': 'host bridge',
  '0500': 'memory',
  '0580': 'memory controller',
  '0601': 'ISA bridge',
  '0604': 'PCI bridge',
  '0680': 'bridge device',
  '0700': 'serial port',
  '0780': 'communication controller',
  '0805': 'SD host controller',
  '0807': 'event collector',
  '0880': 'system peripheral',
  '0b40': 'coprocessor',
  '0c00': 'FireWire controller',
  '0c03': 'USB controller',
  '0c05': 'SMBus',
  '0c80': 'serial bus controller',
  '0806': 'IOMMU',
  '1080': 'encryption controller',
  '1180': 'signal processing controller',
  '1300': 'placeholder',
  '1200': 'processing accelerator',
}

/** For people (names of the PCI Code and ID Assignment Specification, shortened). */
export function formatClass(code: string): string {
  return classNames[code.slice(0, 4)] ?? `class ${code.slice(0, 4)}`
}
