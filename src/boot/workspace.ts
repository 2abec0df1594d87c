import type { Bytes } from '../core/bytes.ts'
import type { Change, Regeneration } from '../core/change.ts'
import { error } from '../core/diagnostic.ts'
import type { Pending } from '../core/plan.ts'
import { findFile } from '../core/snapshot.ts'
import type { FileState, Snapshot } from '../core/snapshot.ts'
import type { TaskDiagnostic } from './tasked.ts'

type PlainFile = Extract<FileState, { type: 'file' }>

type Draft = {
  readonly path: string
  readonly before: PlainFile | null
  content: Bytes | null
  readonly mode: number
  readonly tasks: Set<number>
  readonly regenerate: Set<Regeneration>
  readonly reasons: Set<string>
  takesEffect: 'now' | 'boot'
}

/** The files of a host while claims are settled into them: each is edited by several claims and becomes one change. */
export type Workspace = {
  readonly snapshot: Snapshot
  readonly drafts: Map<string, Draft>
  /** Changes of other kinds, one per (kind, target). */
  readonly changes: Change[]
  readonly diagnostics: TaskDiagnostic[]
  /** Saved already and waiting for a boot. */
  readonly pending: Pending[]
  /** Derived things that are out of date although no source of theirs changes. */
  readonly outdated: Map<Regeneration, Set<number>>
  readonly uncertain: { readonly code: string; readonly what: string; readonly why: string }[]
}

export function openWorkspace(snapshot: Snapshot): Workspace {
  return {
    snapshot,
    drafts: new Map(),
    changes: [],
    diagnostics: [],
    pending: [],
    outdated: new Map(),
    uncertain: [],
  }
}

export type OpenedFile = { readonly path: string; readonly content: Bytes | null }

/**
 * The file as edited so far; `content: null` when there is none. `path` is where it really stands, behind any links.
 * A file that cannot be edited is refused once: the diagnostic is noted and `undefined` returned.
 */
export function openFile(workspace: Workspace, path: string, tasks: readonly number[]): OpenedFile | undefined {
  const { path: real, state } = findFile(workspace.snapshot, path)
  const draft = workspace.drafts.get(real)
  if (draft !== undefined) return { path: real, content: draft.content }
  if (state.type === 'file') return { path: real, content: state.content }
  if (state.type === 'absent') return { path: real, content: null }
  workspace.diagnostics.push({ diagnostic: describeUnusable(path, state), tasks })
  return undefined
}

function describeUnusable(path: string, state: FileState) {
  if (state.type === 'unreadable') {
    return error('FILE_UNREADABLE', `${path} cannot be read: ${state.reason}`, {
      hint: 'run as root or with --become',
    })
  }
  if (state.type !== 'link') return error('FILE_KIND', `${path} is no regular file`)
  const evidence = [`${path} -> ${state.to}`]
  if (state.problem === 'dangling') {
    return error('LINK_DANGLING', `${path} is a link to a file that is not there`, { evidence })
  }
  const why = state.problem === 'loop' ? 'goes in a circle' : 'leaves the root of the host'
  return error('LINK_ESCAPES', `${path} is a link that ${why}`, { evidence })
}

export type FileEdit = {
  readonly path: string
  readonly content: Bytes | null
  readonly tasks: readonly number[]
  readonly takesEffect: 'now' | 'boot'
  readonly regenerate?: readonly Regeneration[]
  readonly reason?: string
  /** For a new file; an existing one keeps its mode unless `force`. */
  readonly mode?: number
  readonly forceMode?: boolean
}

/** Notes a new content. Nothing is noted where it is what the file holds. */
export function editFile(workspace: Workspace, edit: FileEdit): void {
  const { state } = findFile(workspace.snapshot, edit.path)
  const before = state.type === 'file' ? state : null
  const draft = workspace.drafts.get(edit.path) ?? openDraft(edit, before)
  const same = draft.content === edit.content && (edit.forceMode !== true || before?.mode === draft.mode)
  if (same) return
  workspace.drafts.set(edit.path, draft)
  draft.content = edit.content
  for (const task of edit.tasks) draft.tasks.add(task)
  for (const regeneration of edit.regenerate ?? []) draft.regenerate.add(regeneration)
  if (edit.reason !== undefined) draft.reasons.add(edit.reason)
  if (edit.takesEffect === 'boot') draft.takesEffect = 'boot'
}

function openDraft(edit: FileEdit, before: PlainFile | null): Draft {
  const keeps = before !== null && edit.forceMode !== true
  return {
    path: edit.path,
    before,
    content: before?.content ?? null,
    mode: keeps ? before.mode : (edit.mode ?? 0o644),
    tasks: new Set(),
    regenerate: new Set(),
    reasons: new Set(),
    takesEffect: 'now',
  }
}

/** Something derived that must be rebuilt although its sources stay as they are. */
export function noteOutdated(workspace: Workspace, regeneration: Regeneration, tasks: readonly number[]): void {
  const known = workspace.outdated.get(regeneration) ?? new Set()
  for (const task of tasks) known.add(task)
  workspace.outdated.set(regeneration, known)
}

/** Changes of files and of directories they need, then all others, in an order that does not depend on the tasks'. */
export function closeWorkspace(workspace: Workspace): readonly Change[] {
  const files = [...workspace.drafts.values()].flatMap(toChange)
  const directories = files.flatMap((change) =>
    change.after === null ? [] : findMissingDirectories(workspace, change),
  )
  const unique = new Map(directories.map((change) => [change.target, change]))
  const ordered = [...unique.values()].map((change) => ({ ...change, tasks: tasksBelow(files, change.target) }))
  return [...ordered.toSorted(byTarget), ...files.toSorted(byTarget), ...workspace.changes]
}

function toChange(draft: Draft): Change[] {
  const after =
    draft.content === null
      ? null
      : { content: draft.content, mode: draft.mode, uid: draft.before?.uid ?? 0, gid: draft.before?.gid ?? 0 }
  const before = draft.before === null ? null : pickValue(draft.before)
  if (after === null && before === null) return []
  if (after !== null && before?.content === after.content && before.mode === after.mode) return []
  return [
    {
      kind: 'file',
      target: draft.path,
      before,
      after,
      tasks: [...draft.tasks].toSorted((a, b) => a - b),
      regenerate: [...draft.regenerate].toSorted(),
      takesEffect: draft.takesEffect,
      ...(draft.reasons.size === 0 ? {} : { reason: [...draft.reasons].toSorted().join('; ') }),
    },
  ]
}

function pickValue({ content, mode, uid, gid }: PlainFile) {
  return { content, mode, uid, gid }
}

/** Parents that are known to be absent; a directory of which nothing is known is taken to be there. */
function findMissingDirectories(workspace: Workspace, change: Change): Change[] {
  const parents: Change[] = []
  let path = parentOf(change.target)
  while (path !== '/' && workspace.snapshot.files.get(path)?.type === 'absent') {
    parents.push({
      kind: 'directory',
      target: path,
      before: null,
      after: { mode: 0o755, uid: 0, gid: 0 },
      tasks: [],
      regenerate: [],
      takesEffect: change.takesEffect,
    })
    path = parentOf(path)
  }
  return parents
}

function tasksBelow(files: readonly Change[], directory: string): readonly number[] {
  const below = files.filter((change) => change.target.startsWith(`${directory}/`))
  return [...new Set(below.flatMap((change) => change.tasks))].toSorted((a, b) => a - b)
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')))
}

function byTarget(a: Change, b: Change): number {
  return a.target < b.target ? -1 : a.target > b.target ? 1 : 0
}
