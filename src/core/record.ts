import type { Claim } from './claim.ts'

/** As the host has them. */
export const recordStates = ['staged', 'armed', 'trial', 'confirmed', 'committed', 'reverted'] as const

/** States of a record on the host; `interrupted` is derived: an open record without a live agent. */
export type RecordState = (typeof recordStates)[number] | 'interrupted'

export type RecordSummary = {
  /** The run's: `20261121T081500Z-7f3a9c`. The same on all hosts of a run. */
  readonly id: string
  /** Orders the records of one host; given under the lock. */
  readonly seq: number
  readonly state: RecordState
  /** Why a reverted one was reverted; missing where nobody noted it. */
  readonly reason?: RevertReason
}

/** `DEADLINE`, `NOT_BOOTED`, … and a sentence. */
export type RevertReason = { readonly code: string; readonly text: string }

/** record.json: for people and the controller; the agent never reads it. */
export type RecordDocument = {
  readonly format: 1
  readonly id: string
  readonly tool: string
  /** ISO 8601, UTC. */
  readonly created: string
  /** `user@machine` of the controller. */
  readonly by: string
  readonly playbooks: readonly string[]
  readonly tasks: readonly { readonly play: string; readonly name: string; readonly module: string }[]
  /** Risks that tasks accepted: code → why. */
  readonly accepted: readonly { readonly task: number; readonly code: string; readonly why: string }[]
  /** All claims that hold after this record, those of earlier records included. */
  readonly claims: readonly Claim[]
  /** The plan's changes as in the public JSON, contents as hashes. */
  readonly changes: readonly unknown[]
  readonly regenerate: readonly string[]
  readonly reboot: 'none' | 'needed'
  /** What a person at the console does when the host does not come back, ready to type. */
  readonly rescue: readonly string[]
  /** The boot that tries it: the kernel, and after how many seconds it reverts unconfirmed. Missing or null: none does. */
  readonly trial?: { readonly kernel: string; readonly confirmWithin: number } | null
  /** The prediction (public JSON of `nextBoot`), null when no reboot is needed. */
  readonly nextBoot: unknown
}
