import { error } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import { editTokens } from '../formats/shell-assignments.ts'
import type { ShellFile, TokenEdit } from '../formats/shell-assignments.ts'
import { sameList } from './argument-list.ts'
import type { ArgumentList, ArgumentLists } from './argument-list.ts'
import type { ArgumentMerged } from './argument-merged.ts'
import type { SettledArguments } from './boot-stack.ts'
import { checkShadowedOptions } from './check-shadowed-options.ts'
import { findUnwritable } from './find-unwritable.ts'
import {
  evaluateGrubArguments,
  linuxVariable,
  listGrubDefaults,
  normalVariable,
  readGrubDefaults,
} from './grub-defaults.ts'
import type { GrubArguments } from './grub-defaults.ts'
import type { SettleContext } from './settle-context.ts'
import { settleLists } from './settle-lists.ts'
import { editFile, openFile } from './workspace.ts'
import type { Workspace } from './workspace.ts'

type KnownArguments = Extract<GrubArguments, { ok: true }>

/** Settles kernel arguments into /etc/default/grub and its drop-ins: the file with the text in question is edited. */
export function settleGrub(
  workspace: Workspace,
  claims: readonly ArgumentMerged[],
  context: SettleContext,
): SettledArguments {
  const tasks = claims.flatMap((merged) => merged.tasks)
  const files = openDefaults(workspace, tasks)
  if (files === undefined) return null
  const found = evaluateGrubArguments(files)
  if (!found.ok) {
    if (claims.length > 0) workspace.diagnostics.push({ diagnostic: notUnderstood(found), tasks })
    return null
  }
  checkShadowedOptions(workspace, claims)
  const source = {
    lists: found.lists,
    findUnwritable,
    describePlace: (args: ArgumentList) => describePlace(found, args),
  }
  const settled = settleLists(workspace, source, claims, context)
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

function describePlace({ lists, assignedAt }: KnownArguments, args: ArgumentList): string {
  const variable = lists.linux.some((argument) => args.includes(argument)) ? linuxVariable : normalVariable
  const at = assignedAt[variable]?.at(-1)
  return at === undefined ? variable : `${at.path}:${at.line}`
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
