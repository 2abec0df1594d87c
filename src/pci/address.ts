/** Address of a PCI function as sysfs writes it: `dddd:bb:dd.f`, lower case. VMD domains have five hex digits or more. */
export type PciAddress = string

export type ParsedAddress =
  | { readonly ok: true; readonly address: PciAddress }
  | { readonly ok: false; readonly message: string; readonly hint?: string }

type AddressParts = {
  readonly domain: string
  readonly bus: string
  readonly device: string
  readonly function: string
}

const shape = /^(?:([0-9a-f]{1,8}):)?([0-9a-f]{1,2}):([0-9a-f]{1,2})\.([0-9a-f]{1,2})$/i

/** Accepts what lspci prints (`01:00.0`, domain 0000 left out) and what sysfs has. */
export function parsePciAddress(text: string): ParsedAddress {
  const match = shape.exec(text.trim())
  if (match === null) return nearMiss(text.trim())
  const [, domain = '0000', bus = '', device = '', fn = ''] = match
  if (Number.parseInt(device, 16) > 0x1f) return refused(text, 'a bus has devices 00 to 1f')
  if (!/^[0-7]$/.test(fn)) return refused(text, 'a device has functions 0 to 7')
  return { ok: true, address: formatPciAddress({ domain, bus, device, function: fn }) }
}

/** Lower case and padded; leading zeros of the domain beyond four digits are dropped, as in the kernel's `%04x`. */
export function formatPciAddress(parts: AddressParts): PciAddress {
  const domain = Number.parseInt(parts.domain, 16).toString(16).padStart(4, '0')
  const bus = parts.bus.padStart(2, '0')
  const device = parts.device.padStart(2, '0')
  return `${domain}:${bus}:${device}.${parts.function}`.toLowerCase()
}

/** `0000:01:00.1` → `0000:01:00`: what the functions of one device share. */
export function formatSlot(address: PciAddress): string {
  return address.slice(0, address.lastIndexOf('.'))
}

/** By domain, bus, device, function; plain string order would put domain 10000 before 2000. */
export function comparePciAddresses(a: PciAddress, b: PciAddress): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0)
}

function refused(text: string, why: string): ParsedAddress {
  return { ok: false, message: `"${text}" is not a PCI address: ${why}` }
}

function nearMiss(text: string): ParsedAddress {
  const message = `"${text}" is not a PCI address`
  const guess = guessAddress(text)
  if (guess !== undefined) return { ok: false, message, hint: `did you mean "${guess}"?` }
  if (/^[0-9a-f]{4}:[0-9a-f]{4}$/i.test(text)) {
    return { ok: false, message, hint: 'this is an id (vendor:device); addresses look like 0000:01:00.0' }
  }
  return { ok: false, message, hint: 'addresses look like 0000:01:00.0, as lspci -D prints them' }
}

/** Spellings seen in guides: `01.00.0`, `01:00:0`, `pci_0000_01_00_0` (libvirt), `0000:01:00` (function forgotten). */
function guessAddress(text: string): PciAddress | undefined {
  const bare = text.replace(/^pci[_:@-]/i, '')
  const fields = bare.split(/[:._-]/)
  if (!fields.every((field) => /^[0-9a-f]{1,8}$/i.test(field))) return undefined
  const candidate = candidateFrom(fields)
  if (candidate === undefined) return undefined
  const parsed = shape.test(candidate) ? parsePciAddress(candidate) : undefined
  return parsed?.ok === true ? parsed.address : undefined
}

function candidateFrom(fields: readonly string[]): string | undefined {
  if (fields.length === 4) return `${fields[0]}:${fields[1]}:${fields[2]}.${fields[3]}`
  if (fields.length !== 3) return undefined
  if (fields[0]?.length === 4) return `${fields[0]}:${fields[1]}:${fields[2]}.0`
  return `${fields[0]}:${fields[1]}.${fields[2]}`
}
