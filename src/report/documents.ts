import type { Diagnostic } from '../core/diagnostic.ts'
import type { HostPlan, PlannedTask } from '../core/plan.ts'
import { publicChange, publicNextBoot } from '../core/public-change.ts'

export type HostStatus = 'ok' | 'refused' | 'unreachable' | 'failed'

/** One host's part of a document; further fields depend on the command. */
export type HostDocument = {
  readonly host: string
  readonly status: HostStatus
  readonly diagnostics: readonly Diagnostic[]
  readonly [field: string]: unknown
}

/** The public JSON that every command prints with `--json`. */
export type Document = {
  readonly format: 1
  readonly tool: string
  readonly diagnostics: readonly Diagnostic[]
  readonly hosts: readonly HostDocument[]
  readonly [field: string]: unknown
}

/** Fields of the plan of one host, as in the contract. `contents: hashed` is the form of saved plans and records. */
export function planFields(
  plan: HostPlan,
  contents: { before: 'shown' | 'hashed'; after: 'shown' | 'hashed' },
): Record<string, unknown> {
  return {
    machineId: plan.machineId,
    kernelRelease: plan.kernelRelease,
    bootId: plan.bootId,
    tasks: plan.tasks.map(publicTask),
    changes: plan.changes.map((change) => publicChange(change, contents)),
    regenerate: plan.regenerate,
    pending: plan.pending,
    orphans: plan.orphans,
    reboot: plan.reboot,
    nextBoot: plan.nextBoot && publicNextBoot(plan.nextBoot),
  }
}

function publicTask(task: PlannedTask): Record<string, unknown> {
  const { file, line, column } = task.source
  return { ...task, source: { file, line, column } }
}

/**
 * JSON text of a document, ending in a newline. Maps become objects, sets arrays. What JSON lets stand and a terminal
 * acts on is written as an escape as well; it can only be inside of strings.
 */
export function formatDocument(document: Document): string {
  const text = JSON.stringify(document, publicForm, 2)
  return `${text.replaceAll(/[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, escapeCharacter)}\n`
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

function publicForm(_key: string, value: unknown): unknown {
  if (value instanceof Map) return Object.fromEntries(value)
  if (value instanceof Set) return [...value]
  return value
}
