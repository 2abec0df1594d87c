import { listGrubEntries } from '../formats/grub-cfg.ts'
import type { GrubCfg, GrubEntry } from '../formats/grub-cfg.ts'
import { parseArgumentList } from './argument-list.ts'
import type { ArgumentLists } from './argument-list.ts'
import { isArgumentMet, isSequenceMet } from './settle-arguments.ts'
import type { ArgumentMerged } from './argument-merged.ts'
import { linuxScripts } from './linux-scripts.ts'
import { noteOutdated } from './workspace.ts'
import type { Workspace } from './workspace.ts'

/** Entries that 10_linux writes: those that are generated from the variables. */
function listGenerated(menu: GrubCfg): readonly GrubEntry[] {
  return listGrubEntries(menu).filter(
    ({ section, boots }) => boots === 'linux' && section !== null && linuxScripts.has(section),
  )
}

/**
 * A menu that was generated before the variables were as they are now lacks what they hold: it must be generated again,
 * although no file changes.
 */
export function checkMenu(workspace: Workspace, menu: GrubCfg | null, claims: readonly ArgumentMerged[]): void {
  if (claims.length === 0) return
  if (menu === null) {
    const why = 'it may not be read without root'
    workspace.uncertain.push({ code: 'MENU_UNREADABLE', what: '/boot/grub/grub.cfg', why })
    return
  }
  for (const merged of claims) {
    const stale = listGenerated(menu).some((entry) => concerns(entry, merged) && !isMetIn(entry, merged))
    if (stale) noteOutdated(workspace, 'boot-loader', merged.tasks)
  }
}

function concerns(entry: GrubEntry, { claim }: ArgumentMerged): boolean {
  return !entry.isRecovery || (claim.of === 'kernel-argument' && claim.entries === 'all')
}

function isMetIn(entry: GrubEntry, { claim }: ArgumentMerged): boolean {
  const lists: ArgumentLists = { linux: parseArgumentList(entry.linux?.args ?? ''), normal: [] }
  return claim.of === 'kernel-argument' ? isArgumentMet(lists, claim) : isSequenceMet(lists, claim)
}
