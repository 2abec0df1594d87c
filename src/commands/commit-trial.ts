import { error, type Diagnostic } from '../core/diagnostic.ts'
import { abortTrial, confirmTrial } from '../host/end-trial.ts'
import type { ApplyResult } from '../host/execute.ts'
import { readStatus, type BootStatus } from '../host/read-status.ts'
import { requestReboot } from '../host/reboot.ts'
import { awaitReturn, rebootTimeout } from './await-return.ts'
import type { Comparison } from './compare-host.ts'
import { controllerName } from './controller.ts'
import { commandLine, sshCommand } from './next-commands.ts'
import { endOptions, isOver, readSettled } from './read-settled.ts'
import { rebootAndCompare } from './reboot-host.ts'
import type { RunContext } from './run-context.ts'
import { endReverted, endTrial, type Trial, type TrialEnd } from './trial-end.ts'

/** A trial that runs, and how its boot compared. */
export type Judged = {
  readonly status: BootStatus
  readonly compared: Comparison
  readonly told: readonly Diagnostic[]
}

/** Confirms over a new connection. What the host says afterwards counts: its own deadline may have been faster. */
export async function commitTrial(
  context: RunContext,
  trial: Trial,
  { status, compared, told }: Judged,
): Promise<TrialEnd> {
  const { rows } = compared
  trial.progress.tell(trial.address.name, 'it booted as predicted: confirming')
  const done = await confirmTrial(trial.address, endOptions(context, trial))
  const heard = [...told, ...done.diagnostics]
  if (done.outcome === 'committed') return endCommitted(context, trial, { rows, applied: done, diagnostics: heard })
  if (done.outcome === 'reverted') return leaveTrial(context, trial, { status, rows, told: heard })
  const read = await readSettled(context, trial, (now) => isOver(now, trial.record))
  if (!read.ok) return endUnknown(context, trial, [...heard, ...read.diagnostics])
  const end = await endSettled(context, trial, { status: read.status, rows, told: withoutErrors(heard) })
  return end.outcome === 'committed' ? { ...end, applied: done } : end
}

/** Not confirmed, but the host has ended it otherwise: why it refused is a consequence. */
export function withoutErrors(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  return diagnostics.map((found) => (found.severity === 'error' ? { ...found, severity: 'warning' } : found))
}

/** As predicted it is not: the same way back as the host has by itself, at once. */
export async function takeBack(
  context: RunContext,
  trial: Trial,
  { status, compared, told }: Judged,
): Promise<TrialEnd> {
  const { rows, diagnostics, isRead } = compared
  const heard = [...told, ...diagnostics]
  trial.progress.tell(
    trial.address.name,
    `${isRead ? 'it booted otherwise than predicted' : 'it could not be read'}: taking record ${trial.record} back`,
  )
  const undone = await abortTrial(trial.address, endOptions(context, trial))
  if (undone.outcome === 'reverted')
    return leaveTrial(context, trial, { status, rows, told: [...heard, ...undone.diagnostics] })
  const read = await readSettled(context, trial, (now) => isOver(now, trial.record))
  const all = [...heard, ...undone.diagnostics]
  if (!read.ok) return { ...endUnknown(context, trial, [...all, ...read.diagnostics]), rows }
  return endSettled(context, trial, { status: read.status, rows, told: all })
}

/** Nobody answered to the end, and this is what the host says since. */
async function endSettled(context: RunContext, trial: Trial, leaving: Leaving): Promise<TrialEnd> {
  const { status, rows, told } = leaving
  const { address, record } = trial
  const isLeft = status.token !== record || status.last?.id !== record || status.last.state !== 'reverted'
  if (isLeft) return { ...endOfStatus(context, trial, status, told), rows }
  if (status.last?.reason?.code !== 'ABORTED') return leaveTrial(context, trial, leaving)
  const state = `record ${record} was taken back by somebody else; the boot that runs is still its trial`
  const ending = { state, next: commandLine(context, 'reboot', { host: address.name }) }
  const why = error('TRIAL_ABORTED', `${status.last.reason.text}: record ${record}`)
  return endTrial({
    outcome: 'reverted',
    state: 'reverted',
    reboot: 'needed',
    rows,
    diagnostics: [...told, why],
    ending,
  })
}

type Leaving = { readonly status: BootStatus; readonly rows: TrialEnd['rows']; readonly told: readonly Diagnostic[] }

/** The record is taken back, and the boot that runs is still its trial. Guests started by it end with it. */
async function leaveTrial(context: RunContext, trial: Trial, { status, rows, told }: Leaving): Promise<TrialEnd> {
  const { address, record, progress } = trial
  const host = address.name
  const reverted = { outcome: 'reverted', state: 'reverted', rows } as const
  progress.tell(host, 'rebooting into what it had before')
  const asked = await requestReboot(address, {
    by: controllerName(),
    accept: ['GUESTS_RUNNING'],
    signal: context.signal,
  })
  if (!asked.ok) {
    const state = `record ${record} is reverted; the boot that runs is still its trial: it did not reboot`
    const ending = { state, next: commandLine(context, 'reboot', { host }) }
    return endTrial({ ...reverted, reboot: 'needed', diagnostics: [...told, ...asked.diagnostics], ending })
  }
  const awaited = { ...trial, previousBootId: status.bootId, patienceMs: rebootTimeout(context) }
  const back = await awaitReturn(context, awaited)
  const heard = [...told, ...back.diagnostics]
  if (!back.isBack) {
    const state = `record ${record} is reverted; it was told to boot what it had before, and has not answered since`
    const next = address.connection === 'ssh' ? sshCommand(address) : commandLine(context, 'records', { host })
    const ending = { state, next }
    return endTrial({ ...reverted, status: 'unreachable', reboot: 'needed', diagnostics: heard, ending })
  }
  const read = await readStatus(address, { by: controllerName(), signal: context.signal })
  const isWithout = read.ok && read.status.token === null
  const state = isWithout
    ? `as it was before: record ${record} was taken back, and it booted without it (boot ${back.bootId})`
    : `record ${record} was taken back; what booted since (boot ${back.bootId}) could not be read`
  const ending = { state, next: commandLine(context, 'records', { host }) }
  return endTrial({ ...reverted, diagnostics: [...heard, ...(read.ok ? [] : read.diagnostics)], ending })
}

type Committed = {
  readonly rows: TrialEnd['rows']
  readonly applied: ApplyResult
  readonly diagnostics: readonly Diagnostic[]
}

/** With `--soak` a plain boot proves what was written for good. */
async function endCommitted(context: RunContext, trial: Trial, committed: Committed): Promise<TrialEnd> {
  const { address, record, predicted, progress } = trial
  const end = endTrial({ outcome: 'committed', status: 'ok', state: 'committed', ending: null, ...committed })
  if (context.options.soak !== true) return end
  const boot = await rebootAndCompare(context, address, { predicted, progress })
  const diagnostics = [...committed.diagnostics, ...boot.diagnostics]
  const rows = boot.rows.length > 0 ? boot.rows : committed.rows
  if (boot.status === 'ok') return { ...end, rows, diagnostics }
  const state = boot.isBack
    ? `record ${record} is committed; the plain boot after it is not as predicted`
    : `record ${record} is committed; the plain boot after it ${boot.isAsked ? 'did not answer' : 'was refused'}`
  const flags = boot.isBack ? ['--reboot'] : []
  const next = commandLine(context, boot.isBack ? 'rollback' : 'reboot', { host: address.name, flags })
  return { ...end, status: 'failed', rows, diagnostics, ending: { state, next } }
}

/** Nobody asked for what the host says now. */
export function endOfStatus(
  context: RunContext,
  trial: Trial,
  status: BootStatus,
  told: readonly Diagnostic[],
): TrialEnd {
  const { address, record } = trial
  const state = status.open?.id === record ? status.open.state : status.last?.id === record ? status.last.state : null
  if (state === 'reverted') return endReverted(context, trial, status, told)
  if (state === 'committed')
    return endTrial({ outcome: 'committed', status: 'ok', state, diagnostics: told, ending: null })
  const host = address.name
  const why = error('TRIAL_NOT_BOOTED', `${host} booted, and not into the trial of record ${record}`, {
    evidence: [`boot ${status.bootId}, kernel ${status.kernelRelease}, trial ${status.token ?? 'none'}`],
  })
  const words =
    state === null ? `it does not know record ${record} any more` : `record ${record} is ${state}, as it says`
  const ending = { state: words, next: commandLine(context, 'records', { host }) }
  return endTrial({ outcome: 'failed', state, diagnostics: [...told, why], ending })
}

function endUnknown(context: RunContext, trial: Trial, diagnostics: readonly Diagnostic[]): TrialEnd {
  const { address, record } = trial
  const state = `not known: it ran the trial of record ${record}; unconfirmed, it takes that back by itself`
  const next = address.connection === 'ssh' ? sshCommand(address) : commandLine(context, 'records', {})
  return endTrial({
    outcome: 'lost',
    status: 'unreachable',
    state: 'trial',
    diagnostics,
    ending: { state, next },
  })
}
