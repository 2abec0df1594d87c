import { parseOwnedClaims } from '../core/parse-owned-claims.ts'
import { readsOfClaims } from '../core/reads-of-claims.ts'
import type { Reads } from '../core/snapshot.ts'
import { coversReads, uniteReads } from '../host/probe-request.ts'
import type { SnapshotResult } from '../host/read-snapshot.ts'

/**
 * What the newest record claims is compared with the host too, also where no task asks for it any more: a host that has
 * such claims is read once more, with them.
 */
export async function readRecorded(
  asked: Reads,
  read: SnapshotResult,
  readAgain: (reads: Reads) => Promise<SnapshotResult>,
): Promise<SnapshotResult> {
  if (!read.ok) return read
  const recorded = readsOfClaims(parseOwnedClaims(read.snapshot.lastRecord))
  return coversReads(asked, recorded) ? read : readAgain(uniteReads([asked, recorded]))
}
