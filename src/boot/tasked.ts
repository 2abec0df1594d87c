import type { Claim } from '../core/claim.ts'
import type { Diagnostic } from '../core/diagnostic.ts'

/** A diagnostic and the tasks (indexes) it is about; none: it is about the host. */
export type TaskDiagnostic = {
  readonly diagnostic: Diagnostic
  readonly tasks: readonly number[]
  /** The claims in question, to point at the parameters that made them. */
  readonly claims?: readonly Claim[]
}

/** A claim after merging: the tasks that make it, ascending; none for one that only the last record holds. */
export type MergedClaim = {
  readonly claim: Claim
  readonly tasks: readonly number[]
  readonly adopt: boolean
  /** Removed because `--prune` was given and no task makes it any more: only what passway itself wrote goes. */
  readonly pruned?: boolean
}
