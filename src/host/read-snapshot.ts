import type { Diagnostic } from '../core/diagnostic.ts'
import type { HostAddress } from '../core/host-address.ts'
import type { Reads, Snapshot } from '../core/snapshot.ts'
import { parseSnapshot } from './parse-snapshot.ts'
import { formatProbeRequest } from './probe-request.ts'
import { readProbeProgram } from './programs.ts'
import { runProgram } from './run-program.ts'

export type SnapshotResult =
  | { readonly ok: true; readonly snapshot: Snapshot }
  | { readonly ok: false; readonly diagnostic: Diagnostic; readonly reached: boolean }

/** A probe reads files; a host that needs longer than this hangs. */
const probeTimeoutMs = 120_000

/**
 * Reads a host in one round trip. The connection starts at once; `reads` may still be computed meanwhile.
 * Rejects only when `reads` does.
 */
export async function readSnapshot(
  host: HostAddress,
  reads: Reads | Promise<Reads>,
  options: { readonly signal?: AbortSignal; readonly master?: boolean } = {},
): Promise<SnapshotResult> {
  const request = Promise.resolve(reads).then((known) => ({ root: host.root, reads: known }))
  const end = await runProgram(host, {
    program: readProbeProgram(),
    data: request.then(formatProbeRequest),
    timeoutMs: probeTimeoutMs,
    ...options,
  })
  if (!end.ok) return end
  const parsed = parseSnapshot(end.output, await request)
  return parsed.ok ? parsed : { ...parsed, reached: true }
}
