import type { ArgumentLists } from './argument-list.ts'
import type { ArgumentMerged } from './argument-merged.ts'
import { listWords } from './kernel-cmdline.ts'
import type { MenuEntry } from './loader-entries.ts'
import { isArgumentMet, isSequenceMet } from './settle-arguments.ts'
import { noteOutdated } from './workspace.ts'
import type { Workspace } from './workspace.ts'

/**
 * Entries that were written before /etc/kernel/cmdline was as it is now lack what it holds: they must be written again,
 * although no file changes. null: they may not be read.
 */
export function checkEntries(
  workspace: Workspace,
  entries: readonly MenuEntry[] | null,
  claims: readonly ArgumentMerged[],
): void {
  if (claims.length === 0) return
  if (entries === null) {
    const why = 'they may not be read without root'
    workspace.uncertain.push({ code: 'MENU_UNREADABLE', what: 'loader/entries', why })
    return
  }
  for (const merged of claims) {
    if (entries.some((each) => !isMetIn(each, merged))) noteOutdated(workspace, 'esp', merged.tasks)
  }
}

function isMetIn({ entry }: MenuEntry, { claim }: ArgumentMerged): boolean {
  const lists: ArgumentLists = { linux: listWords(entry?.options ?? ''), normal: [] }
  return claim.of === 'kernel-argument' ? isArgumentMet(lists, claim) : isSequenceMet(lists, claim)
}
