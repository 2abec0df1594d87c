import type { BootRow } from '../checks/compare-boot.ts'
import { hasErrors, type Diagnostic } from '../core/diagnostic.ts'
import type { HostAddress } from '../core/host-address.ts'
import type { NextBoot } from '../core/plan.ts'
import { rebootHost, requestReboot, type RebootResult } from '../host/reboot.ts'
import type { Progress } from '../report/progress.ts'
import { formatDuration } from '../report/time-text.ts'
import { rebootTimeout, showTry } from './await-return.ts'
import { compareHost } from './compare-host.ts'
import { controllerName } from './controller.ts'
import type { RunContext } from './run-context.ts'

export type RebootOutcome = {
  readonly status: 'ok' | 'failed' | 'refused' | 'unreachable'
  /** Empty where the host did not come back, or nothing was predicted. */
  readonly rows: readonly BootRow[]
  readonly diagnostics: readonly Diagnostic[]
  /** It was told to reboot. */
  readonly isAsked: boolean
  /** It has booted again, as predicted or not. */
  readonly isBack: boolean
}

type RebootWishes = { readonly predicted: NextBoot | null; readonly progress: Progress }

/** Reboots one host, waits for its new boot id, and compares what booted with what was predicted. */
export async function rebootAndCompare(
  context: RunContext,
  address: HostAddress,
  { predicted, progress }: RebootWishes,
): Promise<RebootOutcome> {
  const tellAsked = (): void => progress.tell(address.name, 'rebooting')
  if (address.connection === 'local' && address.root === null) return leave(context, address, tellAsked)
  const reboot = await rebootHost(address, {
    by: controllerName(),
    deadlineMs: rebootTimeout(context),
    intervalMs: context.bootIntervalMs,
    onAsked: tellAsked,
    signal: context.signal,
    onTry: (attempt) => showTry(progress, address.name, attempt),
  })
  if (!reboot.ok) return describeFailure(reboot)
  progress.tell(address.name, `back after ${formatDuration(reboot.elapsedMs)}`)
  const back = { isAsked: true, isBack: true }
  if (predicted === null) return { ...back, status: 'ok', rows: [], diagnostics: reboot.diagnostics }
  const { rows, diagnostics } = await compareHost(context, address, { predicted })
  const told = [...reboot.diagnostics, ...diagnostics]
  return { ...back, status: hasErrors(told) ? 'failed' : 'ok', rows, diagnostics: told }
}

/** This machine: whoever waited for it would go down with it. */
async function leave(context: RunContext, address: HostAddress, tellAsked: () => void): Promise<RebootOutcome> {
  const asked = await requestReboot(address, { by: controllerName(), signal: context.signal })
  const { diagnostics } = asked
  if (!asked.ok) return describeFailure({ ok: false, asked: false, diagnostics, reached: asked.reached })
  tellAsked()
  return { status: 'ok', rows: [], diagnostics, isAsked: true, isBack: false }
}

function describeFailure(reboot: Extract<RebootResult, { ok: false }>): RebootOutcome {
  const { asked, reached, diagnostics } = reboot
  const outcome = { rows: [], isAsked: asked, isBack: false }
  if (!asked) return { ...outcome, status: reached ? 'refused' : 'unreachable', diagnostics }
  const hint = 'at its console choose the entry "passway: before \u2026" in the loader\u2019s menu'
  return { ...outcome, status: 'failed', diagnostics: diagnostics.map((found) => ({ hint, ...found })) }
}
