import { hasErrors, error } from '../core/diagnostic.ts'
import type { HostAddress } from '../core/host-address.ts'
import type { NextBoot } from '../core/plan.ts'
import { readRecords, type HostRecord } from '../host/read-records.ts'
import { closeMasters } from '../host/ssh-master.ts'
import type { HostDocument } from '../report/documents.ts'
import { renderDone } from '../report/done-text.ts'
import { startProgress, type Progress } from '../report/progress.ts'
import { controllerName } from './controller.ts'
import { findAllHosts, type Target } from './find-hosts.ts'
import { finish } from './finish.ts'
import { endingOfBoot } from './endings.ts'
import { commandLine } from './next-commands.ts'
import { notBegun } from './not-begun.ts'
import { predictFromFiles } from './predict-from-files.ts'
import { rebootAndCompare, type RebootOutcome } from './reboot-host.ts'
import { keepCopies } from './record-copies.ts'
import { runBatches } from './run-batches.ts'
import { confirmWithin, textOptions, type RunContext } from './run-context.ts'
import { tellWayBack } from './tell-way-back.ts'
import { describeTrial, endTrial, type Done } from './trial-end.ts'
import { tryBoot } from './try-boot.ts'

/** `passway reboot`: one host after the other; the first that does not come back as predicted stops the rest. */
export async function runReboot(context: RunContext): Promise<number> {
  const found = await findAllHosts(context)
  if (hasErrors(found.diagnostics)) return finish(context, { diagnostics: found.diagnostics, hosts: [], text: [] })
  const progress = startProgress(context.writeError, { isTerminal: context.isProgressWanted, width: context.width })
  try {
    const done = await runBatches(context, found.targets, {
      serial: true,
      addressOf: ({ address }) => address,
      work: (target) => rebootTarget(context, target, progress),
      isFailed: ({ document }) => document.status !== 'ok',
      skip: (target) => skipped(context, target),
    })
    progress.end()
    return finish(context, {
      diagnostics: found.diagnostics,
      hosts: done.map(({ document }) => document),
      text: done.map(({ text }) => text),
    })
  } finally {
    progress.end()
    await closeMasters()
  }
}

async function rebootTarget(context: RunContext, { address }: Target, progress: Progress): Promise<Done> {
  const { records, diagnostics, reached } = await readRecords(address, { by: controllerName(), signal: context.signal })
  if (!reached)
    return describeReboot(context, address, {
      status: 'unreachable',
      rows: [],
      diagnostics,
      isAsked: false,
      isBack: false,
    })
  const newest = records.at(-1)
  if (newest?.state === 'staged' || newest?.state === 'armed') return bootTrial(context, address, { newest, progress })
  if (newest?.state === 'trial' || newest?.state === 'confirmed') return refuseOpen(context, address, newest)
  const isCommitted = newest?.state === 'committed'
  const predicted = (isCommitted && findPrediction(newest)) || (await predictFromFiles(context, address))
  const rescue = isCommitted ? (newest.document?.rescue ?? []) : []
  if (isCommitted && rescue.length > 0)
    tellWayBack(context, address, { record: newest.id, rescue, confirmWithinMs: null })
  return describeReboot(context, address, await rebootAndCompare(context, address, { predicted, progress }))
}

type Waiting = { readonly newest: HostRecord; readonly progress: Progress }

/** What is staged is tried. `--confirm-within` counts, else what apply was told. */
async function bootTrial(context: RunContext, address: HostAddress, { newest, progress }: Waiting): Promise<Done> {
  const { id, document } = newest
  const told = (document?.trial?.confirmWithin ?? 600) * 1000
  const confirmWithinMs = context.options.confirmWithin === undefined ? told : confirmWithin(context)
  tellWayBack(context, address, { record: id, rescue: document?.rescue ?? [], confirmWithinMs })
  const predicted = findPrediction(newest)
  const end = await tryBoot(context, { address, record: id, predicted, confirmWithinMs, progress })
  if (end.status === 'ok' && end.outcome !== 'left') await copyRecords(address)
  return describeTrial(context, { end, address, record: id })
}

async function copyRecords(address: HostAddress): Promise<void> {
  const { reached, records } = await readRecords(address, { by: controllerName() })
  if (reached) keepCopies(address.name, records)
}

function findPrediction({ document }: HostRecord): NextBoot | null {
  return (document?.nextBoot ?? null) as NextBoot | null
}

/** Rebooting a host out of its trial would take the trial back; nobody said so. */
function refuseOpen(context: RunContext, address: HostAddress, { id, state }: HostRecord): Done {
  const host = address.name
  const back = commandLine(context, 'rollback', { host, flags: ['--reboot'] })
  const why = error('RECORD_OPEN', `${host} runs the trial of record ${id}; another boot would take it back`, {
    hint: `to take it back: ${back}`,
  })
  const ending = {
    state: `record ${id} is ${state}, as it says; it was not rebooted`,
    next: commandLine(context, 'confirm', { host }),
  }
  const end = endTrial({ outcome: 'untried', status: 'refused', state, reboot: 'none', diagnostics: [why], ending })
  return describeTrial(context, { end, address, record: id })
}

function describeReboot(context: RunContext, address: HostAddress, boot: RebootOutcome): Done {
  const ending = endingOfBoot(context, address, boot)
  const document: HostDocument = {
    host: address.name,
    status: boot.status,
    diagnostics: boot.diagnostics,
    // Of a host that was not told to reboot nobody knows whether it needs to.
    reboot: boot.isBack ? 'done' : boot.isAsked ? 'needed' : 'none',
    next: ending === null ? [] : [ending.next],
    boot: boot.rows,
  }
  const shown = {
    ...document,
    outcome: describeOutcome(boot),
    record: null,
    ending: ending?.state ?? null,
    rows: boot.rows,
    leftToDo: [],
  }
  return { document, text: renderDone(shown, textOptions(context)) }
}

function describeOutcome({ isBack, isAsked, status }: RebootOutcome): string {
  if (isBack) return 'rebooted'
  if (status === 'ok') return 'leaves'
  return status === 'refused' ? 'not rebooted' : isAsked ? 'failed' : 'unreachable'
}

function skipped(context: RunContext, { address }: Target): Done {
  const { diagnostic, next, text } = notBegun(context, address.name, { verb: 'reboot' })
  const fields = { reboot: 'none', next: [next], boot: [] }
  return { document: { host: address.name, status: 'failed', diagnostics: [diagnostic], ...fields }, text }
}
