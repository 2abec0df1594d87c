import { hasErrors, type Diagnostic } from '../core/diagnostic.ts'
import type { HostAddress } from '../core/host-address.ts'
import { waitForBoot, type BootTry, type BootWaitEnd } from '../host/poll-host.ts'
import { formatDuration } from '../report/time-text.ts'
import type { Progress } from '../report/progress.ts'
import type { RunContext } from './run-context.ts'

type Awaited = {
  readonly address: HostAddress
  readonly progress: Progress
  /** Of the boot that ends. */
  readonly previousBootId: string
  /** Until then the host may be busy with coming back by itself. */
  readonly patienceMs: number
}

export type Return = {
  readonly isBack: boolean
  /** It answers, and runs the same boot. */
  readonly isStill: boolean
  /** Of the new boot. */
  readonly bootId: string
  readonly diagnostics: readonly Diagnostic[]
}

/**
 * Waits for another boot. A host that has not come back by itself when its time is over is power-cycled once where
 * `passway_power` says how: its loader tries nothing twice. One that still answers is left alone.
 */
export async function awaitReturn(context: RunContext, awaited: Awaited): Promise<Return> {
  const first = await wait(context, awaited, awaited.patienceMs)
  const { power } = awaited.address
  const isHanging = !first.ok && first.last?.state !== 'old' && !context.signal.aborted
  if (!isHanging || power === undefined) return describeWait(first, [])
  awaited.progress.tell(awaited.address.name, 'it has not come back by itself: cycling its power (passway_power)')
  const { cyclePower } = await import('../host/power-cycle.ts')
  const cycled = await cyclePower(awaited.address, power)
  if (hasErrors([cycled])) return describeWait(first, [cycled])
  return describeWait(await wait(context, awaited, rebootTimeout(context)), [cycled])
}

/** How long one boot may take. */
export function rebootTimeout({ options }: RunContext): number {
  return options.rebootTimeout ?? 900_000
}

function describeWait(end: BootWaitEnd, told: readonly Diagnostic[]): Return {
  if (end.ok) return { isBack: true, isStill: false, bootId: end.bootId, diagnostics: told }
  return { isBack: false, isStill: end.last?.state === 'old', bootId: '', diagnostics: [...told, end.diagnostic] }
}

async function wait(
  context: RunContext,
  { address, progress, previousBootId }: Awaited,
  deadlineMs: number,
): Promise<BootWaitEnd> {
  const end = await waitForBoot(address, {
    previousBootId,
    deadlineMs,
    intervalMs: context.bootIntervalMs,
    signal: context.signal,
    onTry: (attempt) => showTry(progress, address.name, attempt),
  })
  if (end.ok) progress.tell(address.name, `back after ${formatDuration(end.elapsedMs)}`)
  return end
}

/** In the status line, while a host is on its way. */
export function showTry(progress: Progress, host: string, { elapsedMs, state }: BootTry): void {
  const words = { down: 'not up yet', old: 'still shutting down', new: 'up' }
  progress.show(`${host}: ${Math.round(elapsedMs / 1000)} s, ${words[state]}`)
}
