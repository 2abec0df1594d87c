import type { Change } from '../core/change.ts'
import type { FileState, Snapshot, UnitState } from '../core/snapshot.ts'

/** The snapshot of the host after these changes, as far as they say: files, attributes, modules, units, drivers. */
export function applyChanges(snapshot: Snapshot, changes: readonly Change[]): Snapshot {
  const files = new Map(snapshot.files)
  const attributes = new Map(snapshot.attributes)
  const units = new Map(snapshot.units)
  const modules = new Set(snapshot.loadedModules)
  const drivers = new Map<string, string | null>()
  for (const change of changes) {
    if (change.kind === 'file' || change.kind === 'directory' || change.kind === 'link') {
      files.set(change.target, toFileState(change))
    } else if (change.kind === 'attribute') {
      if (change.after === null) attributes.delete(change.target)
      else attributes.set(change.target, change.after)
    } else if (change.kind === 'unit') units.set(change.target, toUnitState(change, units.get(change.target)))
    else if (change.kind === 'kernel-module') {
      if (change.after === null) modules.delete(change.target)
      else modules.add(change.target)
    } else if (change.kind === 'driver') drivers.set(change.target, change.after)
  }
  const pci = snapshot.pci.map((each) => {
    const driver = drivers.get(each.address)
    return driver === undefined ? each : { ...each, driver }
  })
  return { ...snapshot, files, attributes, units, loadedModules: modules, pci }
}

type FileLike = Extract<Change, { kind: 'file' | 'directory' | 'link' }>

function toFileState(change: FileLike): FileState {
  if (change.after === null) return { type: 'absent' }
  if (change.kind === 'file') return { type: 'file', ...change.after }
  if (change.kind === 'directory') return { type: 'directory', ...change.after }
  return { type: 'link', to: change.after.to, resolved: null }
}

function toUnitState(change: Extract<Change, { kind: 'unit' }>, before: UnitState | undefined): UnitState {
  const { after } = change
  if (after === null) return { exists: false, enabled: null, active: null }
  const enabled = after.masked ? 'masked' : after.enabled ? 'enabled' : 'disabled'
  return { exists: true, enabled, active: after.active ?? before?.active ?? null }
}
