import type { ZodType } from 'zod'
import type { Claim } from './claim.ts'
import type { Diagnostic } from './diagnostic.ts'
import type { Reads, Snapshot } from './snapshot.ts'

/** What a task sets beyond its module's parameters. */
export type TaskOptions = {
  /** Risks accepted by code → why. A module turns an accepted refusal into a warning. */
  readonly accept: ReadonlyMap<string, string>
  /** Take over what an admin or a guide wrote by hand for the same thing. */
  readonly adopt: boolean
}

/** `path`: the parameter it is about, below the module's mapping (`['ids', 0]`); without one it is about the task. */
export type ModuleDiagnostic = Diagnostic & { readonly path?: readonly (string | number)[] }

/** A task that another stands for. `params` as a playbook would have them. */
export type Expansion = { readonly module: string; readonly params: unknown }

export type ModulePlan = {
  readonly claims: readonly Claim[]
  readonly diagnostics: readonly ModuleDiagnostic[]
  /** Tasks that this one stands for, beside its own claims; see `expandPlan`. */
  readonly expands?: readonly Expansion[]
}

/**
 * A module is a form to fill in. Pure: no I/O, no clock, no randomness; it knows no distribution.
 * `Params` is the output type of `params`.
 */
export type Module<Params = unknown> = {
  /** As in playbooks, snake_case. */
  readonly name: string
  /** One sentence. */
  readonly summary: string
  /** Longer text for the reference: saved and live state, what is refused and why. Markdown paragraphs. */
  readonly description: string
  /** Every field is described (`.describe`). Unknown keys are errors (`z.strictObject`). */
  readonly params: ZodType<Params>
  readonly reads: (params: Params) => Reads
  readonly plan: (params: Params, snapshot: Snapshot, options: TaskOptions) => ModulePlan
  /** A task in YAML, as it would stand in a playbook. */
  readonly example: string
  /** Codes of its refusals, with one sentence each. */
  readonly refusals: Readonly<Record<string, string>>
}
