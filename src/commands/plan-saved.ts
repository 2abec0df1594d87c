import { relative, resolve } from 'node:path'
import { defaultInventories } from '../config/load-inventory.ts'
import { error, hasErrors, type Diagnostic } from '../core/diagnostic.ts'
import type { Reads } from '../core/snapshot.ts'
import { readSnapshot } from '../host/read-snapshot.ts'
import type { Progress } from '../report/progress.ts'
import { findAllHosts, type Target } from './find-hosts.ts'
import { describePlanned, notPlanned, type HostResult, type PlannedHosts } from './plan-hosts.ts'
import { planTasks, readsOfSaved } from './plan-input.ts'
import { readRecorded } from './read-recorded.ts'
import type { RunContext } from './run-context.ts'
import { runHosts } from './run-hosts.ts'
import {
  compareSaved,
  restoreTasks,
  unplannedWords,
  type SavedHost,
  type SavedPlan,
  type UnplannedHost,
} from './saved-plan.ts'

/** Plans the resolved tasks of a saved plan again; hosts that came to something else are refused as stale. */
export async function planSaved(context: RunContext, saved: SavedPlan, progress: Progress): Promise<PlannedHosts> {
  const { options } = context
  const found = await findAllHosts(context)
  const targets = new Map(found.targets.map((target) => [target.address.name, target]))
  const names = [...saved.hosts, ...(saved.unplanned ?? [])].map(({ host }) => host)
  const missing = names.filter((host) => !targets.has(host) && options.limit === undefined)
  const empty = names.some((host) => targets.has(host)) || missing.length > 0 ? [] : [noneSelected(context, names)]
  const before = [...found.diagnostics, ...missing.map(hostMissing)]
  const diagnostics = hasErrors(before) ? before : [...before, ...empty]
  if (hasErrors(diagnostics)) return { diagnostics, hosts: [] }
  const wanted = saved.hosts.flatMap((host) => {
    const target = targets.get(host.host)
    return target === undefined ? [] : [{ host, target }]
  })
  const hosts = await runHosts(wanted, options.forks ?? 20, ({ host, target }) =>
    planHostAgain(context, { saved, host, target }),
  )
  progress.show('')
  const unplanned = (saved.unplanned ?? []).flatMap((host) => {
    const target = targets.get(host.host)
    return target === undefined ? [] : [refuseUnplanned(target, host)]
  })
  return { diagnostics, hosts: [...hosts, ...unplanned] }
}

/** The run with the inventory of the plan, unless another is named; not named where it is what counts without `-i`. */
export function withInventoryOf(context: RunContext, saved: SavedPlan): RunContext {
  const { cwd, options } = context
  if (options.inventory !== undefined || saved.inventory.length === 0) return context
  const inventory = saved.inventory.map((source) => (source.includes(',') ? source : shortPath(cwd, source)))
  const isDefault = inventory.join('\n') === defaultInventories(cwd).join('\n')
  return isDefault ? context : { ...context, options: { ...options, inventory } }
}

/** As a person writes it: what lies below the working directory is named from there. */
export function shortPath(cwd: string, path: string): string {
  const short = relative(cwd, resolve(cwd, path))
  return short === '' || short.startsWith('..') ? path : short
}

function noneSelected({ options: { limit } }: RunContext, names: readonly string[]): Diagnostic {
  const which = limit === undefined ? 'no host' : `no host that --limit ${limit} selects`
  return error('NO_HOSTS', `the saved plan has ${which}`, {
    hint: 'plan again',
    ...(names.length > 0 && { evidence: [`hosts: ${names.slice(0, 10).join(', ')}`] }),
  })
}

function refuseUnplanned(target: Target, { host, status }: UnplannedHost): HostResult {
  const diagnostic = error(
    'HOST_NOT_PLANNED',
    `${host} was not planned: it was ${unplannedWords[status]} when the plan was saved`,
    { hint: 'plan again' },
  )
  return { ...notPlanned(target, { ok: false, reached: true, diagnostic }), status: 'refused' }
}

function hostMissing(host: string): Diagnostic {
  return error('HOST_UNKNOWN', `the plan is for ${host}, which the inventory does not name`, {
    hint: 'name the inventory of the plan with -i',
  })
}

async function planHostAgain(
  context: RunContext,
  { saved, host, target }: { readonly saved: SavedPlan; readonly host: SavedHost; readonly target: Target },
): Promise<HostResult> {
  const tasks = restoreTasks(host)
  const readAgain = (reads: Reads) => readSnapshot(target.address, reads, { signal: context.signal, master: true })
  const asked = readsOfSaved(tasks)
  const read = await readRecorded(asked, await readAgain(asked), readAgain)
  if (!read.ok) return notPlanned(target, read)
  const plan = planTasks(tasks, read.snapshot, { prune: saved.prune })
  const stale = compareSaved(host, plan)
  return describePlanned(target, read.snapshot, {
    tasks,
    skipped: [],
    plan: { ...plan, diagnostics: [...plan.diagnostics, ...stale] },
  })
}
