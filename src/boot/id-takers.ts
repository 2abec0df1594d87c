import type { PciFunction } from '../core/snapshot.ts'
import { hasId, isBridge } from '../pci/devices.ts'
import { parsePciId } from '../pci/id.ts'
import type { PciId } from '../pci/id.ts'
import { hasName } from './argument-list.ts'
import type { BootWorld } from './boot-world.ts'
import { findOption } from './kmod-configuration.ts'
import type { GivenArguments, KmodConfiguration } from './kmod-configuration.ts'

/** Drivers that take functions by ids given to them. */
export const takers: readonly string[] = ['vfio_pci', 'pci_stub']

export function isTaker(module: string): boolean {
  return takers.includes(module)
}

export type GivenIds = { readonly ids: readonly PciId[]; readonly place: string }

/** Ids that a loaded module gets: of a copied string the kernel keeps the last (kernel/params.c param_set_copystring). */
export function findLoadedIds(
  configuration: KmodConfiguration,
  module: string,
  args?: GivenArguments,
): GivenIds | null {
  if (args !== undefined) return readIds(configuration, module, args)
  const known = found.get(configuration) ?? new Map<string, GivenIds | null>()
  found.set(configuration, known)
  const ids = known.get(module) ?? readIds(configuration, module)
  known.set(module, ids)
  return ids
}

/** Every function of the host asks the same of one configuration. */
const found = new WeakMap<KmodConfiguration, Map<string, GivenIds | null>>()

function readIds(configuration: KmodConfiguration, module: string, args?: GivenArguments): GivenIds | null {
  const last = findOption(configuration, module, 'ids', args)
  return last === undefined ? null : { ids: parseIds(last.value ?? ''), place: last.place }
}

/** Ids that a built-in driver gets: modprobe.d is not for it. */
export function findBuiltinIds(world: BootWorld, module: string): GivenIds | null {
  const last = world.args.findLast((argument) => hasName(argument, `${module}.ids`))
  return last === undefined ? null : { ids: parseIds(last.value ?? ''), place: last.text }
}

/** What drivers/vfio/pci/vfio_pci.c vfio_pci_fill_ids reads; what is no id is left out there as here. */
function parseIds(text: string): readonly PciId[] {
  return text.split(',').flatMap((each) => {
    const [vendor = '', device = '', subvendor, subdevice] = each.split(':').map((part) => part.replace(/^0x/i, ''))
    const padded = [vendor, device, ...isAny(subvendor, subdevice)].map((part) => part.padStart(4, '0'))
    const parsed = parsePciId(padded.join(':'))
    return parsed.ok ? [parsed.id] : []
  })
}

/** `ffffffff` matches any subsystem; half a subsystem is not looked at further here. */
function isAny(vendor: string | undefined, device: string | undefined): readonly string[] {
  if (vendor === undefined || device === undefined) return []
  return [vendor, device].every((part) => /^f{8}$/i.test(part)) ? [] : [vendor, device]
}

/** Bridges are refused when they are probed (vfio_pci_core.c: header type). */
export function isGiven(given: GivenIds | null, target: PciFunction): boolean {
  return given !== null && !isBridge(target) && given.ids.some((id) => hasId(target, id))
}
