import type { Pending } from '../core/plan.ts'
import { parseKernelCommandLine } from '../formats/kernel-command-line.ts'
import type { ArgumentList, ArgumentLists } from './argument-list.ts'
import { composeNormal, hasName } from './argument-list.ts'
import { foldName } from '../core/fold-name.ts'
import { isArgumentMet, isSequenceMet } from './settle-arguments.ts'
import type { ArgumentMerged } from './argument-merged.ts'
import type { BootMerged, EarlyMerged } from './settle-module-lists.ts'
import type { Snapshot } from '../core/snapshot.ts'

/** Arguments that were saved before this plan and that the running kernel was not booted with. */
export function findPendingArguments(
  snapshot: Snapshot,
  before: ArgumentLists,
  claims: readonly ArgumentMerged[],
): readonly Pending[] {
  const live: ArgumentList = parseKernelCommandLine(snapshot.commandLine).map(({ name, value, text }, origin) => ({
    origin,
    text,
    name,
    value,
  }))
  const running = { linux: live, normal: [] }
  return claims
    .filter((merged) => isMet(before, merged) && !isMet(running, merged))
    .map((merged) => describePending(composeNormal(before), live, merged))
}

function isMet(lists: ArgumentLists, { claim }: ArgumentMerged): boolean {
  return claim.of === 'kernel-argument' ? isArgumentMet(lists, claim) : isSequenceMet(lists, claim)
}

/** Both sides whole: of a list argument all members are shown, so that several claims are one line. */
function describePending(saved: ArgumentList, live: ArgumentList, { claim }: ArgumentMerged): Pending {
  const names = claim.of === 'kernel-argument' ? [claim.name] : claim.names
  return {
    what: claim.of === 'kernel-argument' ? `kernel argument ${claim.name}` : `kernel arguments of ${claim.owner}`,
    saved: describeArguments(saved, names),
    live: describeArguments(live, names),
  }
}

function describeArguments(list: ArgumentList, names: readonly string[]): string {
  const found = list.filter((argument) => names.some((name) => hasName(argument, name))).map(({ text }) => text)
  return found.length === 0 ? 'none' : found.join(' ')
}

/** Modules that were listed before this plan and that are not loaded, in an order that does not depend on the tasks'. */
export function findPendingModules(
  snapshot: Snapshot,
  claims: readonly (EarlyMerged | BootMerged)[],
  isListed: (module: string) => boolean,
  comingNow: ReadonlySet<string>,
): readonly Pending[] {
  const running = snapshot.kernels.find((kernel) => kernel.running)
  return claims
    .filter(({ claim }) => claim.want === 'present' && isListed(claim.module))
    .map(({ claim }) => foldName(claim.module))
    .filter((module) => !snapshot.loadedModules.has(module) && !comingNow.has(module))
    .filter((module) => running?.modules.get(module) === 'loadable')
    .map((module) => ({ what: `module ${module}`, saved: 'loaded at boot', live: 'not loaded' }))
}
