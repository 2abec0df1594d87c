import { hasErrors } from '../core/diagnostic.ts'
import { exitCodes } from '../core/exit-codes.ts'
import { planRollback, rollbackRecord, type RollbackPlan } from '../host/rollback.ts'
import type { ApplyResult } from '../host/execute.ts'
import { closeMasters } from '../host/ssh-master.ts'
import { publicChange } from '../core/public-change.ts'
import type { HostDocument } from '../report/documents.ts'
import { renderDone } from '../report/done-text.ts'
import { startProgress, type Progress } from '../report/progress.ts'
import { renderRollback } from '../report/rollback-text.ts'
import { confirm, NobodyToAsk } from './ask.ts'
import { controllerName } from './controller.ts'
import { tellEvent } from './tell-event.ts'
import { findAllHosts, type Target } from './find-hosts.ts'
import { exitCodeOf, finish, refuseUsage } from './finish.ts'
import { predictFromFiles } from './predict-from-files.ts'
import { rebootAndCompare, type RebootOutcome } from './reboot-host.ts'
import { runBatches } from './run-batches.ts'
import type { RunContext } from './run-context.ts'
import { runHosts } from './run-hosts.ts'

type Way = { readonly target: Target; readonly plan: RollbackPlan }
type Done = { readonly document: HostDocument; readonly text: string }

/** `passway rollback [RECORD]`: shows the way back, asks, reverts. */
export async function runRollback(context: RunContext, args: readonly string[]): Promise<number> {
  const progress = startProgress(context.writeError, { isTerminal: context.isProgressWanted, width: context.width })
  try {
    return await showAndRevert(context, args[0], progress)
  } catch (problem) {
    if (problem instanceof NobodyToAsk) return refuseUsage(context, problem.message)
    throw problem
  } finally {
    progress.end()
    await closeMasters()
  }
}

async function showAndRevert(context: RunContext, record: string | undefined, progress: Progress): Promise<number> {
  const found = await findAllHosts(context)
  if (hasErrors(found.diagnostics)) return finish(context, { diagnostics: found.diagnostics, hosts: [], text: [] })
  const ways = await runHosts(found.targets, context.options.forks ?? 20, async (target): Promise<Way> => {
    return { target, plan: await planRollback(target.address, request(context, record)) }
  })
  const text = ways.map((way) => renderRollback({ host: way.target.address.name, ...way.plan }, textOptions(context)))
  if (context.options.json !== true) context.write(`${text.join('\n\n')}\n\n`)
  const due = ways.filter(({ plan }) => plan.reached && !hasErrors(plan.diagnostics) && plan.records.length > 0)
  const stopped = ways.some((way) => statusOfPlan(way) !== 'ok') && context.options.keepGoing !== true
  if (stopped || due.length === 0) return finishUnreverted(context, ways, stopped)
  const question = `Roll back ${due.map(({ target }) => target.address.name).join(', ')}?`
  if (context.options.yes !== true && !(await confirm(context, question))) return finishUnreverted(context, ways, true)
  return revertAll(context, { ways, due, record, progress })
}

function request(context: RunContext, record: string | undefined): Parameters<typeof planRollback>[1] {
  const { through = false, force = false } = context.options
  return { by: controllerName(), signal: context.signal, master: true, record, through, force }
}

function textOptions(context: RunContext): Parameters<typeof renderRollback>[1] {
  return { paint: context.paint, width: context.width, verbose: context.options.verbose === true }
}

function statusOfPlan({ plan }: Way): HostDocument['status'] {
  if (!plan.reached) return 'unreachable'
  return hasErrors(plan.diagnostics) ? 'refused' : 'ok'
}

const nothing = { record: null, state: null, reboot: 'none', regenerated: [], leftToDo: [], next: [] } as const

function unreverted(way: Way): HostDocument {
  return {
    host: way.target.address.name,
    status: statusOfPlan(way),
    diagnostics: way.plan.diagnostics,
    ...nothing,
    changes: publicChanges(way),
  }
}

function publicChanges({ plan }: Way): unknown[] {
  return plan.changes.map((change) => publicChange(change, { before: 'shown', after: 'shown' }))
}

function finishUnreverted(context: RunContext, ways: readonly Way[], stopped: boolean): number {
  const hosts = ways.map(unreverted)
  const code = exitCodeOf({ diagnostics: [], hosts })
  const text = [stopped ? 'Nothing was written on any host.' : 'Nothing to roll back.']
  return finish(context, {
    diagnostics: [],
    hosts,
    text,
    exitCode: stopped && code === exitCodes.ok ? exitCodes.failed : code,
  })
}

type Reverting = {
  readonly ways: readonly Way[]
  readonly due: readonly Way[]
  readonly record: string | undefined
  readonly progress: Progress
}

async function revertAll(context: RunContext, { ways, due, record, progress }: Reverting): Promise<number> {
  const done = await runBatches(context, due, {
    serial: context.options.reboot === true,
    work: (way) => revertHost(context, way, { record, progress }),
    isFailed: ({ document }) => document.status !== 'ok',
    skip: (way): Done => ({
      document: { ...unreverted(way), status: 'failed' },
      text: `${way.target.address.name}: not begun, a host before it failed`,
    }),
  })
  const others = ways.filter((way) => !due.includes(way)).map((way): Done => ({ document: unreverted(way), text: '' }))
  const all = [...done, ...others]
  return finish(context, {
    diagnostics: [],
    hosts: all.map(({ document }) => document),
    text: all.map(({ text }) => text),
  })
}

async function revertHost(
  context: RunContext,
  way: Way,
  { record, progress }: Pick<Reverting, 'record' | 'progress'>,
): Promise<Done> {
  const { address } = way.target
  const reverted = await rollbackRecord(address, way.plan, {
    ...request(context, record),
    onEvent: (event) => tellEvent(progress, address.name, event),
  })
  const isReboot = context.options.reboot === true && reverted.outcome === 'reverted' && reverted.reboot === 'needed'
  const boot = isReboot
    ? await rebootAndCompare(context, address, { predicted: await predictFromFiles(context, address), progress })
    : null
  return describeDone(context, { way, reverted, boot })
}

function describeDone(
  context: RunContext,
  { way, reverted, boot }: { readonly way: Way; readonly reverted: ApplyResult; readonly boot: RebootOutcome | null },
): Done {
  const isBack = reverted.outcome === 'reverted'
  const status = !reverted.reached
    ? 'unreachable'
    : reverted.outcome === 'refused'
      ? 'refused'
      : isBack
        ? (boot?.status ?? 'ok')
        : 'failed'
  const { record, state, regenerated, leftToDo } = reverted
  const document: HostDocument = {
    host: way.target.address.name,
    status,
    diagnostics: [...reverted.diagnostics, ...(boot?.diagnostics ?? [])],
    record,
    state,
    reboot: boot?.status === 'ok' ? 'done' : reverted.reboot,
    regenerated,
    leftToDo,
    next: [],
    boot: boot?.rows ?? [],
    changes: publicChanges(way),
  }
  const shown = { ...document, outcome: isBack ? 'rolled back' : reverted.outcome, rows: boot?.rows ?? [] }
  return { document, text: renderDone(shown, { paint: context.paint, verbose: context.options.verbose === true }) }
}
