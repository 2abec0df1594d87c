import { modules } from '../../modules/index.ts'
import { acsOverrideSymbols, factsFrom } from '../config/facts.ts'
import type { Inventory } from '../config/inventory.ts'
import { loadPlays } from '../config/load-plays.ts'
import type { Play, PlayHeader } from '../config/playbook.ts'
import type { PlaybookVariables } from '../config/playbook-variables.ts'
import { isFactReferenced, referencedFacts } from '../config/referenced-facts.ts'
import { resolveTasks, type ResolvedTasks, type TaskName } from '../config/resolve-tasks.ts'
import type { Variables } from '../config/source-node.ts'
import { validateParams } from '../config/validate-params.ts'
import { placeDiagnostic } from '../boot/attach-diagnostics.ts'
import { computePlan } from '../boot/compute-plan.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import { expandPlan } from '../core/expand-plan.ts'
import type { Module, ModulePlan } from '../core/module.ts'
import type { HostPlan, ResolvedTask } from '../core/plan.ts'
import type { Reads, Snapshot } from '../core/snapshot.ts'
import { uniteReads } from '../host/probe-request.ts'
import type { Target } from './find-hosts.ts'

/** What is planned, before any host was read. */
export type PlanInput = {
  readonly plays: readonly Play[]
  readonly inventory: Inventory
  readonly besidePlaybooks: PlaybookVariables
  readonly extra: Variables
  /** Facts that some expression mentions. */
  readonly facts: ReadonlySet<string>
}

export type PlannedHost = {
  readonly plan: HostPlan
  readonly skipped: readonly TaskName[]
  readonly tasks: readonly ResolvedTask[]
}

/** Reads and checks the plays whole. */
export function preparePlays(
  headers: readonly PlayHeader[],
  rest: Omit<PlanInput, 'plays' | 'facts'>,
): { readonly input: PlanInput; readonly diagnostics: readonly Diagnostic[] } {
  const { plays, diagnostics } = loadPlays(headers, modules)
  const layers = [
    ...[...rest.inventory.hosts.values()].map(({ variables }) => variables),
    ...[...rest.inventory.groups.values()].map(({ variables }) => variables),
    ...[...rest.inventory.adjacent, ...rest.besidePlaybooks.values()].flatMap(({ groups, hosts }) => [
      ...groups.values(),
      ...hosts.values(),
    ]),
    rest.extra,
  ]
  return { input: { ...rest, plays, facts: referencedFacts(plays, layers) }, diagnostics }
}

export type TargetReads = {
  readonly reads: Reads
  /** Parameters of some tasks depend on facts: what they want read is known only after the first reading. */
  readonly isComplete: boolean
  readonly diagnostics: readonly Diagnostic[]
}

/** What a host's tasks want read, as far as it is known before the host was read; and what is wrong with them already. */
export function readsBefore(input: PlanInput, target: Target): TargetReads {
  const resolved = resolve(input, target, null)
  const wanted = readsOfTasks(resolved.tasks)
  const symbols = isFactReferenced(input.facts, 'facts.kernel.acs_override') ? acsOverrideSymbols : []
  return {
    reads: uniteReads([...wanted.reads, { symbols }]),
    isComplete: resolved.waiting.length === 0,
    diagnostics: [...resolved.diagnostics, ...wanted.diagnostics],
  }
}

/** What the tasks of a host want read, with facts known. */
export function readsAfter(input: PlanInput, target: Target, snapshot: Snapshot): Reads {
  return uniteReads([readsBefore(input, target).reads, ...readsOfTasks(resolve(input, target, snapshot).tasks).reads])
}

function resolve(input: PlanInput, target: Target, snapshot: Snapshot | null): ResolvedTasks {
  return resolveTasks({
    plays: target.plays.flatMap((index) => input.plays[index] ?? []),
    inventory: input.inventory,
    host: target.address.name,
    besidePlaybooks: input.besidePlaybooks,
    extra: input.extra,
    facts: snapshot === null ? null : factsFrom(snapshot),
  })
}

/** What the tasks of a saved plan want read. */
export function readsOfSaved(tasks: readonly ResolvedTask[]): Reads {
  return uniteReads(readsOfTasks(tasks).reads)
}

function readsOfTasks(tasks: readonly ResolvedTask[]): { readonly reads: Reads[]; readonly diagnostics: Diagnostic[] } {
  const checked = tasks.flatMap((task) => {
    const module = findModule(task.module)
    return module === undefined ? [] : [{ module, validated: validateParams(module, task) }]
  })
  return {
    reads: checked.flatMap(({ module, validated }) => (validated.ok ? [module.reads(validated.params)] : [])),
    diagnostics: checked.flatMap(({ validated }) => (validated.ok ? [] : validated.diagnostics)),
  }
}

/** The plan of a host from its snapshot alone. Pure. */
export function planHost(
  input: PlanInput,
  target: Target,
  snapshot: Snapshot,
  options: { readonly prune: boolean },
): PlannedHost {
  const resolved = resolve(input, target, snapshot)
  const planned = planTasks(resolved.tasks, snapshot, options)
  return {
    plan: { ...planned, diagnostics: [...resolved.diagnostics, ...planned.diagnostics] },
    skipped: resolved.skipped,
    tasks: resolved.tasks,
  }
}

/** The plan of resolved tasks, as a saved plan holds them. */
export function planTasks(
  tasks: readonly ResolvedTask[],
  snapshot: Snapshot,
  options: { readonly prune: boolean },
): HostPlan {
  const modulePlans = tasks.map((task) => planTask(task, snapshot))
  return computePlan({ tasks, modulePlans, snapshot, prune: options.prune })
}

function planTask(task: ResolvedTask, snapshot: Snapshot): ModulePlan {
  const module = findModule(task.module)
  if (module === undefined) throw new Error(`no module ${task.module}`)
  const validated = validateParams(module, task)
  if (!validated.ok) return { claims: [], diagnostics: validated.diagnostics }
  const planned = expandPlan(modules, module.plan(validated.params, snapshot, task), snapshot, task)
  return { ...planned, diagnostics: planned.diagnostics.map((found) => placeDiagnostic(task, found)) }
}

function findModule(name: string): Module | undefined {
  return modules.find((module) => module.name === name)
}
