import { error, hasErrors, type Diagnostic } from '../core/diagnostic.ts'
import type { BootStatus } from '../host/read-status.ts'
import { requestReboot, type RebootAsked } from '../host/reboot.ts'
import { awaitReturn } from './await-return.ts'
import { commitTrial, endOfStatus, takeBack, withoutErrors } from './commit-trial.ts'
import { compareSettled } from './compare-host.ts'
import { controllerName } from './controller.ts'
import { commandLine, sshCommand } from './next-commands.ts'
import { patience, readSettled } from './read-settled.ts'
import type { RunContext } from './run-context.ts'
import { endHeld, endTrial, endUnreachable, type Trial, type TrialEnd } from './trial-end.ts'

/**
 * Boots a staged record once: arms and reboots the host, waits, asks where it stands, compares the boot with its
 * prediction, confirms. One that boots otherwise is taken back and rebooted. The host needs none of this to come back.
 */
export async function tryBoot(context: RunContext, trial: Trial): Promise<TrialEnd> {
  const { address, record, progress, confirmWithinMs } = trial
  const askedAt = new Date()
  const by = new Date(askedAt.getTime() + patience(context, trial))
  const asked = await requestReboot(address, {
    by: controllerName(),
    signal: context.signal,
    confirmWithinSeconds: Math.ceil(confirmWithinMs / 1000),
  })
  if (asked.ok || asked.isCut) progress.tell(address.name, `rebooting into the trial of record ${record}`)
  if (!asked.ok && (!asked.isCut || address.connection === 'local')) return endUntried(context, trial, asked)
  if (!asked.ok) return settle(context, trial, { told: withoutErrors(asked.diagnostics), askedAt, by })
  if (address.connection === 'local') return endLeft(trial, asked, by)
  const previousBootId = asked.bootId
  const back = await awaitReturn(context, { ...trial, previousBootId, patienceMs: patience(context, trial) })
  const told = [...asked.diagnostics, ...back.diagnostics]
  if (back.isStill) return endStill(context, trial, told)
  if (!back.isBack) return endUnreachable(context, trial, { diagnostics: told, askedAt, by })
  return settle(context, trial, { told, askedAt, by })
}

type Asked = { readonly told: readonly Diagnostic[]; readonly askedAt: Date; readonly by: Date }

/** Where it stands, as it says itself. */
async function settle(context: RunContext, trial: Trial, { told, askedAt, by }: Asked): Promise<TrialEnd> {
  const { record } = trial
  const read = await readSettled(context, trial, ({ open, token }) => open?.id !== record || token === record)
  if (read.ok) return judge(context, trial, read.status, told)
  return endUnreachable(context, trial, { diagnostics: [...told, ...read.diagnostics], askedAt, by })
}

function endUntried(
  context: RunContext,
  { address, record }: Trial,
  { armed, diagnostics, reached }: Extract<RebootAsked, { ok: false }>,
): TrialEnd {
  const state = armed === record ? 'armed' : 'staged'
  const host = address.name
  const isSsh = address.connection === 'ssh'
  return endTrial({
    outcome: 'untried',
    status: reached ? (armed === record ? 'failed' : 'refused') : 'unreachable',
    state,
    reboot: 'needed',
    diagnostics,
    ending: reached
      ? {
          state: `record ${record} is ${state}, and it still runs: it did not reboot, as it said`,
          next: commandLine(context, 'reboot', { host }),
        }
      : {
          state: `record ${record} is staged, as far as is known: it was not reached any more`,
          next: isSsh ? sshCommand(address) : commandLine(context, 'records', { host }),
        },
  })
}

/** It never went down. What is armed stays so for whatever boot comes next. */
function endStill(context: RunContext, { address, record }: Trial, diagnostics: readonly Diagnostic[]): TrialEnd {
  const state = `record ${record} is armed: it was told to reboot and still runs the boot of before; the next one tries it`
  const next = commandLine(context, 'reboot', { host: address.name })
  return endTrial({ outcome: 'untried', state: 'armed', reboot: 'needed', diagnostics, ending: { state, next } })
}

/** This machine goes down now, and this program with it. */
function endLeft({ record }: Trial, { armed, diagnostics }: Extract<RebootAsked, { ok: true }>, by: Date): TrialEnd {
  const state = armed === record ? 'armed' : 'staged'
  return endTrial({ outcome: 'left', status: 'ok', state, reboot: 'needed', diagnostics, confirmBy: by, ending: null })
}

/** The host is back: what it booted decides. */
async function judge(
  context: RunContext,
  trial: Trial,
  status: BootStatus,
  told: readonly Diagnostic[],
): Promise<TrialEnd> {
  const { address, record, predicted } = trial
  if (status.token !== record || status.open?.id !== record) return endOfStatus(context, trial, status, told)
  const left = status.open.secondsLeft
  const confirmBy = left === null ? null : new Date(Date.now() + left * 1000)
  if (predicted === null) {
    const uncompared = error('TRIAL_UNCOMPARED', `nothing is known to compare the boot of ${address.name} with`)
    return endHeld(context, trial, { rows: [], diagnostics: [...told, uncompared], confirmBy })
  }
  const compared = await compareSettled(context, address, { predicted, trial: record })
  if (hasErrors(compared.diagnostics)) return takeBack(context, trial, { status, compared, told })
  if (context.options.hold === true)
    return endHeld(context, trial, { rows: compared.rows, diagnostics: told, confirmBy })
  return commitTrial(context, trial, { status, compared, told })
}
