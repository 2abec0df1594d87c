import type { Claim } from '../core/claim.ts'
import type { Change, Regeneration, UnitValue } from '../core/change.ts'
import { error } from '../core/diagnostic.ts'
import type { UnitState } from '../core/snapshot.ts'
import {
  formatEnvironmentFile,
  parseEnvironmentFile,
  setEnvironmentVariable,
  unsetEnvironmentVariable,
} from '../formats/environment-file.ts'
import { foldName } from '../core/fold-name.ts'
import type { SettleContext } from './settle-context.ts'
import type { MergedClaim } from './tasked.ts'
import { editFile, openFile } from './workspace.ts'
import type { Workspace } from './workspace.ts'

type Of<Kind extends Claim['of']> = Extract<Claim, { of: Kind }>

/** What must be rebuilt when a file changes, by its path; images hold copies of modprobe.d and of udev's rules. */
export function regenerationsOf(path: string): readonly Regeneration[] {
  if (path.startsWith('/etc/systemd/')) return ['units']
  if (path.startsWith('/etc/tmpfiles.d/')) return ['tmpfiles']
  if (path.startsWith('/etc/udev/')) return ['initramfs', 'udev']
  if (path.startsWith('/etc/modprobe.d/') || path.startsWith('/etc/initramfs-tools/')) return ['initramfs']
  if (path === '/etc/kernel/cmdline') return ['esp']
  return path === '/etc/default/grub' || path.startsWith('/etc/default/grub.d/') ? ['boot-loader'] : []
}

function takesEffectOf(path: string): 'now' | 'boot' {
  return /^\/etc\/(modprobe\.d|initramfs-tools|modules-load\.d|default\/grub|kernel\/|udev)/.test(path) ? 'boot' : 'now'
}

/** Whole files are passway's own: one that somebody else wrote is not overwritten unless a task takes it over. */
export function settleFile(workspace: Workspace, merged: MergedClaim, claim: Of<'file'>, context: SettleContext): void {
  const { tasks } = merged
  const file = openFile(workspace, claim.target, tasks)
  if (file === undefined) return
  const content = claim.want === 'absent' ? null : claim.content
  const isForeign = file.content !== null && file.content !== content && !/passway/.test(file.content.slice(0, 200))
  if (isForeign && !merged.adopt && !context.isOwned(merged) && claim.want === 'present') {
    workspace.diagnostics.push({
      diagnostic: error('ADOPT_NEEDED', `${claim.target} is there already and was not written by passway`, {
        hint: 'adopt: true on the task replaces it',
      }),
      tasks,
    })
    return
  }
  const regenerate = regenerationsOf(claim.target)
  const takesEffect = takesEffectOf(claim.target)
  editFile(workspace, { path: file.path, content, mode: claim.mode, forceMode: true, tasks, takesEffect, regenerate })
}

export function settleVariable(workspace: Workspace, merged: MergedClaim, claim: Of<'environment-variable'>): void {
  const { tasks } = merged
  const file = openFile(workspace, claim.target, tasks)
  if (file === undefined) return
  const document = parseEnvironmentFile(file.content ?? '')
  const unset = claim.want === 'absent' || claim.value === null
  const next = unset
    ? unsetEnvironmentVariable(document, claim.name)
    : setEnvironmentVariable(document, claim.name, claim.value ?? '')
  const content = formatEnvironmentFile(next)
  if (content === (file.content ?? '')) return
  // Whoever reads the file at its start is started again, where there is one that runs.
  const { systemd, tree } = workspace.snapshot
  const regenerate = systemd && !tree ? (['units'] as const) : regenerationsOf(file.path)
  editFile(workspace, { path: file.path, content, tasks, takesEffect: 'now', regenerate })
}

export function settleAttribute(workspace: Workspace, merged: MergedClaim, claim: Of<'attribute'>): void {
  if (claim.want === 'absent') return
  const before = workspace.snapshot.attributes.get(claim.target)
  if (before === claim.value) return
  if (before === undefined) {
    workspace.diagnostics.push({
      diagnostic: error('ATTRIBUTE_ABSENT', `${claim.target} is not there, or cannot be read`),
      tasks: merged.tasks,
    })
    return
  }
  pushChange(workspace, {
    kind: 'attribute',
    target: claim.target,
    before,
    after: claim.value,
    tasks: merged.tasks,
    regenerate: [],
    takesEffect: 'now',
  })
}

export function settleKernelModule(workspace: Workspace, merged: MergedClaim, claim: Of<'kernel-module'>): void {
  const isLoaded = workspace.snapshot.loadedModules.has(foldName(claim.target))
  const isWanted = claim.want === 'present'
  if (isLoaded === isWanted) return
  pushChange(workspace, {
    kind: 'kernel-module',
    target: foldName(claim.target),
    before: isLoaded ? 'loaded' : null,
    after: isWanted ? 'loaded' : null,
    tasks: merged.tasks,
    regenerate: [],
    takesEffect: 'now',
  })
}

/** `isCreated`: this plan writes the unit's file. */
export function settleUnit(workspace: Workspace, merged: MergedClaim, claim: Of<'unit'>, isCreated: boolean): void {
  const state = workspace.snapshot.units.get(claim.target)
  if (state?.exists !== true && !isCreated) {
    // Nobody asks any more for what an earlier record did with it.
    if (!claim.after.enabled || claim.want === 'absent' || merged.tasks.length === 0) return
    workspace.diagnostics.push({
      diagnostic: error('UNIT_ABSENT', `The unit ${claim.target} is not installed`),
      tasks: merged.tasks,
    })
    return
  }
  const wanted = claim.want === 'absent' ? { enabled: false, active: false, masked: false } : claim.after
  const canRun = workspace.snapshot.systemd && !workspace.snapshot.tree
  // Masked goes further than disabled: whoever masked it wants no less.
  const staysMasked = !wanted.enabled && (state?.enabled?.startsWith('masked') ?? false)
  const after = { ...wanted, active: canRun ? wanted.active : null, masked: wanted.masked || staysMasked }
  const before = state?.exists === true ? toUnitValue(state, after) : null
  if (before !== null && isUnitMet(before, after, state)) return
  pushChange(workspace, {
    kind: 'unit',
    target: claim.target,
    before,
    after,
    tasks: merged.tasks,
    regenerate: [],
    takesEffect: 'now',
  })
}

/** `active` is only compared where it is asked for. */
function toUnitValue(state: UnitState, after: UnitValue): UnitValue {
  const enabled = state.enabled === 'enabled' || state.enabled === 'enabled-runtime' || state.enabled === 'alias'
  const masked = state.enabled?.startsWith('masked') ?? false
  return { enabled, masked, active: after.active === null ? null : state.active }
}

/** A static unit can be neither enabled nor disabled; it is as wanted either way. */
function isUnitMet(before: UnitValue, after: UnitValue, state: UnitState | undefined): boolean {
  const isFixed = state?.enabled === 'static' || state?.enabled === 'generated' || state?.enabled === 'indirect'
  const enabled = before.enabled === after.enabled || isFixed
  return enabled && before.masked === after.masked && (after.active === null || before.active === after.active)
}

/** One change per kind and target; of two claims that agree the second finds it there. */
export function pushChange(workspace: Workspace, change: Change): void {
  const index = workspace.changes.findIndex(({ kind, target }) => kind === change.kind && target === change.target)
  if (index === -1) {
    workspace.changes.push(change)
    return
  }
  const known = workspace.changes[index] as Change
  const tasks = [...new Set([...known.tasks, ...change.tasks])].toSorted((a, b) => a - b)
  workspace.changes[index] = { ...known, tasks }
}
