import type { HostAddress } from '../core/host-address.ts'
import type { ApplyResult } from '../host/execute.ts'
import { readRecords } from '../host/read-records.ts'
import type { HostDocument } from '../report/documents.ts'
import { renderDone, renderEnding } from '../report/done-text.ts'
import { escapeForTerminal } from '../report/escape.ts'
import { controllerName } from './controller.ts'
import { endingWritten } from './endings.ts'
import { finish } from './finish.ts'
import { commandLine } from './next-commands.ts'
import { notBegun } from './not-begun.ts'
import type { HostResult, PlannedHosts } from './plan-hosts.ts'
import { rebootAndCompare, type RebootOutcome } from './reboot-host.ts'
import { keepCopies } from './record-copies.ts'
import { rescueLines } from './rescue-lines.ts'
import { runBatches } from './run-batches.ts'
import { confirmWithin, textOptions, type RunContext } from './run-context.ts'
import { endingOf } from './show-plans.ts'
import { tellWayBack } from './tell-way-back.ts'
import { describeTrial, type Done } from './trial-end.ts'
import { tryBoot } from './try-boot.ts'
import { nothingWritten, writePlan, type Again, type ApplyRun } from './write-plan.ts'

/** Applies what is due, host by host, and says how each ended. */
export async function applyHosts(
  context: RunContext,
  {
    planned,
    due,
    run,
  }: { readonly planned: PlannedHosts; readonly due: readonly HostResult[]; readonly run: ApplyRun },
): Promise<number> {
  const done = await runBatches(context, due, {
    serial: context.options.reboot === true,
    addressOf: ({ target }) => target.address,
    work: (host) => applyHost(context, host, run),
    isFailed: ({ document }) => document.status !== 'ok',
    skip: (host) => skipped(context, host, run),
  })
  const all = planned.hosts.map((host) => done[due.indexOf(host)] ?? leftOut(context, host, run))
  return finish(context, {
    diagnostics: planned.diagnostics,
    hosts: all.map(({ document }) => document),
    text: all.map(({ text }) => text),
  })
}

/** A host that was refused, not reached, or had nothing to do, among others that were applied. */
function leftOut(context: RunContext, host: HostResult, { again }: ApplyRun): Done {
  const { address } = host.target
  const document = unwritten(context, host, again, {
    host: address.name,
    status: host.status,
    diagnostics: host.plan?.diagnostics ?? host.diagnostics,
  })
  const ending = endingOf(context, host, again)
  if (ending === null) return { document, text: '' }
  const heading = `${context.paint.strong(escapeForTerminal(address.name))}  ${context.paint.error(statusWords[host.status])}`
  const last = renderEnding({ state: ending.state, next: [ending.next] }, textOptions(context))
  return { document, text: [heading, ...last].join('\n') }
}

const statusWords = { ok: '', refused: 'refused', unreachable: 'not reached', failed: 'failed' } as const

function skipped(context: RunContext, host: HostResult, { again }: ApplyRun): Done {
  const { name } = host.target.address
  const flags = context.options.reboot === true ? ['--reboot'] : []
  const { diagnostic, next, text } = notBegun(context, name, again.verb === 'apply' ? { ...again, flags } : again)
  const document = { host: name, status: 'failed', diagnostics: [diagnostic], ...nothing, next: [next] } as const
  return { document, text }
}

async function applyHost(context: RunContext, host: HostResult, run: ApplyRun): Promise<Done> {
  const { plan, target } = host
  if (plan === null) throw new Error('a host without a plan is not applied')
  const applied = isWritten(plan) ? await writePlan(context, host, run) : { ...nothingWritten, reboot: plan.reboot }
  if (applied.record !== null) await copyRecords(target.address)
  if (applied.outcome === 'staged' && applied.record !== null && context.options.reboot === true)
    return bootTrial(context, host, { run, applied, record: applied.record })
  const isReboot = context.options.reboot === true && applied.outcome === 'committed' && applied.reboot === 'needed'
  if (isReboot && applied.record !== null) {
    const rescue = rescueLines(applied.record, host.places, { trial: false })
    tellWayBack(context, target.address, { record: applied.record, rescue, confirmWithinMs: null })
  }
  const boot = isReboot
    ? await rebootAndCompare(context, target.address, { predicted: plan.nextBoot, progress: run.progress })
    : null
  return describeDone(context, { address: target.address, again: run.again, applied, boot })
}

type Staged = { readonly run: ApplyRun; readonly applied: ApplyResult; readonly record: string }

async function bootTrial(context: RunContext, host: HostResult, { run, applied, record }: Staged): Promise<Done> {
  const { address } = host.target
  const confirmWithinMs = confirmWithin(context)
  tellWayBack(context, address, { record, rescue: rescueLines(record, host.places, { trial: true }), confirmWithinMs })
  const predicted = host.plan?.nextBoot ?? null
  const end = await tryBoot(context, { address, record, predicted, confirmWithinMs, progress: run.progress })
  if (end.status === 'ok' && end.outcome !== 'left') await copyRecords(address)
  return describeTrial(context, { end, address, record, staged: applied })
}

/** The controller keeps what the host tells of its records, for when the host does not answer. */
async function copyRecords(address: HostAddress): Promise<void> {
  const { reached, records } = await readRecords(address, { by: controllerName(), master: true })
  if (reached) keepCopies(address.name, records)
}

type Finished = {
  readonly address: HostAddress
  readonly again: Again
  readonly applied: ApplyResult
  readonly boot: RebootOutcome | null
}

function describeDone(context: RunContext, { address, again, applied, boot }: Finished): Done {
  const { record, state, regenerated, leftToDo } = applied
  const reboot = boot?.isBack === true ? 'done' : applied.reboot
  const ending = endingWritten(context, address, { result: applied, boot, command: again })
  const document: HostDocument = {
    host: address.name,
    status: statusOf(applied, boot),
    diagnostics: [...applied.diagnostics, ...(boot?.diagnostics ?? [])],
    record,
    state,
    reboot,
    regenerated,
    leftToDo,
    next: ending === null ? nextOf(context, address, reboot) : [ending.next],
    boot: boot?.rows ?? [],
  }
  const shown = { ...document, outcome: applied.outcome, rows: boot?.rows ?? [], ending: ending?.state ?? null }
  return { document, text: renderDone(shown, textOptions(context)) }
}

/** What a person may do now that all went well. A tree does not boot. */
function nextOf(context: RunContext, { name, root }: HostAddress, reboot: string): string[] {
  const back = commandLine(context, 'rollback', { host: name })
  return reboot === 'needed' && root === null ? [commandLine(context, 'reboot', { host: name }), back] : [back]
}

function statusOf(applied: ApplyResult, boot: RebootOutcome | null): HostDocument['status'] {
  if (!applied.reached) return 'unreachable'
  if (applied.outcome === 'refused') return 'refused'
  if (!['committed', 'staged', 'done'].includes(applied.outcome)) return 'failed'
  return boot?.status ?? 'ok'
}

/** Something is to be written or rebuilt. */
export function isWritten(plan: NonNullable<HostResult['plan']>): boolean {
  return plan.changes.length > 0 || plan.regenerate.length > 0
}

const nothing = { record: null, state: null, reboot: 'none', regenerated: [], leftToDo: [] } as const

/** The document of a host that nothing was written on. */
export function unwritten(context: RunContext, host: HostResult, again: Again, document: HostDocument): HostDocument {
  const ending = endingOf(context, host, again)
  return { ...document, ...nothing, next: ending === null ? [] : [ending.next] }
}
