import { parsePciAddress } from './address.ts'
import type { PciAddress } from './address.ts'

/** Vendor and device of a function, four lower-case hex digits each; a subsystem narrows it. */
export type PciId = {
  readonly vendor: string
  readonly device: string
  readonly subsystemVendor: string | null
  readonly subsystemDevice: string | null
}

export type ParsedId =
  | { readonly ok: true; readonly id: PciId }
  /** `address`: the text is a PCI address, which vfio-pci would take in silence as an id (drivers/vfio/pci/vfio_pci.c). */
  | { readonly ok: false; readonly message: string; readonly hint?: string; readonly address?: PciAddress }

const shape = /^(?:0x)?([0-9a-f]{4}):(?:0x)?([0-9a-f]{4})(?::(?:0x)?([0-9a-f]{4}):(?:0x)?([0-9a-f]{4}))?$/i

/** `vvvv:dddd` or `vvvv:dddd:ssss:dddd`, hexadecimal. */
export function parsePciId(text: string): ParsedId {
  const trimmed = text.trim().replace(/^\[(.*)\]$/, '$1')
  const match = shape.exec(trimmed)
  if (match === null) return notAnId(trimmed)
  const [, vendor = '', device = '', subsystemVendor, subsystemDevice] = match.map((part) => part?.toLowerCase())
  return {
    ok: true,
    id: { vendor, device, subsystemVendor: subsystemVendor ?? null, subsystemDevice: subsystemDevice ?? null },
  }
}

/** `10de:1c82`, of an id or of a function. */
export function formatShortId({ vendor, device }: Pick<PciId, 'vendor' | 'device'>): string {
  return `${vendor}:${device}`
}

export function formatPciId(id: PciId): string {
  const short = formatShortId(id)
  if (id.subsystemVendor === null || id.subsystemDevice === null) return short
  return `${short}:${id.subsystemVendor}:${id.subsystemDevice}`
}

/** True when every device of `narrow` is one of `wide`. */
export function isIdWithin(narrow: PciId, wide: PciId): boolean {
  if (narrow.vendor !== wide.vendor || narrow.device !== wide.device) return false
  if (wide.subsystemVendor === null) return true
  return narrow.subsystemVendor === wide.subsystemVendor && narrow.subsystemDevice === wide.subsystemDevice
}

function notAnId(text: string): ParsedId {
  const address = parsePciAddress(text)
  if (address.ok) {
    return {
      ok: false,
      message: `"${text}" is an address, not an id`,
      hint: 'give the id of the device, vendor:device, as lspci -nn prints it in brackets',
      address: address.address,
    }
  }
  return { ok: false, message: `"${text}" is not a PCI id`, ...hintFor(text) }
}

function hintFor(text: string): { hint: string } {
  const four = /^([0-9a-f]{4})[^0-9a-z]?([0-9a-f]{4})$/i.exec(text)
  if (four !== null) return { hint: `did you mean "${four[1]}:${four[2]}"?`.toLowerCase() }
  const short = /^([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(text)
  if (short !== null) {
    const padded = `${short[1]?.padStart(4, '0')}:${short[2]?.padStart(4, '0')}`.toLowerCase()
    return { hint: `each half has four digits; did you mean "${padded}"?` }
  }
  return { hint: 'ids look like 10de:1c82, as lspci -nn prints them in brackets' }
}
