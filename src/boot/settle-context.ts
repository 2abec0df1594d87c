import type { MergedClaim } from './tasked.ts'

/** What settling needs to know of the tasks and of the last record. */
export type SettleContext = {
  /** True where a task names the thing itself (`kernel_cmdline`): changing what an admin wrote is what it asks for. */
  readonly isExplicit: (merged: MergedClaim) => boolean
  /** True where the last committed record holds the thing that this claim is about, so that it is not the admin's. */
  readonly isOwned: (merged: MergedClaim) => boolean
}
