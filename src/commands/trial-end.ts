import type { BootRow } from '../checks/compare-boot.ts'
import { error, type Diagnostic } from '../core/diagnostic.ts'
import type { HostAddress } from '../core/host-address.ts'
import type { NextBoot } from '../core/plan.ts'
import type { RecordState } from '../core/record.ts'
import type { ApplyResult } from '../host/execute.ts'
import type { BootStatus } from '../host/read-status.ts'
import type { HostDocument, HostStatus } from '../report/documents.ts'
import { renderDone } from '../report/done-text.ts'
import type { Progress } from '../report/progress.ts'
import { formatTime } from '../report/time-text.ts'
import type { Ending } from './endings.ts'
import { commandLine, sshCommand } from './next-commands.ts'
import { textOptions, type RunContext } from './run-context.ts'

/** A record whose boot is tried on one host. */
export type Trial = {
  readonly address: HostAddress
  readonly record: string
  /** null: nothing is known to compare with, and a person must confirm. */
  readonly predicted: NextBoot | null
  readonly confirmWithinMs: number
  readonly progress: Progress
}

/** How a trial went. What the host said last counts, never what was meant to happen. */
export type TrialEnd = {
  readonly outcome: TrialOutcome
  readonly status: HostStatus
  /** As the host said last. */
  readonly state: RecordState | null
  readonly reboot: 'none' | 'needed' | 'done'
  readonly rows: readonly BootRow[]
  readonly diagnostics: readonly Diagnostic[]
  /** Of the commit. */
  readonly applied: Pick<ApplyResult, 'regenerated' | 'leftToDo'> | null
  /** Until then an unconfirmed trial runs on, by this machine's clock. */
  readonly confirmBy: Date | null
  /** null where all went well. */
  readonly ending: Ending | null
}

/**
 * `held`: it runs, and a person confirms it; `left`: this machine reboots itself; `untried`: it did not reboot, or into
 * something else; `unconfirmed`: `passway confirm` refused; `lost`: nobody knows.
 */
export type TrialOutcome = 'committed' | 'held' | 'left' | 'reverted' | 'untried' | 'unconfirmed' | 'failed' | 'lost'

/** The defaults of an end: a host that is back, and failed. */
export function endTrial(
  end: Pick<TrialEnd, 'outcome' | 'state' | 'diagnostics' | 'ending'> & Partial<TrialEnd>,
): TrialEnd {
  return { status: 'failed', reboot: 'done', rows: [], applied: null, confirmBy: null, ...end }
}

/** The host took it back without being asked to: why, and what the kernel of the boot that failed said last. */
export function endReverted(
  context: RunContext,
  { address, record }: Trial,
  status: BootStatus,
  told: readonly Diagnostic[],
): TrialEnd {
  const reason = status.last?.id === record ? status.last.reason : null
  const why = reason === null ? '' : `: ${reason.text === '' ? reason.code : reason.text} (${reason.code})`
  const diagnostic = error('TRIAL_REVERTED', `${address.name} took record ${record} back by itself${why}`, {
    hint: 'nothing of it is left there; plan again when the cause is mended',
    ...(status.previousBoot.length > 0 && {
      evidence: ['the last kernel lines of the boot that failed:', ...status.previousBoot],
    }),
  })
  const state = `as it was before: record ${record} is reverted, as it said after its boot ${status.bootId}`
  return endTrial({
    outcome: 'reverted',
    state: 'reverted',
    diagnostics: [...told, diagnostic],
    ending: { state, next: commandLine(context, 'records', { host: address.name }) },
  })
}

/** It runs on, and a person decides. */
export function endHeld(
  context: RunContext,
  { address, record }: Trial,
  held: Pick<TrialEnd, 'rows' | 'diagnostics' | 'confirmBy'>,
): TrialEnd {
  const isCompared = !held.diagnostics.some(({ code }) => code === 'TRIAL_UNCOMPARED')
  const next = commandLine(context, 'confirm', { host: address.name, flags: isCompared ? [] : ['--force'] })
  return endTrial({
    outcome: 'held',
    status: isCompared ? 'ok' : 'failed',
    state: 'trial',
    ...held,
    ending: isCompared ? null : { state: `it runs the trial of record ${record}, and waits for a person`, next },
  })
}

/** It was asked to reboot and nothing was heard of it since. */
export function endUnreachable(
  context: RunContext,
  { address, record }: Trial,
  { diagnostics, askedAt, by }: { diagnostics: readonly Diagnostic[]; askedAt: Date; by: Date },
): TrialEnd {
  const isStopped = context.signal.aborted
  const asked = `it was told at ${formatTime(askedAt)} to boot the trial of record ${record}`
  const promise = 'unconfirmed, it takes the trial back by itself and boots what it had before'
  const state = isStopped
    ? `not known: ${asked}; ${promise}, by ${formatTime(by)}`
    : `not known: ${asked}; ${promise}, which was due by ${formatTime(by)}. Its loader tries the trial no second time: switching it off and on boots what it had before`
  const manual = address.connection === 'ssh' ? sshCommand(address) : commandLine(context, 'records', {})
  const next = isStopped ? commandLine(context, 'confirm', { host: address.name }) : manual
  return endTrial({
    outcome: 'lost',
    status: isStopped ? 'failed' : 'unreachable',
    state: 'armed',
    reboot: 'needed',
    diagnostics,
    ending: { state, next },
  })
}

/** What a host's run came to, for programs and for people. */
export type Done = { readonly document: HostDocument; readonly text: string }

type Shown = {
  readonly end: TrialEnd
  readonly address: HostAddress
  readonly record: string
  /** Of staging, where this run did that. */
  readonly staged?: ApplyResult
}

/** A host's document and text after its trial. */
export function describeTrial(context: RunContext, { end, address, record, staged }: Shown): Done {
  const done = [staged?.regenerated ?? [], end.applied?.regenerated ?? []].flat()
  const document: HostDocument = {
    host: address.name,
    status: end.status,
    diagnostics: [...(staged?.diagnostics ?? []), ...end.diagnostics],
    record,
    state: end.state,
    reboot: end.reboot,
    regenerated: [...new Set(done)],
    leftToDo: end.applied?.leftToDo ?? staged?.leftToDo ?? [],
    next: nextOf(context, address, end),
    boot: end.rows,
    ...(end.confirmBy !== null && { confirmBy: end.confirmBy.toISOString() }),
  }
  const words: Partial<Record<TrialOutcome, string>> = { committed: 'tried', reverted: 'taken back' }
  const shown = {
    ...document,
    outcome: words[end.outcome] ?? end.outcome,
    rows: end.rows,
    ending: end.ending?.state ?? null,
  }
  return { document, text: renderDone(shown, textOptions(context)) }
}

function nextOf(context: RunContext, { name }: HostAddress, { ending, outcome }: TrialEnd): string[] {
  if (ending !== null) return [ending.next]
  const back = commandLine(context, 'rollback', { host: name, flags: outcome === 'committed' ? [] : ['--reboot'] })
  return outcome === 'committed' ? [back] : [commandLine(context, 'confirm', { host: name }), back]
}
