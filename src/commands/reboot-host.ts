import { compareBoot, type BootRow } from '../checks/compare-boot.ts'
import { error, hasErrors, type Diagnostic } from '../core/diagnostic.ts'
import type { HostAddress } from '../core/host-address.ts'
import type { NextBoot } from '../core/plan.ts'
import { readSnapshot } from '../host/read-snapshot.ts'
import { rebootHost, type RebootResult } from '../host/reboot.ts'
import type { Progress } from '../report/progress.ts'
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

/** Reboots one host, waits for its new boot id, and compares what booted with what was predicted. */
export async function rebootAndCompare(
  context: RunContext,
  address: HostAddress,
  { predicted, progress }: { readonly predicted: NextBoot | null; readonly progress: Progress },
): Promise<RebootOutcome> {
  progress.tell(address.name, 'rebooting')
  const reboot = await rebootHost(address, {
    by: controllerName(),
    deadlineMs: context.options.rebootTimeout ?? 900_000,
    signal: context.signal,
    onTry: ({ elapsedMs, state }) =>
      progress.show(`${address.name}: ${Math.round(elapsedMs / 1000)} s, ${describeTry(state)}`),
  })
  if (!reboot.ok) return describeFailure(reboot)
  progress.tell(address.name, `back after ${Math.round(reboot.elapsedMs / 1000)} s`)
  const back = { isAsked: true, isBack: true }
  if (predicted === null) return { ...back, status: 'ok', rows: [], diagnostics: reboot.diagnostics }
  const seen = await readSnapshot(
    address,
    { modules: [...predicted.modules.image, ...predicted.modules.boot] },
    { signal: context.signal },
  )
  if (!seen.ok)
    return {
      ...back,
      status: 'failed',
      rows: [],
      diagnostics: [...reboot.diagnostics, seen.diagnostic],
    }
  const rows = compareBoot(predicted, seen.snapshot)
  const diagnostics = [...reboot.diagnostics, ...describeDifferences(address.name, rows)]
  return { ...back, status: hasErrors(diagnostics) ? 'failed' : 'ok', rows, diagnostics }
}

function describeTry(state: 'down' | 'old' | 'new'): string {
  return { down: 'not up yet', old: 'still shutting down', new: 'up' }[state]
}

function describeFailure(reboot: Extract<RebootResult, { ok: false }>): RebootOutcome {
  const { asked, reached, diagnostics } = reboot
  const outcome = { rows: [], isAsked: asked, isBack: false }
  if (!asked) return { ...outcome, status: reached ? 'refused' : 'unreachable', diagnostics }
  const hint = 'at its console choose the entry "passway: before \u2026" in the loader\u2019s menu'
  return { ...outcome, status: 'failed', diagnostics: diagnostics.map((found) => ({ hint, ...found })) }
}

function describeDifferences(host: string, rows: readonly BootRow[]): Diagnostic[] {
  const different = rows.filter((row) => !row.ok)
  if (different.length === 0) return []
  return [
    error('BOOT_DIFFERS', `${host} did not boot as predicted`, {
      evidence: different.map((row) => `${row.what}: predicted ${row.predicted}, seen ${row.seen}`),
    }),
  ]
}
