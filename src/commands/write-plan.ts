import { error } from '../core/diagnostic.ts'
import type { HostAddress } from '../core/host-address.ts'
import type { HostPlan } from '../core/plan.ts'
import { applyPlan, type ApplyResult } from '../host/execute.ts'
import { isBootPlan, mayCutConnection, type ManifestExtras } from '../host/trial-lines.ts'
import type { Progress } from '../report/progress.ts'
import { controllerName } from './controller.ts'
import type { Command } from './endings.ts'
import type { HostResult } from './plan-hosts.ts'
import { rescueLines } from './rescue-lines.ts'
import { confirmWithin, type RunContext } from './run-context.ts'
import { tellEvent } from './tell-event.ts'

/** What is run after a host was refused: a saved plan that is stale is made again, not applied again. */
export type Again = Required<Pick<Command, 'verb' | 'playbooks'>>

/** A run: one record ID on all its hosts. */
export type ApplyRun = {
  readonly id: string
  readonly created: string
  readonly again: Again
  readonly progress: Progress
}

/** Sends a plan to its host and stays until its agent has ended. What takes effect at boot is staged for a trial. */
export async function writePlan(context: RunContext, host: HostResult, run: ApplyRun): Promise<ApplyResult> {
  const { address } = host.target
  const extras = extrasFor(context, address, host.plan as HostPlan)
  const { watchSeconds } = extras
  if (extras.trial === null && isTrialWanted(context, address, host.plan as HostPlan)) return refuseTrial()
  const ended = new AbortController()
  const signal = AbortSignal.any([context.signal, ended.signal])
  const result = await applyPlan(address, host.plan as HostPlan, {
    id: run.id,
    created: run.created,
    by: controllerName(),
    playbooks: run.again.playbooks,
    accepted: host.tasks.flatMap((task, index) => [...task.accept].map(([code, why]) => ({ task: index, code, why }))),
    rescue: rescueLines(run.id, host.places, { trial: Boolean(extras.trial) }),
    ...extras,
    ...(typeof watchSeconds === 'number' && { suspectAfterMs }),
    master: true,
    signal: context.signal,
    onEvent: (event) => {
      tellEvent(run.progress, address.name, event)
      if (event.name === 'waiting') void keepReachable(address, { run, signal, seconds: Number(event.fields[0]) })
    },
  })
  ended.abort()
  return result
}

/** A tree boots nothing and has no connection to lose. */
function extrasFor(context: RunContext, address: HostAddress, plan: HostPlan): ManifestExtras {
  if (address.root !== null) return {}
  const kernel = isTrialWanted(context, address, plan) ? plan.nextBoot?.entry.kernel : undefined
  const confirmWithinSeconds = Math.ceil(confirmWithin(context) / 1000)
  return {
    trial: kernel === undefined ? null : { kernel, confirmWithinSeconds },
    watchSeconds: address.connection === 'ssh' && mayCutConnection(plan.changes) ? watchSeconds : null,
  }
}

function isTrialWanted({ options }: RunContext, { root }: HostAddress, plan: HostPlan): boolean {
  return root === null && options.trial !== false && isBootPlan(plan)
}

/** Nothing is sent: nobody knows which boot that would be. */
function refuseTrial(): ApplyResult {
  const why = error('TRIAL_UNSUPPORTED', 'no boot can be tried here: passway does not know how this host boots', {
    hint: 'with --no-trial it is written for good at once',
  })
  return { ...nothingWritten, outcome: 'refused', reboot: 'none', diagnostics: [why] }
}

/** Time to find out that a connection is gone, and for a few new ones. */
const watchSeconds = 90
const suspectAfterMs = 15_000

/** What was changed on the running system stays if a new connection says so; the host waits for that. */
async function keepReachable(
  address: HostAddress,
  { run, signal, seconds }: { readonly run: ApplyRun; readonly signal: AbortSignal; readonly seconds: number },
): Promise<void> {
  run.progress.tell(address.name, 'that may have cut the network: logging in again')
  const { keepChanges } = await import('../host/keep-changes.ts')
  const isKept = await keepChanges(address, { id: run.id, by: controllerName(), seconds, signal })
  const words = isKept ? 'it is reached as before' : 'nobody gets in: it takes the change back by itself'
  run.progress.tell(address.name, words)
}

/** Everything is saved already and waits for the boot alone. */
export const nothingWritten: ApplyResult = {
  outcome: 'committed',
  record: null,
  state: null,
  reboot: 'needed',
  regenerated: [],
  leftToDo: [],
  diagnostics: [],
  reached: true,
}
