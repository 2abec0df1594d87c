import type { Regeneration } from '../core/change.ts'
import { error } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import type { BootExpectation, NextBoot } from '../core/plan.ts'
import type { Snapshot } from '../core/snapshot.ts'
import type { ArgumentList, ArgumentLists } from './argument-list.ts'
import type { ArgumentMerged } from './argument-merged.ts'
import type { SettleContext } from './settle-context.ts'
import type { Workspace } from './workspace.ts'

/** What the loader starts, whichever loader it is. */
export type BootEntry = {
  readonly id: string
  readonly title: string
  /** Release of its kernel; the name of its file where that has none. */
  readonly release: string
  /** It has an initramfs image. */
  readonly hasImage: boolean
}

/** Arguments before and after; null where their source is not understood (a diagnostic is noted). */
export type SettledArguments = { readonly before: ArgumentLists; readonly after: ArgumentLists } | null

export type PredictedLine = {
  /** What the loader puts in front by itself: it names files. */
  readonly prefix: readonly string[]
  readonly args: ArgumentList
  readonly uncertain: NextBoot['uncertain']
}

export type LineQuestion = {
  readonly before: Snapshot
  readonly after: Snapshot
  /** Entries are generated again from the arguments that are saved after the plan. */
  readonly rebuilt: boolean
}

/**
 * A way in which a host boots: where its kernel arguments are written, what is generated from them, what boots next.
 * One loader and one maker of images; what differs between loaders is behind these functions and nowhere else.
 */
export type BootStack = {
  /** What boots next; null where it may not be read (a plan without root). */
  readonly entry: BootEntry | null
  /** The loader was told to boot this entry once: it is not the default. */
  readonly once: boolean
  /** What makes entries from the saved arguments. */
  readonly entriesBy: Extract<Regeneration, 'boot-loader' | 'esp'>
  /** Where entries stand, for those who read them; null where one path is the same on all hosts. */
  readonly entriesAt: BootExpectation['entries']
  /** What else is to be made anew when these are. */
  readonly following: (wanted: ReadonlySet<Regeneration>) => readonly Regeneration[]
  /** Writes claims into the source of the arguments: the only writer of it. */
  readonly settleArguments: (
    workspace: Workspace,
    claims: readonly ArgumentMerged[],
    context: SettleContext,
  ) => SettledArguments
  /** Saves the arguments as they are where entries are made anew for another reason and would get what nobody saved. */
  readonly secureArguments: (workspace: Workspace) => void
  /** What the saved source gives normal entries; empty where it is not understood. */
  readonly readArguments: (snapshot: Snapshot) => ArgumentList
  /** Why entries cannot be made anew so that the default stays the one that is predicted. */
  readonly refuseRebuild: () => Diagnostic | undefined
  /** Notes entries that were generated before the source was as it is now. */
  readonly checkEntries: (workspace: Workspace, claims: readonly ArgumentMerged[]) => void
  readonly predictLine: (question: LineQuestion) => PredictedLine
}

export type DetectedStack =
  | { readonly ok: true; readonly stack: BootStack }
  /** `boots`: an entry that passway does not change; what it boots can be told all the same. */
  | { readonly ok: false; readonly diagnostic: Diagnostic; readonly boots?: BootStack }

export function refuseStack(name: string, evidence: readonly string[]): Extract<DetectedStack, { ok: false }> {
  return {
    ok: false,
    diagnostic: error('BOOT_UNSUPPORTED', `This host boots with ${name}, which passway does not know how to change`, {
      hint: 'supported: GRUB or systemd-boot with initramfs-tools, as Debian and Ubuntu install them',
      evidence,
    }),
  }
}
