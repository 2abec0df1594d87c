import type { Snapshot } from '../../core/snapshot.ts'
import type { LivesOn } from './use.ts'

/** What of a host stands on which PCI function, with the chain of evidence. */
export function findLivesOn(_snapshot: Snapshot): LivesOn {
  return { uses: [], cannotTell: [] }
}
