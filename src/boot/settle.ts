import { regenerations } from '../core/change.ts'
import type { Change, Regeneration } from '../core/change.ts'
import type { Claim } from '../core/claim.ts'
import type { BootExpectation, NextBoot, Pending } from '../core/plan.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { hasModule, parseModuleList } from '../formats/module-list.ts'
import type { ArgumentLists } from './argument-list.ts'
import { isArgumentMerged } from './argument-merged.ts'
import type { ArgumentMerged } from './argument-merged.ts'
import type { BootStack } from './boot-stack.ts'
import { checkImages, concernsImage } from './check-images.ts'
import { findPendingArguments, findPendingModules } from './check-live.ts'
import { expectBoot } from './expect-boot.ts'
import { foldName } from '../core/fold-name.ts'
import { compareBytes } from './list-files.ts'
import { findUnreadableModprobe } from './modprobe-files.ts'
import { isDriverMerged, settleDrivers } from './settle-drivers.ts'
import type { SettleContext } from './settle-context.ts'
import { earlyModulesPath, listModulesLoadFiles, settleBootModules, settleEarlyModules } from './settle-module-lists.ts'
import type { BootMerged, EarlyMerged } from './settle-module-lists.ts'
import { settleOptions } from './settle-options.ts'
import type { OptionMerged, SettledOptions } from './settle-options.ts'
import { settleSoftdeps } from './settle-softdeps.ts'
import type { SoftdepMerged } from './settle-softdeps.ts'
import { settleAttribute, settleFile, settleKernelModule, settleUnit, settleVariable } from './settle-targets.ts'
import type { MergedClaim, TaskDiagnostic } from './tasked.ts'
import { closeWorkspace, openWorkspace } from './workspace.ts'
import type { Workspace } from './workspace.ts'
import { error } from '../core/diagnostic.ts'

export type SettleInput = {
  readonly merged: readonly MergedClaim[]
  readonly snapshot: Snapshot
  /** null where no claim concerns the boot: then none may. */
  readonly stack: BootStack | null
  readonly context: SettleContext
}

export type Settled = {
  /** One per kind and target, in an order that does not depend on the order of the tasks. */
  readonly changes: readonly Change[]
  readonly regenerate: readonly Regeneration[]
  /** Tasks for which something is only rebuilt. */
  readonly outdated: ReadonlyMap<Regeneration, readonly number[]>
  readonly diagnostics: readonly TaskDiagnostic[]
  readonly pending: readonly Pending[]
  readonly uncertain: NextBoot['uncertain']
  /** Out of date, but this tree has no tool to rebuild it, or the probe was not root. */
  readonly leftToDo: readonly Regeneration[]
  /** Claims that hold beyond those of tasks, because lines of others were taken over. */
  readonly adopted: readonly Claim[]
  /** null where nothing is generated. */
  readonly expectation: BootExpectation | null
}

/** True for claims that can be settled only where the boot stack is known. */
export function concernsBoot(merged: MergedClaim): boolean {
  return isArgumentMerged(merged) || concernsImage(merged)
}

/** Turns merged claims into changes for this host's boot stack; the only writer of files that several tasks share. */
export function settle({ merged, snapshot, stack, context }: SettleInput): Settled {
  const workspace = openWorkspace(snapshot)
  const args = merged.filter(isArgumentMerged)
  const options = settleModprobe(workspace, merged, stack, context)
  const moved = options.moved.map(({ name, tasks }): ArgumentMerged => {
    const claim = { want: 'absent', of: 'kernel-argument', name, value: null, entries: 'all' } as const
    return { claim, tasks, adopt: true }
  })
  const written = stack?.settleArguments(workspace, [...args, ...moved], context) ?? null
  settleLists(workspace, merged)
  settleDrivers(workspace, merged.filter(isDriverMerged), context)
  settleTargets(workspace, merged, context)
  stack?.secureArguments(workspace)
  const changes = sortChanges(closeWorkspace(workspace))
  if (stack !== null) checkDerived(workspace, stack, merged, changes)
  const leftToDo = splitOutdated(workspace)
  workspace.pending.push(
    ...leftToDo.map(describeLeft),
    ...findPending(workspace, merged, written?.before ?? null, changes),
  )
  const regenerate = listRegenerations(changes, workspace, stack)
  if (stack !== null && [...regenerate, ...leftToDo].includes(stack.entriesBy)) checkRebuild(workspace, stack, changes)
  return {
    changes,
    regenerate,
    outdated: new Map([...workspace.outdated].map(([name, tasks]) => [name, [...tasks].toSorted((a, b) => a - b)])),
    diagnostics: workspace.diagnostics,
    pending: workspace.pending,
    uncertain: workspace.uncertain,
    leftToDo,
    adopted: options.adopted,
    expectation: expectBoot({ merged, snapshot, changes, regenerate, stack, lists: written?.after ?? null }),
  }
}

function settleModprobe(
  workspace: Workspace,
  merged: readonly MergedClaim[],
  stack: BootStack | null,
  context: SettleContext,
): SettledOptions {
  const options = merged.filter((each): each is OptionMerged => each.claim.of === 'module-option')
  const softdeps = merged.filter((each): each is SoftdepMerged => each.claim.of === 'softdep')
  const tasks = [...options, ...softdeps].flatMap((each) => each.tasks)
  if (options.length + softdeps.length === 0) return { moved: [], adopted: [] }
  const unreadable = findUnreadableModprobe(workspace.snapshot)
  if (unreadable.length > 0) {
    const hint = 'run as root or with --become'
    const diagnostic = error('FILE_UNREADABLE', `${unreadable[0]} cannot be read`, { hint, evidence: unreadable })
    workspace.diagnostics.push({ diagnostic, tasks })
    return { moved: [], adopted: [] }
  }
  const commandLine = stack?.readArguments(workspace.snapshot) ?? []
  const settled = settleOptions(workspace, options, commandLine, context)
  settleSoftdeps(workspace, softdeps)
  return settled
}

function isEarly(merged: MergedClaim): merged is EarlyMerged {
  return merged.claim.of === 'early-module'
}

function isBoot(merged: MergedClaim): merged is BootMerged {
  return merged.claim.of === 'boot-module'
}

function settleLists(workspace: Workspace, merged: readonly MergedClaim[]): void {
  settleEarlyModules(workspace, merged.filter(isEarly))
  settleBootModules(workspace, merged.filter(isBoot), findLoaded(workspace.snapshot, merged))
}

/** Modules that are loaded, or that this plan loads. */
function findLoaded(snapshot: Snapshot, merged: readonly MergedClaim[]): ReadonlySet<string> {
  const coming = merged.flatMap(({ claim }) =>
    claim.of === 'kernel-module' && claim.want === 'present' ? [foldName(claim.target)] : [],
  )
  return new Set([...snapshot.loadedModules, ...coming])
}

function settleTargets(workspace: Workspace, merged: readonly MergedClaim[], context: SettleContext): void {
  const files = merged.flatMap(({ claim }) => (claim.of === 'file' && claim.want === 'present' ? [claim.target] : []))
  for (const each of merged) {
    const { claim } = each
    if (claim.of === 'file') settleFile(workspace, each, claim, context)
    else if (claim.of === 'environment-variable') settleVariable(workspace, each, claim)
    else if (claim.of === 'attribute') settleAttribute(workspace, each, claim)
    else if (claim.of === 'kernel-module') settleKernelModule(workspace, each, claim)
    else if (claim.of === 'unit')
      settleUnit(
        workspace,
        each,
        claim,
        files.some((path) => path.endsWith(`/${claim.target}`)),
      )
  }
}

const kindOrder: readonly Change['kind'][] = [
  'directory',
  'file',
  'link',
  'boot-arguments',
  'kernel-module',
  'attribute',
  'driver',
  'unit',
]

/** By kind; attributes and modules stay in the order of their claims, where order counts. */
function sortChanges(changes: readonly Change[]): readonly Change[] {
  return changes.toSorted((a, b) => rankOf(a) - rankOf(b))
}

/** A unit is disabled while its file is still there, and enabled when it is. */
function rankOf(change: Change): number {
  if (change.kind === 'unit' && change.after?.enabled !== true) return -1
  return kindOrder.indexOf(change.kind)
}

/** Whatever a change rebuilds anyway needs no look. */
function checkDerived(
  workspace: Workspace,
  stack: BootStack,
  merged: readonly MergedClaim[],
  changes: readonly Change[],
): void {
  const planned = new Set(changes.flatMap(({ regenerate }) => regenerate))
  if (!planned.has(stack.entriesBy)) stack.checkEntries(workspace, merged.filter(isArgumentMerged))
  if (!planned.has('initramfs')) checkImages(workspace, merged)
}

/** Refused for the tasks that want entries made anew. */
function checkRebuild(workspace: Workspace, stack: BootStack, changes: readonly Change[]): void {
  const diagnostic = stack.refuseRebuild()
  if (diagnostic === undefined) return
  const changing = changes
    .filter(({ regenerate }) => regenerate.includes(stack.entriesBy))
    .flatMap(({ tasks }) => tasks)
  const tasks = new Set([...changing, ...(workspace.outdated.get(stack.entriesBy) ?? [])])
  workspace.diagnostics.push({ diagnostic, tasks: [...tasks].toSorted((a, b) => a - b) })
}

/** Takes out what cannot be rebuilt here: a tree without the tool would want it again in every plan. */
function splitOutdated(workspace: Workspace): readonly Regeneration[] {
  const left = [...workspace.outdated.keys()].filter((name) => !canRebuild(workspace.snapshot, name))
  for (const name of left) workspace.outdated.delete(name)
  return left
}

function canRebuild({ tree, uid, tools }: Snapshot, name: Regeneration): boolean {
  return !tree || (uid === 0 && tools.has(builders[name] ?? ''))
}

const builders: Partial<Record<Regeneration, string>> = {
  initramfs: 'update-initramfs',
  'boot-loader': 'grub-mkconfig',
  esp: 'kernel-install',
}

const derivedNames: Partial<Record<Regeneration, string>> = {
  initramfs: 'initramfs images',
  'boot-loader': '/boot/grub/grub.cfg',
  esp: 'loader entries',
}

function describeLeft(name: Regeneration): Pending {
  return { what: derivedNames[name] ?? name, saved: 'what the files say now', live: 'generated before' }
}

function listRegenerations(
  changes: readonly Change[],
  workspace: Workspace,
  stack: BootStack | null,
): readonly Regeneration[] {
  const wanted = new Set([...changes.flatMap(({ regenerate }) => regenerate), ...workspace.outdated.keys()])
  for (const name of stack?.following(wanted) ?? []) wanted.add(name)
  return regenerations.filter((name) => wanted.has(name))
}

function findPending(
  workspace: Workspace,
  merged: readonly MergedClaim[],
  before: ArgumentLists | null,
  changes: readonly Change[],
): readonly Pending[] {
  const { snapshot } = workspace
  const args = before === null ? [] : findPendingArguments(snapshot, before, merged.filter(isArgumentMerged))
  const coming = new Set(changes.flatMap(({ kind, target }) => (kind === 'kernel-module' ? [target] : [])))
  const early = parseModuleList(contentBefore(snapshot, earlyModulesPath), 'initramfs')
  const lists = listModulesLoadFiles(snapshot).map((path) =>
    parseModuleList(contentBefore(snapshot, path), 'modules-load'),
  )
  const pending = [
    ...args,
    ...findPendingModules(snapshot, merged.filter(isEarly), (name) => hasModule(early, name), coming),
    ...findPendingModules(
      snapshot,
      merged.filter(isBoot),
      (name) => lists.some((list) => hasModule(list, name)),
      coming,
    ),
  ]
  const unique = new Map(pending.map((each) => [`${each.what} ${each.saved}`, each]))
  return [...unique.values()].toSorted((a, b) => compareBytes(a.what, b.what) || compareBytes(a.saved, b.saved))
}

function contentBefore(snapshot: Snapshot, path: string): string {
  const state = snapshot.files.get(path)
  return state?.type === 'file' ? state.content : ''
}
