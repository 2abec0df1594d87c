import { error, hasErrors, type Diagnostic } from '../core/diagnostic.ts'
import type { NextBoot } from '../core/plan.ts'
import { readRecords } from '../host/read-records.ts'
import { recoverRecord } from '../host/end-trial.ts'
import { readStatus, type BootStatus, type StatusResult } from '../host/read-status.ts'
import { renderDone } from '../report/done-text.ts'
import { startProgress, type Progress } from '../report/progress.ts'
import { commitTrial, endOfStatus } from './commit-trial.ts'
import { compareHost, type Comparison } from './compare-host.ts'
import { controllerName } from './controller.ts'
import { endingUnwritten } from './endings.ts'
import { findAllHosts, type Target } from './find-hosts.ts'
import { finish } from './finish.ts'
import { commandLine } from './next-commands.ts'
import { endOptions } from './read-settled.ts'
import { keepCopies } from './record-copies.ts'
import { textOptions, type RunContext } from './run-context.ts'
import { runHosts } from './run-hosts.ts'
import { describeTrial, endReverted, endTrial, type Done, type Trial, type TrialEnd } from './trial-end.ts'

/** `passway confirm`: each host's open trial, if its boot is what its record predicts, is committed. */
export async function runConfirm(context: RunContext): Promise<number> {
  const found = await findAllHosts(context)
  if (hasErrors(found.diagnostics)) return finish(context, { diagnostics: found.diagnostics, hosts: [], text: [] })
  const progress = startProgress(context.writeError, { isTerminal: context.isProgressWanted, width: context.width })
  const done = await runHosts(found.targets, context.options.forks ?? 20, (target) =>
    confirmHost(context, target, progress),
  )
  progress.end()
  return finish(context, {
    diagnostics: found.diagnostics,
    hosts: done.map(({ document }) => document),
    text: done.map(({ text }) => text),
  })
}

async function confirmHost(context: RunContext, { address }: Target, progress: Progress): Promise<Done> {
  const unknown: Trial = { address, record: '', predicted: null, confirmWithinMs: 0, progress }
  const read = await readStatus(address, { by: controllerName(), signal: context.signal })
  if (!read.ok) return describeUnread(context, unknown, read)
  const { open, token } = read.status
  if (open === null) return describeClosed(context, unknown, read.status)
  const trial = { ...unknown, record: open.id, confirmWithinMs: (open.secondsLeft ?? 0) * 1000 }
  if (token === open.id) return describe(context, trial, await confirmOpen(context, trial, read.status))
  return describe(context, trial, await endNotRunning(context, trial, read.status))
}

function describe(context: RunContext, { address, record }: Trial, end: TrialEnd): Done {
  return describeTrial(context, { end, address, record })
}

/** The host runs it: compared first, committed then. */
async function confirmOpen(context: RunContext, trial: Trial, status: BootStatus): Promise<TrialEnd> {
  const { address, record } = trial
  const predicted = await findPrediction(context, trial)
  const compared =
    predicted === null ? notComparable(trial) : await compareHost(context, address, { predicted, trial: record })
  const isForced = context.options.force === true
  if (hasErrors(compared.diagnostics) && !isForced) return refuseTrial(context, trial, status, compared)
  const told: readonly Diagnostic[] = compared.diagnostics.map((found) => ({ ...found, severity: 'warning' }))
  return commitTrial(context, { ...trial, predicted }, { status, compared, told })
}

function notComparable({ address }: Trial): Comparison {
  const found = error('TRIAL_UNCOMPARED', `nothing is known to compare the boot of ${address.name} with`)
  return { rows: [], diagnostics: [found], isRead: false, reached: true }
}

async function findPrediction(context: RunContext, { address, record }: Trial): Promise<NextBoot | null> {
  const { reached, records } = await readRecords(address, { by: controllerName(), signal: context.signal })
  if (reached) keepCopies(address.name, records)
  return (records.find(({ id }) => id === record)?.document?.nextBoot ?? null) as NextBoot | null
}

/** The host takes it back by itself unless somebody insists. */
function refuseTrial(
  context: RunContext,
  { address, record }: Trial,
  { open }: BootStatus,
  { rows, diagnostics }: Comparison,
): TrialEnd {
  const host = address.name
  const left = open?.secondsLeft ?? null
  const hint = `${commandLine(context, 'confirm', { host, flags: ['--force'] })} commits it all the same`
  return endTrial({
    outcome: 'unconfirmed',
    status: 'refused',
    state: 'trial',
    rows,
    diagnostics: diagnostics.map((found) => ({ hint, ...found })),
    confirmBy: left === null ? null : new Date(Date.now() + left * 1000),
    ending: {
      state: `it runs the trial of record ${record}, which was not confirmed; ${hint}`,
      next: commandLine(context, 'rollback', { host, flags: ['--reboot'] }),
    },
  })
}

/** Something is open and this boot is not its trial: it waits for its boot, or was reverted by not being booted again. */
async function endNotRunning(context: RunContext, trial: Trial, status: BootStatus): Promise<TrialEnd> {
  const { address, record } = trial
  const host = address.name
  if (status.open?.state !== 'staged') {
    await recoverRecord(address, endOptions(context, trial))
    const read = await readStatus(address, { by: controllerName(), signal: context.signal })
    if (read.ok && read.status.open?.id !== record) return endOfStatus(context, trial, read.status, [])
  }
  const state = status.open?.state ?? null
  const why = error('TRIAL_NOT_BOOTED', `${host} does not run the trial of record ${record}`)
  const ending = { state: `record ${record} is ${state}, as it says`, next: commandLine(context, 'reboot', { host }) }
  return endTrial({ outcome: 'unconfirmed', status: 'refused', state, reboot: 'needed', diagnostics: [why], ending })
}

/** Nothing is open. A trial that ended by itself is told, for whoever confirms too late; anything else is no failure. */
function describeClosed(context: RunContext, trial: Trial, status: BootStatus): Done {
  const { last } = status
  const isByItself = last?.state === 'reverted' && last.reason !== null && last.reason.code !== 'ABORTED'
  if (last !== null && isByItself) {
    const late = { ...trial, record: last.id }
    return describe(context, late, endReverted(context, late, status, []))
  }
  const newest = { record: last?.id ?? null, state: last?.state ?? null }
  const fields = { ...newest, reboot: 'none', regenerated: [], leftToDo: [] } as const
  const document = { host: trial.address.name, status: 'ok', diagnostics: [], ...fields, next: [], boot: [] } as const
  const shown = { ...document, record: null, outcome: 'nothing to confirm', rows: [], ending: null }
  return { document, text: renderDone(shown, textOptions(context)) }
}

function describeUnread(context: RunContext, { address }: Trial, read: Extract<StatusResult, { ok: false }>): Done {
  const status = read.reached ? 'refused' : 'unreachable'
  const { diagnostics } = read
  const ending = endingUnwritten(context, address, { status, diagnostics, command: { verb: 'confirm' } })
  const fields = { record: null, state: null, reboot: 'none', regenerated: [], leftToDo: [] } as const
  const next = ending === null ? [] : [ending.next]
  const document = { host: address.name, status, diagnostics, ...fields, next, boot: [] } as const
  const shown = { ...document, outcome: status, rows: [], ending: ending?.state ?? null }
  return { document, text: renderDone(shown, textOptions(context)) }
}
