import { error } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import { refuse } from '../core/refuse.ts'
import type { PciFunction } from '../core/snapshot.ts'
import { findBuiltinDrivers } from './builtin-drivers.ts'
import { noteSeveral } from './choose-devices.ts'
import { staysAsBridge } from './closure-parts.ts'
import { describeFunction } from './describe-function.ts'
import { areOneDevice, findFunctionsById } from './devices.ts'
import { formatPciId } from './id.ts'
import type { PciId } from './id.ts'
import type { Targets } from './targets.ts'

/** vfio-pci copies `ids` into a buffer of 1024 bytes (drivers/vfio/pci/vfio_pci.c). */
const longestIds = 1023

export function checkLength(ids: readonly PciId[]): readonly Diagnostic[] {
  const { length } = ids.map(formatPciId).join(',')
  if (length <= longestIds) return []
  return [
    error('IDS_TOO_LONG', `the ids make ${length} characters; vfio-pci reads ${longestIds}`, {
      hint: 'bind devices by address, with driver_override',
    }),
  ]
}

/** One refusal for each id of bridges. */
export function checkBridges(named: readonly PciFunction[]): readonly Diagnostic[] {
  const bridges = named.filter(staysAsBridge)
  const ids = [...new Set(bridges.map(({ vendor, device }) => `${vendor}:${device}`))]
  return ids.map((id) =>
    error('BRIDGE_TARGET', `${id} is a bridge: vfio-pci never takes one, and it does not have to`, {
      hint: 'leave it out: bridges stay with the host and do not keep a group from being handed over',
      evidence: bridges.filter(({ vendor, device }) => `${vendor}:${device}` === id).map(describeFunction),
    }),
  )
}

/** Functions of one device may share an id, and all of them are meant: a note. Several devices cannot be told apart by it. */
export function checkSharedIds({ snapshot, options }: Targets, ids: readonly PciId[]): readonly Diagnostic[] {
  return ids.flatMap((id) => {
    const functions = findFunctionsById(snapshot, id).filter((found) => !staysAsBridge(found))
    if (!areOneDevice(functions)) return [sharedId(formatPciId(id), functions, options)]
    return functions.length > 1 ? [noteSeveral({ id: formatPciId(id) }, functions)] : []
  })
}

function sharedId(id: string, functions: readonly PciFunction[], options: Targets['options']): Diagnostic {
  const message = `${functions.length} devices carry the id ${id}, and all of them would go to vfio-pci`
  return refuse(options, 'ID_SHARED', message, {
    hint: 'an id cannot tell equal devices apart: name those that are meant by address, with driver_override',
    evidence: functions.map(describeFunction),
  })
}

export function checkBuiltinDrivers({ snapshot, functions }: Targets): readonly Diagnostic[] {
  return functions.flatMap((found) =>
    findBuiltinDrivers(snapshot, found).map(({ name, releases }) => builtinDriver(found, name, releases)),
  )
}

function builtinDriver(found: PciFunction, driver: string, releases: readonly string[]): Diagnostic {
  const message = `${driver} is built in to kernel ${releases.join(', ')} and takes ${found.address} before vfio-pci can`
  return error('DRIVER_BUILTIN', message, {
    hint: 'ids cannot help here: bind the device by address, with driver_override',
    evidence: [describeFunction(found)],
  })
}
