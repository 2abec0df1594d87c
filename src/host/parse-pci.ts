import type { PciFunction } from '../core/snapshot.ts'
import { grepLines, sectionLines, type ProbeOutput } from './probe-sections.ts'

const address = '[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7]'
const attributeFile = new RegExp(`^(${address})/(\\w+)(?=:)`)
const linkLine = new RegExp(`^l.* (?:\\./)?(${address})(?:/(driver|iommu_group|physfn))? -> (.+)$`)

const nodeLine = new RegExp(`^(${address})/vfio-dev/(\\w+):$`)

/**
 * PCI functions in order of their addresses; one whose class or ids cannot be read is a problem. `serials`: by address,
 * of controllers whose class shows them (NVMe).
 */
export function parsePci(output: ProbeOutput, serials: ReadonlyMap<string, string>): PciFunction[] {
  const links = parseLinks(output)
  const headers = parseHeaders(output)
  const attributes = new Map<string, string>()
  for (const { match, text } of grepLines(output, 'pci', attributeFile)) {
    const [name, value] = match[2] === 'uevent' ? splitEvent(text) : [match[2], text]
    attributes.set(`${match[1]}/${name}`, value)
  }
  const functions: PciFunction[] = []
  for (const [name, target] of links) {
    if (name.includes('/')) continue
    const parsed = parseFunction(name, target, attributes, links)
    if (parsed)
      functions.push({ ...parsed, ...readHeader(headers.get(name)), serial: serials.get(name) ?? parsed.serial })
    else output.problems.push(`PCI function ${name} has no class and ids that can be read`)
  }
  return functions.sort(byAddress)
}

function parseLinks(output: ProbeOutput): Map<string, string> {
  const links = new Map<string, string>()
  for (const line of sectionLines(output, 'pci-links')) {
    const match = linkLine.exec(line)
    if (match) links.set(match[2] === undefined ? (match[1] ?? '') : `${match[1]}/${match[2]}`, match[3] ?? '')
  }
  return links
}

function parseFunction(
  name: string,
  target: string,
  attributes: ReadonlyMap<string, string>,
  links: ReadonlyMap<string, string>,
): PciFunction | undefined {
  const read = (attribute: string): string | null => attributes.get(`${name}/${attribute}`) ?? null
  const kind = /^[0-9a-f]{1,6}$/i.exec(read('PCI_CLASS') ?? '')?.[0]
  const [vendor, device] = readId(read('PCI_ID'))
  const [subsystemVendor, subsystemDevice] = readId(read('PCI_SUBSYS_ID'))
  if (kind === undefined || vendor === null || device === null) return undefined
  return {
    address: name,
    class: kind.toLowerCase().padStart(6, '0'),
    vendor,
    device,
    subsystemVendor,
    subsystemDevice,
    modalias: read('MODALIAS'),
    driver: lastName(links.get(`${name}/driver`)),
    parent: findParent(target),
    iommuGroup: readNumber(lastName(links.get(`${name}/iommu_group`))),
    numaNode: readNumber(read('numa_node')),
    bootVga: read('boot_vga') === null ? null : read('boot_vga') === '1',
    driverOverride: readOverride(read('driver_override')),
    resetMethods: read('reset_method')?.split(' ').filter(Boolean) ?? null,
    physicalFunction: lastName(links.get(`${name}/physfn`)),
    sriov: readSriov(readNumber(read('sriov_totalvfs')), readNumber(read('sriov_numvfs'))),
    headerType: null,
    multifunction: null,
    link: readLink(read),
    hasReset: read('reset') !== null,
    msi: read('msi_irqs') !== null,
    revision: read('revision')?.replace(/^0x/, '') ?? null,
    path: findPath(target),
    serial: read('serial_number'),
  }
}

/** vfio's own device nodes (`vfio0` in /dev/vfio/devices) → PCI function. */
export function parseVfioNodes(output: ProbeOutput): Map<string, string> {
  const nodes = new Map<string, string>()
  for (const line of sectionLines(output, 'pci')) {
    const match = nodeLine.exec(line)
    if (match) nodes.set(match[2] ?? '', match[1] ?? '')
  }
  return nodes
}

/** First bytes of configuration spaces, as head writes several files. */
function parseHeaders(output: ProbeOutput): Map<string, string> {
  const text = output.sections.get('pci-headers') ?? ''
  const headers = new Map<string, string>()
  for (const match of text.matchAll(new RegExp(`==> (?:\\./)?(${address})/config <==\n([^]{16})`, 'g'))) {
    headers.set(match[1] ?? '', match[2] ?? '')
  }
  return headers
}

/** Byte 0x0e (include/uapi/linux/pci_regs.h PCI_HEADER_TYPE). All ones: the function does not answer. */
function readHeader(header: string | undefined): Pick<PciFunction, 'headerType' | 'multifunction'> {
  const byte = header?.charCodeAt(0x0e) ?? 0xff
  if (byte === 0xff) return { headerType: null, multifunction: null }
  return { headerType: byte & 0x7f, multifunction: (byte & 0x80) !== 0 }
}

/** Text that is empty, and `Unknown` for a speed that is none (pci_speed_string), say nothing. */
function readLink(read: (attribute: string) => string | null): PciFunction['link'] {
  const speed = (name: string): string | null => read(name)?.replace(/^Unknown.*$/, '') || null
  const link = {
    currentSpeed: speed('current_link_speed'),
    maxSpeed: speed('max_link_speed'),
    currentWidth: readNumber(read('current_link_width')),
    maxWidth: readNumber(read('max_link_width')),
  }
  return Object.values(link).every((value) => value === null) ? null : link
}

/** The directory above in sysfs is the bridge; a host bridge (`pci0000:00`) is no function. */
function findParent(target: string): string | null {
  const above = target.split('/').at(-2) ?? ''
  return new RegExp(`^${address}$`).test(above) ? above : null
}

/** `../../../devices/pci0000:00/0000:00:01.0/0000:01:00.0` */
function findPath(target: string): string[] {
  return target
    .replace(/^(?:\.\.\/)*devices\//, '')
    .split('/')
    .slice(0, -1)
}

/** `NAME=VALUE` of a uevent file. */
function splitEvent(text: string): [string, string] {
  const at = text.indexOf('=')
  return [text.slice(0, at), text.slice(at + 1)]
}

/** `10DE:1C82` */
function readId(text: string | null): [string, string] | [null, null] {
  const match = /^([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(text ?? '')
  if (!match) return [null, null]
  const pad = (hex: string | undefined): string => (hex ?? '').toLowerCase().padStart(4, '0')
  return [pad(match[1]), pad(match[2])]
}

/** sysfs writes -1 for what is not known. */
function readNumber(text: string | null): number | null {
  return text !== null && /^\d{1,9}$/.test(text) ? Number(text) : null
}

function readOverride(text: string | null): string | null {
  return text === null || text === '' || text === '(null)' ? null : text
}

function readSriov(total: number | null, enabled: number | null): PciFunction['sriov'] {
  return total === null ? null : { total, enabled: enabled ?? 0 }
}

function lastName(path: string | undefined): string | null {
  return path?.split('/').at(-1) ?? null
}

function byAddress(a: PciFunction, b: PciFunction): number {
  const [first, second] = [a.address.padStart(16, '0'), b.address.padStart(16, '0')]
  return first < second ? -1 : first > second ? 1 : 0
}
