import { error } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import { editCmdlineFile, parseCmdlineFile } from '../formats/cmdline-file.ts'
import { composeNormal } from './argument-list.ts'
import type { ArgumentList, ArgumentLists } from './argument-list.ts'
import type { ArgumentMerged } from './argument-merged.ts'
import type { SettledArguments } from './boot-stack.ts'
import { checkShadowedOptions } from './check-shadowed-options.ts'
import { cmdlinePath, listWords, readCmdline } from './kernel-cmdline.ts'
import type { EntryNames, SavedCmdline } from './kernel-cmdline.ts'
import type { SettleContext } from './settle-context.ts'
import { settleLists } from './settle-lists.ts'
import { editFile, openFile } from './workspace.ts'
import type { Workspace } from './workspace.ts'

/** Names of entries, and what the default one has: a new file must not save what nobody saved. null: not known. */
export type CmdlineEntries = EntryNames & {
  readonly booting: { readonly id: string; readonly words: ArgumentList } | null
}

/**
 * Settles kernel arguments into /etc/kernel/cmdline, which all entries of kernel-install get. Where there is no such file
 * kernel-install takes the line of the running kernel; passway makes the file of it, if the default entry has the same.
 */
export function settleCmdline(
  workspace: Workspace,
  claims: readonly ArgumentMerged[],
  context: SettleContext,
  entries: CmdlineEntries,
): SettledArguments {
  const tasks = claims.flatMap((merged) => merged.tasks)
  const file = openFile(workspace, cmdlinePath, tasks)
  if (file === undefined) return null
  const saved = readCmdline(workspace.snapshot, entries)
  const text = file.content ?? saved.text
  const problem = findProblem(saved, text)
  if (problem !== undefined) {
    if (claims.length > 0) workspace.diagnostics.push({ diagnostic: problem, tasks })
    return null
  }
  checkShadowedOptions(workspace, claims)
  const before: ArgumentLists = { linux: listWords(text).filter(isForKernel), normal: [] }
  const source = { lists: before, findUnwritable, describePlace: () => `${saved.path}:1`, isSingle: true }
  const settled = settleLists(workspace, source, claims, context)
  if (settled.tasks.size === 0) return { before, after: before }
  const unsure = file.content === null ? findOtherLine(saved, entries) : undefined
  if (unsure !== undefined) {
    workspace.diagnostics.push({ diagnostic: unsure, tasks: [...settled.tasks] })
    return null
  }
  const content = write(text, settled.lists)
  save(workspace, file.path, content, [...settled.tasks], file.content === null ? saved.path : null)
  return { before, after: { linux: listWords(content), normal: [] } }
}

/**
 * Images that are built anew make kernel-install write entries as well. Without a file these would get the line that runs
 * at that time, which in a trial boot is the trial's: it is saved before.
 */
export function secureCmdline(workspace: Workspace, entries: CmdlineEntries): void {
  const drafts = [...workspace.drafts.values()].filter(({ regenerate }) => regenerate.has('initramfs'))
  const tasks = [...new Set(drafts.flatMap((draft) => [...draft.tasks]))].toSorted((a, b) => a - b)
  const file = tasks.length === 0 ? undefined : openFile(workspace, cmdlinePath, tasks)
  const saved = readCmdline(workspace.snapshot, entries)
  if (file === undefined || file.content !== null || saved.from !== 'running') return
  const problem = findProblem(saved, saved.text) ?? findOtherLine(saved, entries)
  if (problem !== undefined) workspace.diagnostics.push({ diagnostic: problem, tasks })
  else save(workspace, file.path, saved.text, tasks, saved.path)
}

function save(
  workspace: Workspace,
  path: string,
  content: string,
  tasks: readonly number[],
  takenFrom: string | null,
): void {
  editFile(workspace, {
    path,
    content: content.endsWith('\n') || takenFrom === null ? content : `${content}\n`,
    tasks,
    takesEffect: 'boot',
    regenerate: ['esp'],
    ...(takenFrom === null ? {} : { reason: `kernel-install took ${takenFrom} so far` }),
  })
}

/** The word behind `--` is for init. */
function isForKernel({ text }: { readonly text: string }): boolean {
  return !text.startsWith('-- ')
}

/** Lines with `#` are words to some versions of kernel-install and comments to others; `echo` of dash reads backslashes. */
function findProblem({ path }: SavedCmdline, text: string): Diagnostic | undefined {
  const lines = text.split('\n')
  const at = lines.findIndex((line) => line.trimStart().startsWith('#') || line.includes('\\'))
  if (at === -1) return undefined
  const why = lines[at]?.includes('\\') === true ? 'a backslash' : 'a comment'
  return error(
    'CMDLINE_NOT_UNDERSTOOD',
    `${path} holds ${why}, of which versions of kernel-install make different things`,
    {
      hint: 'write the arguments alone, in one line',
      evidence: [`${path}:${at + 1}: ${lines[at]}`],
    },
  )
}

function findOtherLine({ from, path, text }: SavedCmdline, { booting }: CmdlineEntries): Diagnostic | undefined {
  if (from !== 'running' || booting === null) return undefined
  const [running, saved] = [listWords(text), booting.words].map((words) => words.map((word) => word.text).join(' '))
  if (running === saved) return undefined
  return error(
    'CMDLINE_UNSAVED',
    `The host runs with other arguments than its default entry has, and ${cmdlinePath} is not there`,
    {
      hint: `write ${cmdlinePath} with the arguments that are meant, or boot the default entry first`,
      evidence: [`${path}: ${running}`, `${booting.id}: ${saved}`],
    },
  )
}

function findUnwritable(before: ArgumentLists, after: ArgumentLists): Diagnostic | undefined {
  const known = new Set(composeNormal(before))
  const added = composeNormal(after).filter((argument) => !known.has(argument))
  const impossible = added.find(({ text }) => /\\|[ \t]{2}|[\t\n\r]/.test(text))
  if (impossible === undefined) return undefined
  return error('ARGUMENT_UNWRITABLE', `kernel-install cannot hand ${impossible.text} to the kernel as it stands`, {
    hint: 'it makes one blank of several, and reads backslashes',
  })
}

function write(text: string, { linux }: ArgumentLists): string {
  const file = parseCmdlineFile(text)
  const kept = new Map(linux.flatMap(({ origin, text: word }) => (origin === null ? [] : [[origin, word] as const])))
  const before = listWords(text)
  const changed = file.args.map((_, origin) => origin).filter((origin) => kept.get(origin) !== before[origin]?.text)
  const replace = changed.map((origin) => [origin, kept.get(origin) ?? null] as const)
  const append = linux.flatMap((argument) => (argument.origin === null ? [argument.text] : []))
  return editCmdlineFile(file, { replace: new Map(replace), append })
}
