import type { Change } from '../../src/core/change.ts'
import type { FileState, Snapshot, UnitState } from '../../src/core/snapshot.ts'

/** What a host would show after its changes were made; derived files stay as they were. */
export function applyChanges(snapshot: Snapshot, changes: readonly Change[]): Snapshot {
  return changes.reduce(applyChange, snapshot)
}

/** Changes that take these back: in reverse order, before and after swapped. */
export function reverseChanges(changes: readonly Change[]): readonly Change[] {
  return changes.toReversed().map((change) => ({ ...change, before: change.after, after: change.before }) as Change)
}

function applyChange(snapshot: Snapshot, change: Change): Snapshot {
  switch (change.kind) {
    case 'file':
      return withFile(snapshot, change.target, change.after === null ? null : { type: 'file', ...change.after })
    case 'directory':
      return withFile(snapshot, change.target, change.after === null ? null : { type: 'directory', ...change.after })
    case 'link':
      throw new Error('no module makes links')
    case 'attribute':
      return withAttribute(snapshot, change.target, change.after)
    case 'kernel-module':
      return withModule(snapshot, change.target, change.after !== null)
    case 'unit':
      return withUnit(snapshot, change)
    case 'driver':
    case 'boot-arguments':
      throw new Error(`no module makes a ${change.kind}`)
  }
}

function withFile(snapshot: Snapshot, path: string, state: FileState | null): Snapshot {
  const known = snapshot.files.get(path)
  const files = new Map(snapshot.files)
  if (state) files.set(path, state)
  else if (known) files.set(path, { type: 'absent' })
  return { ...snapshot, files, globs: matchGlobs(snapshot, files) }
}

/** Paths that match the patterns that were asked for, in byte order. */
function matchGlobs(snapshot: Snapshot, files: Snapshot['files']): Snapshot['globs'] {
  return new Map(
    [...snapshot.globs.keys()].map((pattern) => {
      const matches = [...files].filter(([path, state]) => state.type !== 'absent' && fits(pattern, path))
      return [pattern, matches.map(([path]) => path).sort()]
    }),
  )
}

function fits(pattern: string, path: string): boolean {
  const expression = pattern.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^/.][^/]*')
  return new RegExp(`^${expression}$`).test(path)
}

function withAttribute(snapshot: Snapshot, path: string, value: string | null): Snapshot {
  const attributes = new Map(snapshot.attributes)
  if (value === null) attributes.delete(path)
  else attributes.set(path, value)
  const policy = /\/cpufreq\/(policy\d+)\/(scaling_governor|energy_performance_preference)$/.exec(path)
  if (!policy) return { ...snapshot, attributes }
  const field = policy[2] === 'scaling_governor' ? 'governor' : 'preference'
  const cpufreq = snapshot.cpufreq.map((known) => (known.name === policy[1] ? { ...known, [field]: value } : known))
  return { ...snapshot, attributes, cpufreq }
}

function withModule(snapshot: Snapshot, name: string, loaded: boolean): Snapshot {
  const others = [...snapshot.loadedModules].filter((known) => known !== name)
  return { ...snapshot, loadedModules: new Set(loaded ? [...others, name] : others) }
}

function withUnit(snapshot: Snapshot, change: Extract<Change, { kind: 'unit' }>): Snapshot {
  const known = snapshot.units.get(change.target)
  const enabled =
    change.after === null ? 'disabled' : change.after.masked ? 'masked' : change.after.enabled ? 'enabled' : 'disabled'
  const state: UnitState = { exists: true, enabled, active: change.after?.active ?? known?.active ?? null }
  return { ...snapshot, units: new Map([...snapshot.units, [change.target, state]]) }
}
