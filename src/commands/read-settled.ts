import { setTimeout as pause } from 'node:timers/promises'
import { recoverRecord, type EndOptions } from '../host/end-trial.ts'
import { readStatus, type BootStatus, type StatusResult } from '../host/read-status.ts'
import { rebootTimeout } from './await-return.ts'
import { controllerName } from './controller.ts'
import type { RunContext } from './run-context.ts'
import { tellEvent } from './tell-event.ts'
import type { Trial } from './trial-end.ts'

/** Asks until it is settled. A host that booted without its trial ends the record when it is next spoken to. */
export async function readSettled(
  context: RunContext,
  trial: Trial,
  isSettled: (status: BootStatus) => boolean,
): Promise<StatusResult> {
  const { address, record } = trial
  const end = Date.now() + patience(context, trial)
  const interval = context.bootIntervalMs ?? 5000
  for (;;) {
    const read = await readStatus(address, { by: controllerName(), signal: context.signal })
    if (read.ok ? isSettled(read.status) : read.reached) return read
    if (context.signal.aborted || Date.now() + interval > end) return read
    const open = read.ok && read.status.open?.id === record ? read.status.open : null
    const isLeftOpen = open !== null && read.ok && (read.status.token !== record || open.state === 'confirmed')
    if (isLeftOpen && open.state === 'staged') return read
    const ended = isLeftOpen ? await recoverRecord(address, endOptions(context, trial)) : null
    if (ended?.outcome !== 'done') await pause(interval, undefined, { signal: context.signal }).catch(() => {})
  }
}

/** Committed, or reverted: booted without it, unless it is not the host itself that reboots for it. */
export function isOver({ open, last, token }: BootStatus, record: string): boolean {
  if (open?.id === record) return false
  return token !== record || last?.state === 'committed' || last?.reason?.code !== 'DEADLINE'
}

/** A boot that nobody confirms, and the one after it. */
export function patience(context: RunContext, { confirmWithinMs }: Trial): number {
  return confirmWithinMs + rebootTimeout(context)
}

export function endOptions(context: RunContext, { address, record, progress }: Trial): EndOptions {
  return {
    by: controllerName(),
    id: record,
    signal: context.signal,
    onEvent: (event) => tellEvent(progress, address.name, event),
  }
}
