import { error } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import { composeNormal, hasName } from './argument-list.ts'
import type { ArgumentList, ArgumentLists } from './argument-list.ts'
import type { ArgumentMerged } from './argument-merged.ts'
import { describeClaim } from './claim-identity.ts'
import { foldName } from '../core/fold-name.ts'
import { isRepeatable } from './repeatable-arguments.ts'
import { applyArgumentClaim, applySequenceClaim, orderRepeatable, sameLists } from './settle-arguments.ts'
import type { ArgumentClaim, SequenceClaim } from './settle-arguments.ts'
import type { SettleContext } from './settle-context.ts'
import type { Workspace } from './workspace.ts'

/** Where kernel arguments are written, as one loader has it. */
export type ArgumentSource = {
  readonly lists: ArgumentLists
  /** Why a claim cannot be written there; `after` is what it would come to. */
  readonly findUnwritable: (
    before: ArgumentLists,
    after: ArgumentLists,
    claim: ArgumentClaim | SequenceClaim,
  ) => Diagnostic | undefined
  /** `FILE:LINE` of what stands there. */
  readonly describePlace: (args: ArgumentList) => string
  /** The loader has one list for all entries. */
  readonly isSingle?: boolean
}

/** `all` before `normal`, so that what all entries have is not written twice; what goes, before what comes. */
function inOrder(claims: readonly ArgumentMerged[]): readonly ArgumentMerged[] {
  const rank = ({ claim }: ArgumentMerged) => {
    if (claim.want === 'absent') return 0
    return claim.of === 'kernel-argument' && claim.entries === 'all' ? 1 : 2
  }
  return claims.toSorted((a, b) => rank(a) - rank(b))
}

/** The lists after all claims that can be settled, and the tasks that change them. Others are refused. */
export function settleLists(
  workspace: Workspace,
  source: ArgumentSource,
  claims: readonly ArgumentMerged[],
  context: SettleContext,
): { lists: ArgumentLists; tasks: ReadonlySet<number> } {
  let { lists } = source
  const tasks = new Set<number>()
  for (const merged of inOrder(claims)) {
    const next = shape(source, applyClaim(lists, merged.claim))
    const problem = source.findUnwritable(lists, next, merged.claim)
    if (problem !== undefined) {
      workspace.diagnostics.push({ diagnostic: problem, tasks: merged.tasks, claims: [merged.claim] })
      continue
    }
    if (sameLists(lists, next)) continue
    const handWritten = findHandWritten(lists, merged, context)
    if (handWritten !== undefined) {
      workspace.diagnostics.push(describeHandWritten(source, merged, handWritten))
      continue
    }
    lists = next
    for (const task of merged.tasks) tasks.add(task)
  }
  return orderAll(lists, claims, tasks)
}

function shape({ isSingle }: ArgumentSource, lists: ArgumentLists): ArgumentLists {
  return isSingle === true ? { linux: composeNormal(lists), normal: [] } : lists
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

function describeHandWritten(source: ArgumentSource, merged: ArgumentMerged, args: ArgumentList) {
  const text = args.map((argument) => argument.text).join(' ')
  const evidence = [`${source.describePlace(args)}: ${text}`]
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
