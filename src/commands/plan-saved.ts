import { error, hasErrors, type Diagnostic } from '../core/diagnostic.ts'
import { readSnapshot } from '../host/read-snapshot.ts'
import type { Progress } from '../report/progress.ts'
import { findAllHosts, type Target } from './find-hosts.ts'
import { describePlanned, notPlanned, type HostResult, type PlannedHosts } from './plan-hosts.ts'
import { planTasks, readsOfSaved } from './plan-input.ts'
import type { RunContext } from './run-context.ts'
import { runHosts } from './run-hosts.ts'
import { compareSaved, restoreTasks, type SavedHost, type SavedPlan } from './saved-plan.ts'

/** Plans the resolved tasks of a saved plan again; hosts that came to something else are refused as stale. */
export async function planSaved(context: RunContext, saved: SavedPlan, progress: Progress): Promise<PlannedHosts> {
  const inventory = context.options.inventory ?? (saved.inventory.length > 0 ? saved.inventory : undefined)
  const options = { ...context.options, ...(inventory && { inventory }) }
  const found = await findAllHosts({ ...context, options })
  const targets = new Map(found.targets.map((target) => [target.address.name, target]))
  const missing = saved.hosts.filter(({ host }) => !targets.has(host) && options.limit === undefined)
  const diagnostics = [...found.diagnostics, ...missing.map(hostMissing)]
  if (hasErrors(diagnostics)) return { diagnostics, hosts: [] }
  const wanted = saved.hosts.flatMap((host) => {
    const target = targets.get(host.host)
    return target === undefined ? [] : [{ host, target }]
  })
  const hosts = await runHosts(wanted, options.forks ?? 20, ({ host, target }) =>
    planHostAgain(context, { saved, host, target }),
  )
  progress.show('')
  return { diagnostics, hosts }
}

function hostMissing({ host }: SavedHost): Diagnostic {
  return error('HOST_UNKNOWN', `the plan is for ${host}, which the inventory does not name`, {
    hint: 'name the inventory of the plan with -i',
  })
}

async function planHostAgain(
  context: RunContext,
  { saved, host, target }: { readonly saved: SavedPlan; readonly host: SavedHost; readonly target: Target },
): Promise<HostResult> {
  const tasks = restoreTasks(host)
  const read = await readSnapshot(target.address, readsOfSaved(tasks), { signal: context.signal, master: true })
  if (!read.ok) return notPlanned(target, read)
  const plan = planTasks(tasks, read.snapshot, { prune: saved.prune })
  const stale = compareSaved(host, plan)
  return describePlanned(target, read.snapshot, {
    tasks,
    skipped: [],
    plan: { ...plan, diagnostics: [...plan.diagnostics, ...stale] },
  })
}
