import type { Regeneration } from '../core/change.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import type { HostAddress } from '../core/host-address.ts'
import type { HostPlan } from '../core/plan.ts'
import type { RecordState } from '../core/record.ts'
import { formatBundle, type BundleOptions } from './bundle.ts'
import { readAgentProgram } from './programs.ts'
import { runAgent, type AgentOptions, type AgentOutcome, type AgentRun } from './run-agent.ts'

export type ApplyOptions = Pick<AgentOptions, 'onEvent' | 'signal' | 'master' | 'watchPausesMs' | 'suspectAfterMs'> &
  Omit<BundleOptions, 'root' | 'agentProgram'>

export type ApplyResult = {
  readonly outcome: AgentOutcome
  /** ID of the record; null where none was made (refused before the first write). */
  readonly record: string | null
  /** The record's state as the host said last; null where there is no record or nobody could be asked. */
  readonly state: RecordState | null
  readonly reboot: 'none' | 'needed'
  readonly regenerated: readonly Regeneration[]
  readonly leftToDo: readonly string[]
  readonly diagnostics: readonly Diagnostic[]
  /** False where the host could not be reached. */
  readonly reached: boolean
}

/** Applies a plan on its host as one transaction: wholly done, or wholly as before. */
export async function applyPlan(host: HostAddress, plan: HostPlan, options: ApplyOptions): Promise<ApplyResult> {
  const data = formatBundle(plan, { ...options, root: host.root, agentProgram: readAgentProgram() })
  const run = await runAgent(host, data, {
    ...options,
    watch: { root: host.root, id: options.id, controller: options.by },
  })
  return formatResult(run, options.id, plan.reboot)
}

/** What a run of the agent did to a record. */
export function formatResult(run: AgentRun, record: string | null, reboot: 'none' | 'needed'): ApplyResult {
  const refused = run.outcome === 'refused'
  return {
    outcome: run.outcome,
    record: refused ? null : record,
    state: refused ? null : findState(run, record),
    reboot: run.outcome === 'committed' || run.outcome === 'staged' ? reboot : 'none',
    regenerated: run.regenerated,
    leftToDo: run.leftToDo,
    diagnostics: run.diagnostics,
    reached: run.reached,
  }
}

/** Recovery may tell of other records on the way. An open record whose agent has ended is `interrupted`. */
function findState(run: AgentRun, record: string | null): RecordState | null {
  const last = run.events.findLast((event) => event.name === 'state' && event.fields[1] === record)
  const state = (last?.fields[0] ?? null) as RecordState | null
  return state === 'staged' && run.outcome === 'failed' ? 'interrupted' : state
}
