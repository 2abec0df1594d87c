import type { DeviceIdentity } from '../core/claim.ts'
import { error, note } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import type { TaskOptions } from '../core/module.ts'
import { refuse } from '../core/refuse.ts'
import type { PciFunction, Snapshot } from '../core/snapshot.ts'
import { formatSlot, parsePciAddress } from './address.ts'
import { describeFunction } from './describe-function.ts'
import { byAddress, hasId, isBridge, isHostBridge } from './devices.ts'
import { parsePciId } from './id.ts'
import { findMoved, isSameDevice } from './identity.ts'

/** Words for classes of devices → first digits of class codes (PCI Code and ID Assignment Specification). */
export const deviceClasses = {
  usb: ['0c03'],
  display: ['03'],
  audio: ['0401', '0403'],
  network: ['02'],
  nvme: ['0108'],
  sata: ['0106'],
  storage: ['01'],
  accelerator: ['12'],
} as const satisfies Readonly<Record<string, readonly string[]>>

export type DeviceClass = keyof typeof deviceClasses

/** Everything that is given must hold. With an address, all else checks that it is still the device that was meant. */
export type DeviceMatch = {
  readonly address?: string | undefined
  readonly id?: string | undefined
  readonly class?: DeviceClass | undefined
  /** Four hex digits, or part of the name as the host's pci.ids has it. */
  readonly vendor?: string | undefined
  /** Glob over the names of vendor and device; case does not count. */
  readonly name?: string | undefined
  /** `0000:01:00`: all functions of a device. */
  readonly slot?: string | undefined
}

/** An address, an id, or a match. */
export type DeviceSelector = string | DeviceMatch

export type ChosenDevices = { readonly functions: readonly PciFunction[]; readonly diagnostics: readonly Diagnostic[] }

/** The functions that these selectors name, in order of address, without repeats. */
export function chooseDevices(
  snapshot: Snapshot,
  selectors: readonly DeviceSelector[],
  options: Pick<TaskOptions, 'accept'>,
): ChosenDevices {
  const chosen = selectors.map((selector) => chooseOne(snapshot, selector, options))
  const unique = new Map(chosen.flatMap(({ functions }) => functions).map((found) => [found.address, found]))
  return {
    functions: [...unique.values()].toSorted(byAddress),
    diagnostics: chosen.flatMap(({ diagnostics }) => diagnostics),
  }
}

function chooseOne(snapshot: Snapshot, selector: DeviceSelector, options: Pick<TaskOptions, 'accept'>): ChosenDevices {
  const match = typeof selector === 'string' ? parseSelector(selector) : checkMatch(selector)
  if ('diagnostic' in match) return { functions: [], diagnostics: [match.diagnostic] }
  if (match.address !== undefined) return chooseByAddress(snapshot, match, options)
  const functions = snapshot.pci.filter((found) => isMatch(snapshot, match, found)).toSorted(byAddress)
  if (functions.length === 0) return { functions, diagnostics: [absent(formatMatch(match))] }
  return { functions, diagnostics: functions.length > 1 ? [noteSeveral(match, functions)] : [] }
}

type Parsed = DeviceMatch | { readonly diagnostic: Diagnostic }

function parseSelector(text: string): Parsed {
  const id = parsePciId(text)
  if (id.ok) return { id: text }
  const address = parsePciAddress(text)
  if (address.ok) return { address: address.address }
  const hint = 'an address (0000:01:00.0), an id (10de:1c82) or a match ({ class: usb })'
  return { diagnostic: error('DEVICE_INVALID', `"${text}" names no device`, { hint: address.hint ?? hint }) }
}

function checkMatch(match: DeviceMatch): Parsed {
  const fields = Object.values(match).filter((value) => value !== undefined)
  if (fields.length === 0) return { diagnostic: error('DEVICE_INVALID', 'an empty match would name every device') }
  const id = match.id === undefined ? undefined : parsePciId(match.id)
  if (id !== undefined && !id.ok) return { diagnostic: error('DEVICE_INVALID', id.message, hintOf(id.hint)) }
  if (match.address === undefined) return match
  const address = parsePciAddress(match.address)
  if (address.ok) return { ...match, address: address.address }
  return { diagnostic: error('DEVICE_INVALID', address.message, hintOf(address.hint)) }
}

function hintOf(hint: string | undefined): { readonly hint?: string } {
  return hint === undefined ? {} : { hint }
}

function chooseByAddress(snapshot: Snapshot, match: DeviceMatch, options: Pick<TaskOptions, 'accept'>): ChosenDevices {
  const found = snapshot.pci.find(({ address }) => address === match.address)
  const { address: _, ...rest } = match
  if (found !== undefined && isMatch(snapshot, match, found)) return { functions: [found], diagnostics: [] }
  const elsewhere = Object.keys(rest).length === 0 ? [] : snapshot.pci.filter((each) => isMatch(snapshot, rest, each))
  if (found === undefined && elsewhere.length === 0) return { functions: [], diagnostics: [absent(formatMatch(match))] }
  const diagnostic = describeMoved(formatMatch(match), found, elsewhere, options)
  return { functions: found === undefined ? [] : [found], diagnostics: [diagnostic] }
}

/** IDENTITY_MOVED: another device, or none, is where one was meant. It can be accepted only where one is. */
function describeMoved(
  what: string,
  found: PciFunction | undefined,
  elsewhere: readonly PciFunction[],
  options: Pick<TaskOptions, 'accept'>,
): Diagnostic {
  const details = {
    hint: 'cards were moved or addresses given anew: name the device where it is now',
    evidence: [
      found === undefined ? 'nothing is at that address' : `there now: ${describeFunction(found)}`,
      ...(elsewhere.length === 0 ? ['a device like it is nowhere'] : []),
      ...elsewhere.toSorted(byAddress).map((each) => `like it: ${describeFunction(each)}`),
    ],
  }
  const message = `${what} is not at its address any more`
  return found === undefined
    ? error('IDENTITY_MOVED', message, details)
    : refuse(options, 'IDENTITY_MOVED', message, details)
}

/** Devices that a record has at these addresses and that are not there any more. */
export function checkMoved(
  snapshot: Snapshot,
  functions: readonly PciFunction[],
  known: readonly DeviceIdentity[],
  options: Pick<TaskOptions, 'accept'>,
): readonly Diagnostic[] {
  return functions.flatMap((found) =>
    known
      .filter((identity) => identity.address === found.address && !isSameDevice(identity, found))
      .map((identity) =>
        describeMoved(`${identity.address} [${identity.id}]`, found, findMoved(snapshot, identity), options),
      ),
  )
}

function isMatch(snapshot: Snapshot, match: DeviceMatch, found: PciFunction): boolean {
  const id = match.id === undefined ? undefined : parsePciId(match.id)
  if (id !== undefined && !(id.ok && hasId(found, id.id))) return false
  const isNamed = match.id !== undefined || match.address !== undefined
  if (!isNamed && (isBridge(found) || isHostBridge(found))) return false
  if (match.class !== undefined && !deviceClasses[match.class].some((code) => found.class.startsWith(code)))
    return false
  if (match.slot !== undefined && formatSlot(found.address) !== expandSlot(match.slot)) return false
  if (match.vendor !== undefined && !isVendor(snapshot, match.vendor, found)) return false
  return match.name === undefined || matchesGlob(match.name, nameOf(snapshot, found))
}

/** `01:00` → `0000:01:00` */
function expandSlot(text: string): string {
  const parsed = parsePciAddress(`${text}.0`)
  return parsed.ok ? formatSlot(parsed.address) : text
}

function isVendor(snapshot: Snapshot, text: string, found: PciFunction): boolean {
  const wanted = text.toLowerCase()
  if (/^(0x)?[0-9a-f]{4}$/.test(wanted)) return found.vendor === wanted.replace(/^0x/, '')
  return (snapshot.pciNames.get(found.vendor) ?? '').toLowerCase().includes(wanted)
}

/** Vendor and device as the host's pci.ids has them. */
function nameOf({ pciNames }: Snapshot, { vendor, device }: PciFunction): string {
  return [pciNames.get(vendor), pciNames.get(`${vendor}:${device}`)].filter((part) => part !== undefined).join(' ')
}

/** `*` and `?`, over the whole text. */
function matchesGlob(glob: string, text: string): boolean {
  const pattern = glob
    .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${pattern}$`, 'i').test(text)
}

function absent(what: string): Diagnostic {
  return error('DEVICE_ABSENT', `no device of this host is ${what}`, {
    hint: 'passway inspect shows what is there; compare with lspci -nn',
  })
}

export function noteSeveral(match: DeviceMatch, functions: readonly PciFunction[]): Diagnostic {
  return note('DEVICES_SEVERAL', `${functions.length} devices are ${formatMatch(match)}: all of them are meant`, {
    evidence: functions.map(describeFunction),
  })
}

/** `0000:01:00.0 [10de:1c82]`, `class usb, vendor 1b36` */
function formatMatch({ address, id, ...rest }: DeviceMatch): string {
  const named = [address, id === undefined ? undefined : address === undefined ? id : `[${id}]`]
  const others = Object.entries(rest).map(([key, value]) => (value === undefined ? undefined : `${key} ${value}`))
  const parts = [named.filter((part) => part !== undefined).join(' '), ...others]
  return parts.filter((part) => part !== undefined && part !== '').join(', ')
}
