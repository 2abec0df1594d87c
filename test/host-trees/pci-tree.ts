import type { TreeEntry } from '../../src/host/tree.ts'

/** A PCI function as a test states it; all else of its sysfs directory follows. */
export type PciPart = {
  readonly address: string
  /** Six hex digits. */
  readonly class: string
  /** `10de:1c82` */
  readonly id: string
  readonly subsystem?: string
  readonly driver?: string
  /** Address of the bridge above. */
  readonly parent?: string
  /** Where there is no bridge above: the way below /sys/devices; `pciDOMAIN:00` unless given. */
  readonly root?: string
  readonly group?: number
  /** -1 (the firmware did not say) unless given. */
  readonly numaNode?: number
  readonly bootVga?: boolean
  readonly driverOverride?: string
  /** `flr bus`; no file where this is not given. */
  readonly resetMethods?: string
  readonly sriov?: { readonly total: number; readonly enabled: number }
  readonly physicalFunction?: string
}

/** /sys/devices, /sys/bus/pci and /sys/kernel/iommu_groups of some functions (Documentation/ABI/testing/sysfs-bus-pci). */
export function pciTree(parts: readonly PciPart[]): TreeEntry[] {
  const places = new Map<string, string>()
  for (const part of parts) places.set(part.address, findPlace(part, places))
  return [
    { type: 'directory', mode: 0o755, ...at('/sys/bus/pci/devices') },
    file('/sys/bus/pci/drivers_probe', '', 0o200),
    ...parts.flatMap((part) => functionEntries(part, places)),
    ...driverEntries(parts, places),
  ]
}

/** Bridges must stand before what is below them. */
function findPlace(part: PciPart, places: ReadonlyMap<string, string>): string {
  const domain = part.address.split(':')[0] ?? ''
  const above = part.parent === undefined ? `/sys/devices/${part.root ?? `pci${domain}:00`}` : places.get(part.parent)
  if (above === undefined) throw new Error(`${part.address}: bridge ${part.parent} is not listed before it`)
  return `${above}/${part.address}`
}

function functionEntries(part: PciPart, places: ReadonlyMap<string, string>): TreeEntry[] {
  const place = places.get(part.address) ?? ''
  const up = '../'.repeat(place.split('/').length - 2)
  const [vendor = '', device = ''] = part.id.split(':')
  const [subVendor = '0000', subDevice = '0000'] = part.subsystem?.split(':') ?? []
  const attribute = (name: string, text: string, mode = 0o444): TreeEntry => file(`${place}/${name}`, `${text}\n`, mode)
  const link = (name: string, to: string): TreeEntry => ({ type: 'link', ...at(`${place}/${name}`), to: `${up}${to}` })
  return [
    attribute('class', `0x${part.class}`),
    attribute('vendor', `0x${vendor}`),
    attribute('device', `0x${device}`),
    attribute('subsystem_vendor', `0x${subVendor}`),
    attribute('subsystem_device', `0x${subDevice}`),
    attribute('modalias', modalias(vendor, device, subVendor, subDevice, part.class)),
    file(`${place}/uevent`, uevent(part, [vendor, device, subVendor, subDevice]), 0o644),
    attribute('numa_node', String(part.numaNode ?? -1), 0o644),
    attribute('driver_override', part.driverOverride ?? '(null)', 0o644),
    ...(part.bootVga === undefined ? [] : [attribute('boot_vga', part.bootVga ? '1' : '0')]),
    ...(part.resetMethods === undefined
      ? []
      : [attribute('reset_method', part.resetMethods, 0o644), file(`${place}/reset`, '', 0o200)]),
    ...(part.sriov ? [attribute('sriov_totalvfs', String(part.sriov.total))] : []),
    ...(part.sriov ? [attribute('sriov_numvfs', String(part.sriov.enabled), 0o644)] : []),
    ...(part.physicalFunction === undefined
      ? []
      : [link('physfn', (places.get(part.physicalFunction) ?? '').slice(5))]),
    ...(part.driver === undefined ? [] : [link('driver', `bus/pci/drivers/${part.driver}`)]),
    ...(part.group === undefined ? [] : groupEntries(part, part.group, place, link)),
    { type: 'link', ...at(`/sys/bus/pci/devices/${part.address}`), to: `../../..${place.slice(4)}` },
  ]
}

function groupEntries(
  part: PciPart,
  group: number,
  place: string,
  link: (name: string, to: string) => TreeEntry,
): TreeEntry[] {
  const directory = `/sys/kernel/iommu_groups/${group}`
  return [
    link('iommu_group', `kernel/iommu_groups/${group}`),
    file(`${directory}/type`, 'DMA-FQ\n', 0o644),
    { type: 'link', ...at(`${directory}/devices/${part.address}`), to: `../../../..${place.slice(4)}` },
  ]
}

function driverEntries(parts: readonly PciPart[], places: ReadonlyMap<string, string>): TreeEntry[] {
  const drivers = new Set(parts.flatMap((part) => part.driver ?? []))
  return [
    ...[...drivers].flatMap((driver) =>
      ['bind', 'unbind'].map((name) => file(`/sys/bus/pci/drivers/${driver}/${name}`, '', 0o200)),
    ),
    ...parts.flatMap((part): TreeEntry[] => {
      if (part.driver === undefined) return []
      const to = `../../../..${(places.get(part.address) ?? '').slice(4)}`
      return [{ type: 'link', ...at(`/sys/bus/pci/drivers/${part.driver}/${part.address}`), to }]
    }),
  ]
}

/** As pci_uevent writes it (drivers/pci/pci-driver.c). */
function uevent(
  part: PciPart,
  [vendor, device, subVendor, subDevice]: readonly [string, string, string, string],
): string {
  const lines = [
    ...(part.driver === undefined ? [] : [`DRIVER=${part.driver}`]),
    `PCI_CLASS=${Number.parseInt(part.class, 16).toString(16).toUpperCase().padStart(4, '0')}`,
    `PCI_ID=${vendor}:${device}`.toUpperCase(),
    `PCI_SUBSYS_ID=${subVendor}:${subDevice}`.toUpperCase(),
    `PCI_SLOT_NAME=${part.address}`,
    `MODALIAS=${modalias(vendor, device, subVendor, subDevice, part.class)}`,
  ]
  return `${lines.join('\n')}\n`
}

/** As pci_uevent and modalias_show write it (drivers/pci/pci-sysfs.c). */
function modalias(vendor: string, device: string, subVendor: string, subDevice: string, kind: string): string {
  const long = (text: string): string => text.toUpperCase().padStart(8, '0')
  const [base, sub, interfaceCode] = [kind.slice(0, 2), kind.slice(2, 4), kind.slice(4)].map((part) =>
    part.toUpperCase(),
  )
  return `pci:v${long(vendor)}d${long(device)}sv${long(subVendor)}sd${long(subDevice)}bc${base}sc${sub}i${interfaceCode}`
}

function at(path: string): { path: string; uid: number; gid: number } {
  return { path, uid: 0, gid: 0 }
}

function file(path: string, content: string, mode: number): TreeEntry {
  return { type: 'file', ...at(path), mode, content }
}
