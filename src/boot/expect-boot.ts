import type { Change, Regeneration } from '../core/change.ts'
import type { BootExpectation } from '../core/plan.ts'
import { findContent } from '../core/snapshot.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { composeNormal, hasName, isArgument } from './argument-list.ts'
import type { ArgumentList, ArgumentLists } from './argument-list.ts'
import type { BootStack } from './boot-stack.ts'
import { hashBytes } from './check-images.ts'
import { formatArgumentText } from './claim-identity.ts'
import { driverRulesPath } from './driver-rules.ts'
import { foldName } from '../core/fold-name.ts'
import { ownModprobePath } from './modprobe-files.ts'
import type { MergedClaim } from './tasked.ts'

type Input = {
  readonly merged: readonly MergedClaim[]
  readonly snapshot: Snapshot
  readonly changes: readonly Change[]
  readonly regenerate: readonly Regeneration[]
  readonly stack: BootStack | null
  /** What the stack's source holds after the changes; null where no argument was settled or it is not understood. */
  readonly lists: ArgumentLists | null
}

/** What entries and images must show after this plan, and where entries are; null where none of it is to be told. */
export function expectBoot({ merged, snapshot, changes, regenerate, stack, lists }: Input): BootExpectation | null {
  const menu = stack !== null && regenerate.includes(stack.entriesBy) ? lists : null
  const images = regenerate.includes('initramfs')
  if (menu === null && !images && stack?.entriesAt === undefined) return null
  return {
    normalArguments: menu === null ? [] : textsOf(composeNormal(menu)),
    recoveryArguments: menu === null ? [] : textsOf(menu.linux),
    absentArguments: menu === null ? [] : findAbsent(merged, menu),
    ...(stack?.entriesAt === undefined ? {} : { entries: stack.entriesAt }),
    imageModules: images ? findImageModules(merged, snapshot) : [],
    imageFiles: images ? findImageFiles(snapshot, changes) : {},
  }
}

function textsOf(list: ArgumentList): readonly string[] {
  return list.map(({ text }) => text)
}

/** Arguments that tasks want away, where nothing of that name or value stays for another reason. */
function findAbsent(merged: readonly MergedClaim[], lists: ArgumentLists): readonly string[] {
  const all = composeNormal(lists)
  const texts = merged.flatMap(({ claim }) => {
    if (claim.of !== 'kernel-argument' || claim.want !== 'absent') return []
    const stays = all.some((argument) =>
      claim.value === null ? hasName(argument, claim.name) : isArgument(argument, claim.name, claim.value),
    )
    return stays ? [] : [formatArgumentText(claim)]
  })
  return [...new Set(texts)].toSorted()
}

/** Early modules, without those that are built in to every kernel. */
function findImageModules(merged: readonly MergedClaim[], snapshot: Snapshot): readonly string[] {
  const names = merged.flatMap(({ claim }) =>
    claim.of === 'early-module' && claim.want === 'present' ? [foldName(claim.module)] : [],
  )
  const isBuiltin = (name: string) =>
    snapshot.kernels.length > 0 && snapshot.kernels.every((kernel) => kernel.modules.get(name) === 'builtin')
  return [...new Set(names)].filter((name) => !isBuiltin(name))
}

function isInImages(path: string): boolean {
  return path === driverRulesPath || /^\/etc\/modprobe\.d\/[^/]+\.conf$/.test(path)
}

/** passway's own file and all others of modprobe.d that change: mkinitramfs copies those of /etc/modprobe.d. The rules of drivers. */
function findImageFiles(snapshot: Snapshot, changes: readonly Change[]): Readonly<Record<string, string | null>> {
  const files = new Map<string, string | null>()
  const own = findContent(snapshot, ownModprobePath)
  if (own !== undefined) files.set(ownModprobePath, hashBytes(own))
  const rules = findContent(snapshot, driverRulesPath)
  if (rules !== undefined) files.set(driverRulesPath, hashBytes(rules))
  for (const change of changes) {
    if (change.kind !== 'file' || !isInImages(change.target)) continue
    files.set(change.target, change.after === null ? null : hashBytes(change.after.content))
  }
  return Object.fromEntries([...files].toSorted(([a], [b]) => (a < b ? -1 : 1)))
}
