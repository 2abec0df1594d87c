import { hasErrors } from '../core/diagnostic.ts'
import type { HostAddress } from '../core/host-address.ts'
import type { NextBoot } from '../core/plan.ts'
import { readRecords } from '../host/read-records.ts'
import { closeMasters } from '../host/ssh-master.ts'
import type { HostDocument } from '../report/documents.ts'
import { renderDone } from '../report/done-text.ts'
import { startProgress, type Progress } from '../report/progress.ts'
import { controllerName } from './controller.ts'
import { findAllHosts, type Target } from './find-hosts.ts'
import { finish } from './finish.ts'
import { endingOfBoot } from './endings.ts'
import { notBegun } from './not-begun.ts'
import { predictFromFiles } from './predict-from-files.ts'
import { rebootAndCompare, type RebootOutcome } from './reboot-host.ts'
import { runBatches } from './run-batches.ts'
import { textOptions, type RunContext } from './run-context.ts'

type Done = { readonly document: HostDocument; readonly text: string }

/** `passway reboot`: one host after the other; the first that does not come back as predicted stops the rest. */
export async function runReboot(context: RunContext): Promise<number> {
  const found = await findAllHosts(context)
  if (hasErrors(found.diagnostics)) return finish(context, { diagnostics: found.diagnostics, hosts: [], text: [] })
  const progress = startProgress(context.writeError, { isTerminal: context.isProgressWanted, width: context.width })
  try {
    const done = await runBatches(context, found.targets, {
      serial: true,
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
  const predicted = await findPrediction(context, address)
  const boot = await rebootAndCompare(context, address, { predicted, progress })
  const ending = endingOfBoot(context, address, boot)
  const document: HostDocument = {
    host: address.name,
    status: boot.status,
    diagnostics: boot.diagnostics,
    reboot: boot.isBack ? 'done' : 'needed',
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
  return status === 'refused' ? 'not rebooted' : isAsked ? 'failed' : 'unreachable'
}

function skipped(context: RunContext, { address }: Target): Done {
  const { diagnostic, next, text } = notBegun(context, address.name, { verb: 'reboot' })
  const fields = { reboot: 'needed', next: [next], boot: [] }
  return { document: { host: address.name, status: 'failed', diagnostics: [diagnostic], ...fields }, text }
}

/** The prediction of the newest record where it is committed; else what the present files say. */
async function findPrediction(context: RunContext, address: HostAddress): Promise<NextBoot | null> {
  const { records } = await readRecords(address, { by: controllerName(), signal: context.signal })
  const newest = records.at(-1)
  const predicted = newest?.state === 'committed' ? (newest.document?.nextBoot as NextBoot | null | undefined) : null
  return predicted ?? predictFromFiles(context, address)
}
