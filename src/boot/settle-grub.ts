import { error } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import { editTokens } from '../formats/shell-assignments.ts'
import type { ShellFile, TokenEdit } from '../formats/shell-assignments.ts'
import { composeNormal, hasName, sameList } from './argument-list.ts'
import type { ArgumentList, ArgumentLists } from './argument-list.ts'
import { checkShadowedOptions } from './check-shadowed-options.ts'
import { describeClaim } from './claim-identity.ts'
import { findUnwritable } from './find-unwritable.ts'
import { foldName } from './fold-name.ts'
import {
  evaluateGrubArguments,
  linuxVariable,
  listGrubDefaults,
  normalVariable,
  readGrubDefaults,
} from './grub-defaults.ts'
import type { GrubArguments } from './grub-defaults.ts'
import { isRepeatable } from './repeatable-arguments.ts'
import { applyArgumentClaim, applySequenceClaim, orderRepeatable, sameLists } from './settle-arguments.ts'
import type { ArgumentClaim, SequenceClaim } from './settle-arguments.ts'
import type { SettleContext } from './settle-context.ts'
import type { MergedClaim } from './tasked.ts'
import { editFile, openFile } from './workspace.ts'
import type { Workspace } from './workspace.ts'

export type ArgumentMerged = MergedClaim & { readonly claim: ArgumentClaim | SequenceClaim }

export function isArgumentMerged(merged: MergedClaim): merged is ArgumentMerged {
  return merged.claim.of === 'kernel-argument' || merged.claim.of === 'argument-sequence'
}

type KnownArguments = Extract<GrubArguments, { ok: true }>

/** Both variables before and after; null where the files are not understood (a diagnostic is noted). */
export type SettledGrub = { readonly before: ArgumentLists; readonly after: ArgumentLists } | null

/** Settles kernel arguments into /etc/default/grub and its drop-ins: the file with the text in question is edited. */
export function settleGrub(
  workspace: Workspace,
  claims: readonly ArgumentMerged[],
  context: SettleContext,
): SettledGrub {
  const tasks = claims.flatMap((merged) => merged.tasks)
  const files = openDefaults(workspace, tasks)
  if (files === undefined) return null
  const found = evaluateGrubArguments(files)
  if (!found.ok) {
    if (claims.length > 0) workspace.diagnostics.push({ diagnostic: notUnderstood(found), tasks })
    return null
  }
  checkShadowedOptions(workspace, claims)
  const settled = settleLists(workspace, found, claims, context)
  const written = writeLists(files, found.lists, settled.lists)
  if (!written.ok) {
    workspace.diagnostics.push({ diagnostic: notUnderstood(written), tasks: [...settled.tasks] })
    return null
  }
  for (const { path, content } of written.files) {
    editFile(workspace, { path, content, tasks: [...settled.tasks], takesEffect: 'boot', regenerate: ['boot-loader'] })
  }
  // Read again from what was written, so that every word is as GRUB will hand it over.
  const after = evaluateGrubArguments(overlay(files, written.files))
  return { before: found.lists, after: after.ok ? after.lists : settled.lists }
}

/** The files as edited so far; `undefined` when one of them cannot be used. */
function openDefaults(workspace: Workspace, tasks: readonly number[]): readonly ShellFile[] | undefined {
  const opened = listGrubDefaults(workspace.snapshot).map((path) => openFile(workspace, path, tasks))
  if (opened.includes(undefined)) return undefined
  const contents = new Map(opened.flatMap((file) => (file === undefined ? [] : [[file.path, file.content] as const])))
  return readGrubDefaults(workspace.snapshot, contents)
}

function notUnderstood(problem: { path: string; line: number; why: string }): Diagnostic {
  return error('SHELL_NOT_UNDERSTOOD', `The kernel arguments of GRUB cannot be known: ${problem.why}`, {
    hint: 'write the line as a plain assignment: GRUB_CMDLINE_LINUX_DEFAULT="…"',
    evidence: [`${problem.path}:${problem.line}: ${problem.why}`],
  })
}

/** `all` before `normal`, so that what all entries have is not written twice; what goes, before what comes. */
function inOrder(claims: readonly ArgumentMerged[]): readonly ArgumentMerged[] {
  const rank = ({ claim }: ArgumentMerged) => {
    if (claim.want === 'absent') return 0
    return claim.of === 'kernel-argument' && claim.entries === 'all' ? 1 : 2
  }
  return claims.toSorted((a, b) => rank(a) - rank(b))
}

function settleLists(
  workspace: Workspace,
  found: KnownArguments,
  claims: readonly ArgumentMerged[],
  context: SettleContext,
): { lists: ArgumentLists; tasks: ReadonlySet<number> } {
  let lists = found.lists
  const tasks = new Set<number>()
  for (const merged of inOrder(claims)) {
    const next = applyClaim(lists, merged.claim)
    const problem = findUnwritable(lists, next, merged.claim)
    if (problem !== undefined) {
      workspace.diagnostics.push({ diagnostic: problem, tasks: merged.tasks, claims: [merged.claim] })
      continue
    }
    if (sameLists(lists, next)) continue
    const handWritten = findHandWritten(lists, merged, context)
    if (handWritten !== undefined) {
      workspace.diagnostics.push(describeHandWritten(found, merged, handWritten))
      continue
    }
    lists = next
    for (const task of merged.tasks) tasks.add(task)
  }
  return orderAll(lists, claims, tasks)
}

function applyClaim(lists: ArgumentLists, claim: ArgumentClaim | SequenceClaim): ArgumentLists {
  return claim.of === 'kernel-argument' ? applyArgumentClaim(lists, claim) : applySequenceClaim(lists, claim)
}

function orderAll(lists: ArgumentLists, claims: readonly ArgumentMerged[], tasks: Set<number>) {
  const groups = new Map<string, ArgumentMerged[]>()
  for (const merged of claims) {
    const { claim } = merged
    if (claim.of !== 'kernel-argument' || claim.want === 'absent' || !isRepeatable(claim.name)) continue
    groups.set(foldName(claim.name), [...(groups.get(foldName(claim.name)) ?? []), merged])
  }
  let ordered = lists
  for (const group of groups.values()) {
    const next = orderRepeatable(
      ordered,
      group.map(({ claim }) => claim as ArgumentClaim),
    )
    if (!sameLists(ordered, next)) for (const task of group.flatMap((merged) => merged.tasks)) tasks.add(task)
    ordered = next
  }
  return { lists: ordered, tasks }
}

/** What stands there, when a task that does not name the argument itself would change what nobody handed to passway. */
function findHandWritten(
  lists: ArgumentLists,
  merged: ArgumentMerged,
  context: SettleContext,
): ArgumentList | undefined {
  const { claim } = merged
  if (merged.adopt || merged.pruned === true || claim.want === 'absent') return undefined
  if (context.isExplicit(merged) || context.isOwned(merged)) return undefined
  const names = claim.of === 'kernel-argument' ? [claim.name] : claim.names
  const found = composeNormal(lists).filter((argument) => names.some((name) => hasName(argument, name)))
  // What has no origin comes with this plan.
  const others = found.filter((argument) => argument.origin !== null)
  return others.length === 0 ? undefined : others
}

function describeHandWritten(found: KnownArguments, merged: ArgumentMerged, args: ArgumentList) {
  const inLinux = found.lists.linux.some((argument) => args.includes(argument))
  const variable = inLinux ? linuxVariable : normalVariable
  const at = found.assignedAt[variable]?.at(-1)
  const text = args.map((argument) => argument.text).join(' ')
  const evidence = [at === undefined ? text : `${at.path}:${at.line}: ${text}`]
  const joins = merged.claim.of === 'kernel-argument' && merged.claim.member === true
  return {
    diagnostic: error(
      'ADOPT_NEEDED',
      `${describeClaim(merged.claim)} is wanted, but something else was written by hand`,
      {
        hint: joins ? 'adopt: true on the task adds to it' : 'adopt: true on the task replaces it',
        evidence,
      },
    ),
    tasks: merged.tasks,
    claims: [merged.claim],
  }
}

type Written =
  | { readonly ok: true; readonly files: readonly ShellFile[] }
  | { readonly ok: false; readonly path: string; readonly line: number; readonly why: string }

function writeLists(files: readonly ShellFile[], before: ArgumentLists, after: ArgumentLists): Written {
  const linux = writeList(files, linuxVariable, before.linux, after.linux)
  if (!linux.ok) return linux
  const merged = overlay(files, linux.files)
  const normal = writeList(merged, normalVariable, before.normal, after.normal)
  if (!normal.ok) return normal
  return { ok: true, files: overlay(linux.files, normal.files) }
}

/** Files of `a`, those of `b` in their place or behind. */
function overlay(a: readonly ShellFile[], b: readonly ShellFile[]): readonly ShellFile[] {
  const kept = a.map((file) => b.find((other) => other.path === file.path) ?? file)
  return [...kept, ...b.filter((file) => !a.some((other) => other.path === file.path))]
}

function writeList(files: readonly ShellFile[], name: string, before: ArgumentList, after: ArgumentList): Written {
  if (sameList(before, after)) return { ok: true, files: [] }
  const edited = editTokens(files, name, toTokenEdit(before, after))
  if (edited.ok) return edited
  const { path, line, why } = edited.problem
  return { ok: false, path, line, why: `${name}: ${why}` }
}

/** `editTokens` asks for each word once and in order: answers are by place, so that equal words are told apart. */
function toTokenEdit(before: ArgumentList, after: ArgumentList): TokenEdit {
  const kept = new Map(
    after.flatMap((argument) => (argument.origin === null ? [] : [[argument.origin, argument] as const])),
  )
  const survivors = before.filter((argument) => argument.origin !== null && kept.has(argument.origin))
  let seen = 0
  let asked = 0
  return {
    remove: () => {
      const origin = before[seen]?.origin
      seen += 1
      return origin === null || origin === undefined || !kept.has(origin)
    },
    replace: () => {
      const survivor = survivors[asked]
      asked += 1
      const next = kept.get(survivor?.origin ?? -1)
      return next === undefined || next.text === survivor?.text ? undefined : next.text
    },
    append: after.flatMap((argument) => (argument.origin === null ? [argument.text] : [])),
  }
}
