import { setTimeout as pause } from 'node:timers/promises'
import { compareBoot, type BootRow } from '../checks/compare-boot.ts'
import { error, hasErrors, type Diagnostic } from '../core/diagnostic.ts'
import type { HostAddress } from '../core/host-address.ts'
import type { NextBoot } from '../core/plan.ts'
import { readSnapshot } from '../host/read-snapshot.ts'
import type { RunContext } from './run-context.ts'

export type Comparison = {
  /** Empty where the host could not be read. */
  readonly rows: readonly BootRow[]
  /** An error where it could not be read, or booted otherwise. */
  readonly diagnostics: readonly Diagnostic[]
  readonly isRead: boolean
  readonly reached: boolean
}

/** Reads a host over a connection of its own and compares its boot with a prediction. `trial`: see compareBoot. */
export async function compareHost(
  context: RunContext,
  address: HostAddress,
  { predicted, trial = null }: { readonly predicted: NextBoot; readonly trial?: string | null },
): Promise<Comparison> {
  const reads = { modules: [...predicted.modules.image, ...predicted.modules.boot] }
  const seen = await readSnapshot(address, reads, { signal: context.signal })
  if (!seen.ok) return { rows: [], diagnostics: [seen.diagnostic], isRead: false, reached: seen.reached }
  const rows = compareBoot(predicted, seen.snapshot, trial)
  return { rows, diagnostics: describeDifferences(address.name, rows), isRead: true, reached: true }
}

/** How often a boot that differs is looked at: the last devices and modules may come after sshd. */
const looks = 3

/** As compareHost, and again while it differs or cannot be read. */
export async function compareSettled(
  context: RunContext,
  address: HostAddress,
  wanted: Parameters<typeof compareHost>[2],
): Promise<Comparison> {
  for (let look = 1; ; look += 1) {
    const compared = await compareHost(context, address, wanted)
    if (!hasErrors(compared.diagnostics) || look === looks || context.signal.aborted) return compared
    await pause(context.bootIntervalMs ?? 5000, undefined, { signal: context.signal }).catch(() => {})
  }
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
