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
  /** From the class unless given: 1 for PCI bridges, else 0. */
  readonly headerType?: number
  /** `8.0 GT/s PCIe x8, 16.0 GT/s PCIe x16`: what it runs at, then what it can; no PCI Express where not given. */
  readonly link?: string
  /** Two hex digits. */
  readonly revision?: string
  /** MSI is in use. */
  readonly msi?: boolean
  /** Lines of the group's reserved_regions beyond that of MSI. */
  readonly reservedRegions?: readonly string[]
}

/** /sys/devices, /sys/bus/pci and /sys/kernel/iommu_groups of some functions (Documentation/ABI/testing/sysfs-bus-pci). */
export function pciTree(parts: readonly PciPart[]): TreeEntry[] {
  const places = new Map<string, string>()
  for (const part of parts) places.set(part.address, findPlace(part, places))
  return [
    { type: 'directory', mode: 0o755, ...at('/sys/bus/pci/devices') },
    file('/sys/bus/pci/drivers_probe', '', 0o200),
    ...parts.flatMap((part) => functionEntries(part, places, isMultifunction(part, parts))),
    ...driverEntries(parts, places),
    ...[...new Set(parts.flatMap(({ group }) => group ?? []))].map((group) => regionEntry(group, parts)),
  ]
}

/** Bridges must stand before what is below them. */
function findPlace(part: PciPart, places: ReadonlyMap<string, string>): string {
  const domain = part.address.split(':')[0] ?? ''
  const above = part.parent === undefined ? `/sys/devices/${part.root ?? `pci${domain}:00`}` : places.get(part.parent)
  if (above === undefined) throw new Error(`${part.address}: bridge ${part.parent} is not listed before it`)
  return `${above}/${part.address}`
}

function functionEntries(part: PciPart, places: ReadonlyMap<string, string>, isOneOfMany: boolean): TreeEntry[] {
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
    file(`${place}/config`, configuration(part, isOneOfMany), 0o644),
    attribute('revision', `0x${part.revision ?? '00'}`),
    ...linkEntries(part.link, attribute),
    ...(part.msi === true ? [attribute('msi_irqs/40', 'msi')] : []),
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

/** Where message signalled interrupts are written on x86. */
const messageRegion = '0x00000000fee00000 0x00000000feefffff msi'

function isMultifunction(part: PciPart, parts: readonly PciPart[]): boolean {
  const slot = part.address.slice(0, -1)
  return parts.some(({ address }) => address !== part.address && address.startsWith(slot))
}

/** The first 64 bytes of configuration space (include/uapi/linux/pci_regs.h). */
function configuration(part: PciPart, isOneOfMany: boolean): string {
  const bytes = new Uint8Array(64)
  const [vendor = 0, device = 0] = part.id.split(':').map((id) => Number.parseInt(id, 16))
  const kind = Number.parseInt(part.class, 16)
  bytes.set([vendor & 0xff, vendor >> 8, device & 0xff, device >> 8, 0x06, 0x04, 0x10, 0x00])
  bytes.set([Number.parseInt(part.revision ?? '00', 16), kind & 0xff, (kind >> 8) & 0xff, kind >> 16], 8)
  bytes[0x0e] = (part.headerType ?? (part.class.startsWith('0604') ? 1 : 0)) | (isOneOfMany ? 0x80 : 0)
  return Buffer.from(bytes).toString('latin1')
}

function linkEntries(link: string | undefined, attribute: (name: string, text: string) => TreeEntry): TreeEntry[] {
  const [current, most] = (link ?? '').split(', ').map((each) => /^(.+) x(\d+)$/.exec(each))
  if (!current || !most) return []
  return [
    attribute('current_link_speed', current[1] ?? ''),
    attribute('current_link_width', current[2] ?? ''),
    attribute('max_link_speed', most[1] ?? ''),
    attribute('max_link_width', most[2] ?? ''),
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

/** The group has what the firmware wants kept for any of its members. */
function regionEntry(group: number, parts: readonly PciPart[]): TreeEntry {
  const regions = parts.filter((part) => part.group === group).flatMap((part) => part.reservedRegions ?? [])
  const text = [...regions, messageRegion].map((line) => `${line}\n`).join('')
  return file(`/sys/kernel/iommu_groups/${group}/reserved_regions`, text, 0o444)
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
