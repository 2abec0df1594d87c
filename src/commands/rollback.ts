import { hasErrors } from '../core/diagnostic.ts'
import { exitCodes } from '../core/exit-codes.ts'
import { isRecordId } from '../host/told-record.ts'
import { planRollback, rollbackRecord, type RollbackPlan } from '../host/rollback.ts'
import type { ApplyResult } from '../host/execute.ts'
import { closeMasters } from '../host/ssh-master.ts'
import { publicChange } from '../core/public-change.ts'
import type { HostDocument } from '../report/documents.ts'
import { renderDone, renderEnding } from '../report/done-text.ts'
import { escapeForTerminal } from '../report/escape.ts'
import { startProgress, type Progress } from '../report/progress.ts'
import { renderRollback } from '../report/rollback-text.ts'
import { confirm } from './ask.ts'
import { controllerName } from './controller.ts'
import { tellEvent } from './tell-event.ts'
import { endingUnwritten, endingWritten, type Command, type Ending } from './endings.ts'
import { findAllHosts, type FoundHosts, type Target } from './find-hosts.ts'
import { exitCodeOf, finish, refuseUsage } from './finish.ts'
import { commandLine } from './next-commands.ts'
import { notBegun } from './not-begun.ts'
import { predictFromFiles } from './predict-from-files.ts'
import { rebootAndCompare, type RebootOutcome } from './reboot-host.ts'
import { runBatches } from './run-batches.ts'
import { textOptions, type RunContext } from './run-context.ts'
import { runHosts } from './run-hosts.ts'

type Way = { readonly target: Target; readonly plan: RollbackPlan }
type Done = { readonly document: HostDocument; readonly text: string }

/** `passway rollback [RECORD]`: shows the way back, asks, reverts. */
export async function runRollback(context: RunContext, args: readonly string[]): Promise<number> {
  const [record] = args
  if (record !== undefined && !isRecordId(record))
    return refuseUsage(context, `${escapeForTerminal(record)} has not the form of a record; passway records lists them`)
  const progress = startProgress(context.writeError, { isTerminal: context.isProgressWanted, width: context.width })
  try {
    return await showAndRevert(context, record, progress)
  } finally {
    progress.end()
    await closeMasters()
  }
}

async function showAndRevert(context: RunContext, record: string | undefined, progress: Progress): Promise<number> {
  const found = await findAllHosts(context)
  if (hasErrors(found.diagnostics)) return finish(context, { diagnostics: found.diagnostics, hosts: [], text: [] })
  const ways = await runHosts(found.targets, context.options.forks ?? 20, async (target): Promise<Way> => {
    const plan = await planRollback(target.address, request(context, record))
    return { target, plan: record === undefined ? withoutRecords(plan) : plan }
  })
  progress.end()
  const text = ways.map((way) => renderWay(context, way, record))
  if (context.options.json !== true) context.write(`${text.join('\n\n')}\n\n`)
  const due = ways.filter(
    (way) => statusOfPlan(way) === 'ok' && way.plan.records.length > 0 && findReverted(way) === null,
  )
  const stopped = ways.some((way) => statusOfPlan(way) !== 'ok') && context.options.keepGoing !== true
  if (stopped || due.length === 0) return finishUnreverted(context, { found, ways, record, stopped })
  const question = `Roll back ${due.map(({ target }) => target.address.name).join(', ')}?`
  if (context.options.yes !== true && !(await confirm(context, question)))
    return finishUnreverted(context, { found, ways, record, stopped: true })
  return revertAll(context, { found, ways, due, record, progress })
}

function request(context: RunContext, record: string | undefined): Parameters<typeof planRollback>[1] {
  const { through = false, force = false } = context.options
  return { by: controllerName(), signal: context.signal, master: true, record, through, force }
}

/** Nothing was asked for by name and nothing is there to take back: that is no refusal. */
function withoutRecords(plan: RollbackPlan): RollbackPlan {
  return { ...plan, diagnostics: plan.diagnostics.filter(({ code }) => code !== 'RECORD_UNKNOWN') }
}

function renderWay(context: RunContext, way: Way, record: string | undefined): string {
  const options = textOptions(context)
  const ending = endingOf(context, way, record)
  const last = ending === null ? [] : renderEnding({ state: ending.state, next: [ending.next] }, options)
  return [renderRollback({ host: way.target.address.name, ...way.plan }, options), ...last].join('\n')
}

/** Of a host that is not rolled back: why is in its diagnostics. */
function endingOf(context: RunContext, way: Way, record: string | undefined): Ending | null {
  const { diagnostics } = way.plan
  const isUnknown = diagnostics.some(({ code }) => code === 'RECORD_UNKNOWN')
  const command = isUnknown ? { verb: 'records' } : rollbackCommand(context, record)
  return endingUnwritten(context, way.target.address, { status: statusOfPlan(way), diagnostics, command })
}

function rollbackCommand({ options }: RunContext, record: string | undefined): Command {
  const { through = false, force = false } = options
  const flags = [...(through ? ['--through'] : []), ...(force ? ['--force'] : [])]
  return { verb: 'rollback', playbooks: record === undefined ? [] : [record], flags }
}

/** The record that was asked for, where it was taken back before. */
function findReverted({ plan }: Way): string | null {
  const asked = plan.records.at(-1)
  return asked?.state === 'reverted' ? asked.id : null
}

function statusOfPlan({ plan }: Way): HostDocument['status'] {
  if (!plan.reached) return 'unreachable'
  return hasErrors(plan.diagnostics) ? 'refused' : 'ok'
}

const nothing = { record: null, state: null, reboot: 'none', regenerated: [], leftToDo: [] } as const

function unreverted(context: RunContext, way: Way, record: string | undefined): HostDocument {
  const ending = endingOf(context, way, record)
  const reverted = findReverted(way)
  return {
    host: way.target.address.name,
    status: statusOfPlan(way),
    diagnostics: way.plan.diagnostics,
    ...nothing,
    ...(reverted !== null && { record: reverted, state: 'reverted' }),
    next: ending === null ? [] : [ending.next],
    changes: publicChanges(way),
  }
}

function publicChanges({ plan }: Way): unknown[] {
  return plan.changes.map((change) => publicChange(change, { before: 'shown', after: 'shown' }))
}

type Asked = { readonly found: FoundHosts; readonly ways: readonly Way[]; readonly record: string | undefined }

function finishUnreverted(
  context: RunContext,
  { found, ways, record, stopped }: Asked & { readonly stopped: boolean },
): number {
  const hosts = ways.map((way) => unreverted(context, way, record))
  const { diagnostics } = found
  const code = exitCodeOf({ diagnostics, hosts })
  const isOthers = stopped && hosts.some(({ status }) => status === 'ok') && hosts.some(({ status }) => status !== 'ok')
  const others = isOthers ? ' (--keep-going rolls back the others)' : ''
  return finish(context, {
    diagnostics,
    hosts,
    text: [stopped ? `Nothing was written on any host${others}.` : 'Nothing to roll back.'],
    exitCode: stopped && code === exitCodes.ok ? exitCodes.failed : code,
  })
}

type Reverting = Asked & { readonly due: readonly Way[]; readonly progress: Progress }

async function revertAll(context: RunContext, reverting: Reverting): Promise<number> {
  const { found, ways, due, record } = reverting
  const done = await runBatches(context, due, {
    serial: context.options.reboot === true,
    addressOf: ({ target }) => target.address,
    work: (way) => revertHost(context, way, reverting),
    isFailed: ({ document }) => document.status !== 'ok',
    skip: (way) => skipped(context, way, record),
  })
  const all = ways.map((way) => done[due.indexOf(way)] ?? { document: unreverted(context, way, record), text: '' })
  return finish(context, {
    diagnostics: found.diagnostics,
    hosts: all.map(({ document }) => document),
    text: all.map(({ text }) => text),
  })
}

function skipped(context: RunContext, way: Way, record: string | undefined): Done {
  const { diagnostic, next, text } = notBegun(context, way.target.address.name, rollbackCommand(context, record))
  const document = unreverted(context, way, record)
  const diagnostics = [...document.diagnostics, diagnostic]
  return { document: { ...document, status: 'failed', diagnostics, next: [next] }, text }
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
  return describeDone(context, { way, record, reverted, boot })
}

type Finished = {
  readonly way: Way
  readonly record: string | undefined
  readonly reverted: ApplyResult
  readonly boot: RebootOutcome | null
}

function describeDone(context: RunContext, { way, record: asked, reverted, boot }: Finished): Done {
  const { address } = way.target
  const { record, state, regenerated, leftToDo } = reverted
  const reboot = boot?.isBack === true ? 'done' : reverted.reboot
  const ending = endingWritten(context, address, { result: reverted, boot, command: rollbackCommand(context, asked) })
  const isRebootDue = reboot === 'needed' && address.root === null
  const document: HostDocument = {
    host: address.name,
    status: statusOf(reverted, boot),
    diagnostics: [...reverted.diagnostics, ...(boot?.diagnostics ?? [])],
    record,
    state,
    reboot,
    regenerated,
    leftToDo,
    next: ending ? [ending.next] : isRebootDue ? [commandLine(context, 'reboot', { host: address.name })] : [],
    boot: boot?.rows ?? [],
    changes: publicChanges(way),
  }
  const outcome = reverted.outcome === 'reverted' ? 'rolled back' : reverted.outcome
  const shown = { ...document, outcome, rows: boot?.rows ?? [], ending: ending?.state ?? null }
  return { document, text: renderDone(shown, textOptions(context)) }
}

function statusOf(reverted: ApplyResult, boot: RebootOutcome | null): HostDocument['status'] {
  if (!reverted.reached) return 'unreachable'
  if (reverted.outcome === 'refused') return 'refused'
  return reverted.outcome === 'reverted' ? (boot?.status ?? 'ok') : 'failed'
}
