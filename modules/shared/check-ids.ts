import type { Diagnostic } from '../../src/core/diagnostic.ts'
import type { TaskOptions } from '../../src/core/module.ts'
import { refuse } from '../../src/core/refuse.ts'
import type { PciFunction, Snapshot } from '../../src/core/snapshot.ts'
import { formatPciId } from '../../src/pci/id.ts'
import type { PciId } from '../../src/pci/id.ts'
import { checkTargets } from '../../src/pci/refusals.ts'

/** An id and every function of the host that carries it. */
export type IdMatch = { readonly id: PciId; readonly functions: readonly PciFunction[] }

export function checkIds(matches: readonly IdMatch[], snapshot: Snapshot, options: TaskOptions): readonly Diagnostic[] {
  const addresses = matches.flatMap(({ functions }) => functions.map(({ address }) => address))
  const ids = matches.map(({ id }) => id)
  return [
    ...checkTargets(snapshot, addresses, { accept: options.accept, driver: 'vfio-pci', ids }),
    ...matches.filter(({ functions }) => functions.length === 0).map(({ id }) => absentId(formatPciId(id), options)),
  ]
}

function absentId(id: string, options: TaskOptions): Diagnostic {
  return refuse(options, 'ID_ABSENT', `no device of this host has the id ${id}`, { hint: 'compare with lspci -nn' })
}
