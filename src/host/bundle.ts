import { bytesFromText } from '../core/bytes.ts'
import type { HostPlan } from '../core/plan.ts'
import { publicChange, publicNextBoot } from '../core/public-change.ts'
import type { RecordDocument } from '../core/record.ts'
import { tool } from '../core/tool.ts'
import { encodeText, formatBlob, type Blob } from './fields.ts'
import { formatManifest, operationContents } from './manifest.ts'
import type { ManifestExtras } from './trial-lines.ts'

export type AgentVerb =
  | 'apply'
  | 'rollback'
  | 'recover'
  | 'watch'
  | 'records'
  | 'read'
  | 'images'
  | 'reboot'
  | 'status'
  | 'confirm'
  | 'keep'

export type AgentCall = {
  readonly verb: AgentVerb
  /** `passway_root`, null for the host itself. */
  readonly root: string | null
  readonly id?: string | undefined
  /** Who asks; whoever finds the host locked is told. */
  readonly controller: string
  /** Codes of refusals that are accepted (`GUESTS_RUNNING`). */
  readonly accept?: readonly string[]
  readonly options?: readonly ('force' | 'through')[]
  /** With `reboot`: another time for the trial that it arms than its record has. */
  readonly confirmWithinSeconds?: number | undefined
  /** Merged contents of a rollback: lines `merge ID N NOW VALUE`. */
  readonly merges?: readonly string[]
  readonly blobs?: readonly Blob[]
}

/** The data of one call of the agent; ASCII. */
export function formatCall(call: AgentCall): string {
  const lines = [
    `verb\t${call.verb}`,
    `root\t${call.root === null ? '-' : encodeText(call.root)}`,
    `id\t${call.id ?? '-'}`,
    `controller\t${encodeText(call.controller)}`,
    ...(call.accept ?? []).map((code) => `accept\t${code}`),
    ...(call.options ?? []).map((option) => `option\t${option}`),
    ...(call.merges ?? []),
    ...(call.confirmWithinSeconds === undefined ? [] : [`confirm-within\t${call.confirmWithinSeconds}`]),
    ...(call.blobs ?? []).map(formatBlob),
  ]
  return `${lines.join('\n')}\n`
}

export type BundleOptions = ManifestExtras & {
  readonly id: string
  /** ISO 8601, UTC. */
  readonly created: string
  /** `user@machine` of the controller. */
  readonly by: string
  readonly playbooks: readonly string[]
  readonly accepted: RecordDocument['accepted']
  readonly root: string | null
  /** See RecordDocument. */
  readonly rescue: readonly string[]
  /** agent.sh, which the agent installs beside its records. */
  readonly agentProgram: string
}

/** All that the agent needs to apply a plan. */
export function formatBundle(plan: HostPlan, options: BundleOptions): string {
  return formatCall({
    verb: 'apply',
    root: options.root,
    id: options.id,
    controller: options.by,
    blobs: [
      { name: 'agent.sh', content: options.agentProgram },
      { name: 'manifest', content: formatManifest(plan, options.id, options) },
      { name: 'record.json', content: bytesFromText(formatRecord(plan, options)) },
      ...operationContents(plan),
    ],
  })
}

function formatRecord(plan: HostPlan, options: BundleOptions): string {
  const hashed = { before: 'hashed', after: 'hashed' } as const
  const document: RecordDocument = {
    format: 1,
    id: options.id,
    tool,
    created: options.created,
    by: options.by,
    playbooks: options.playbooks,
    tasks: plan.tasks.map(({ play, name, module }) => ({ play, name, module })),
    accepted: options.accepted,
    claims: plan.claims,
    changes: plan.changes.map((change) => publicChange(change, hashed)),
    regenerate: plan.regenerate,
    reboot: plan.reboot,
    rescue: options.rescue,
    trial: options.trial ? { kernel: options.trial.kernel, confirmWithin: options.trial.confirmWithinSeconds } : null,
    nextBoot: plan.reboot === 'needed' && plan.nextBoot ? publicNextBoot(plan.nextBoot) : null,
  }
  return `${JSON.stringify(document, null, 2)}\n`
}
