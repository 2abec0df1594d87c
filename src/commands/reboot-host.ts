import { compareBoot, type BootRow } from '../checks/compare-boot.ts'
import { error, hasErrors, type Diagnostic } from '../core/diagnostic.ts'
import type { HostAddress } from '../core/host-address.ts'
import type { NextBoot } from '../core/plan.ts'
import { readSnapshot } from '../host/read-snapshot.ts'
import { rebootHost } from '../host/reboot.ts'
import type { Progress } from '../report/progress.ts'
import { controllerName } from './controller.ts'
import type { RunContext } from './run-context.ts'

export type RebootOutcome = {
  readonly status: 'ok' | 'failed' | 'refused' | 'unreachable'
  /** Empty where the host did not come back, or nothing was predicted. */
  readonly rows: readonly BootRow[]
  readonly diagnostics: readonly Diagnostic[]
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
  if (!reboot.ok) return describeFailure(address, reboot)
  progress.tell(address.name, `back after ${Math.round(reboot.elapsedMs / 1000)} s`)
  if (predicted === null) return { status: 'ok', rows: [], diagnostics: reboot.diagnostics }
  const seen = await readSnapshot(
    address,
    { modules: [...predicted.modules.image, ...predicted.modules.boot] },
    { signal: context.signal },
  )
  if (!seen.ok)
    return {
      status: seen.reached ? 'failed' : 'unreachable',
      rows: [],
      diagnostics: [...reboot.diagnostics, seen.diagnostic],
    }
  const rows = compareBoot(predicted, seen.snapshot)
  const diagnostics = [...reboot.diagnostics, ...describeDifferences(address.name, rows)]
  return { status: hasErrors(diagnostics) ? 'failed' : 'ok', rows, diagnostics }
}

function describeTry(state: 'down' | 'old' | 'new'): string {
  return { down: 'not up yet', old: 'still shutting down', new: 'up' }[state]
}

function describeFailure(
  address: HostAddress,
  reboot: { readonly asked: boolean; readonly reached: boolean; readonly diagnostics: readonly Diagnostic[] },
): RebootOutcome {
  if (!reboot.asked)
    return { status: reboot.reached ? 'refused' : 'unreachable', rows: [], diagnostics: reboot.diagnostics }
  const hint =
    'at its console, pick the entry "passway: before …" in the loader\u2019s menu; then, as root: sh /var/lib/passway/agent.sh rollback'
  const missing = error('HOST_LOST_SIGHT', `${address.name} was told to reboot and has not answered since`, { hint })
  return { status: 'unreachable', rows: [], diagnostics: [...reboot.diagnostics, missing] }
}

function describeDifferences(host: string, rows: readonly BootRow[]): Diagnostic[] {
  const different = rows.filter((row) => !row.ok)
  if (different.length === 0) return []
  return [
    error('BOOT_DIFFERS', `${host} did not boot as predicted`, {
      evidence: different.map((row) => `${row.what}: predicted ${row.predicted}, seen ${row.seen}`),
      hint: `passway rollback -l ${host} --reboot takes the last record back`,
    }),
  ]
}
