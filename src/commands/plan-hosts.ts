import { realpathSync } from 'node:fs'
import { posix } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { readExtraVariables } from '../config/extra-variables.ts'
import { readPlaybooks } from '../config/read-playbooks.ts'
import { error, hasErrors, note, type Diagnostic } from '../core/diagnostic.ts'
import type { HostPlan, ResolvedTask } from '../core/plan.ts'
import type { Reads, Snapshot } from '../core/snapshot.ts'
import { readSnapshot, type SnapshotResult } from '../host/read-snapshot.ts'
import type { HostStatus } from '../report/documents.ts'
import type { Progress } from '../report/progress.ts'
import { findHosts, type Target } from './find-hosts.ts'
import type { PlanInput, PlannedHost, TargetReads } from './plan-input.ts'
import { readRecorded } from './read-recorded.ts'
import { findRescuePlaces, type RescuePlaces } from './rescue-lines.ts'
import type { RunContext } from './run-context.ts'
import { runHosts } from './run-hosts.ts'

/** What planning one host came to. Without a plan the host was not reached or could not be read. */
export type HostResult = {
  readonly target: Target
  readonly status: HostStatus
  readonly plan: HostPlan | null
  readonly tasks: readonly ResolvedTask[]
  readonly skipped: PlannedHost['skipped']
  /** `PRETTY_NAME` of /etc/os-release. */
  readonly system: string
  readonly commandLine: string
  /** What its way back needs. */
  readonly places: RescuePlaces
  /** Where there is no plan; those of a plan are in it. */
  readonly diagnostics: readonly Diagnostic[]
}

export type PlannedHosts = { readonly diagnostics: readonly Diagnostic[]; readonly hosts: readonly HostResult[] }

type Prepared = { readonly input: PlanInput; readonly reads: ReadonlyMap<string, TargetReads> }

/** Problems of the input were found while connections were being made; they end them. */
class InputRefused extends Error {}

/**
 * Reads and plans all hosts of the playbooks. Connections start as soon as the hosts are known; playbooks are checked
 * and modules loaded while ssh waits. Input errors end the connections and are all reported.
 */
export async function planHosts(
  context: RunContext,
  playbooks: readonly string[],
  progress: Progress,
): Promise<PlannedHosts> {
  const extra = readExtraVariables(context.options.extraVars ?? [], context.cwd)
  const headers = readPlaybooks(playbooks, context.cwd, extra.variables)
  const found = await findHosts(context, { plays: headers.plays, extra: extra.variables })
  const early = [
    ...extra.diagnostics,
    ...headers.diagnostics,
    ...withoutConsequences(headers.diagnostics, found.diagnostics),
  ]
  const targets = hasErrors(early) ? [] : found.targets
  if (targets.length > fleet) keepHeapSmall()
  const late: Diagnostic[] = []
  const prepared = loadLate().then(({ preparePlays, readsBefore }) => {
    const rest = { inventory: found.inventory, besidePlaybooks: found.besidePlaybooks, extra: extra.variables }
    const { input, diagnostics } = preparePlays(headers.plays, rest)
    const reads = new Map(found.targets.map((target) => [target.address.name, readsBefore(input, target)]))
    late.push(...distinct([...diagnostics, ...[...reads.values()].flatMap((each) => each.diagnostics)]))
    if (hasErrors([...early, ...late])) throw new InputRefused()
    return { input, reads }
  })
  prepared.catch(() => {})
  const hosts = await runTargets(context, targets, prepared, progress)
  if (targets.length === 0) await prepared.catch(ignoreRefusal)
  const diagnostics = [...early, ...late]
  return { diagnostics, hosts: hasErrors(diagnostics) ? [] : refuseDuplicates(hosts) }
}

/** From so many hosts on, memory counts more than the last bit of speed. */
const fleet = 50

/** Snapshots come and go: with a small young generation V8 lets go of them early instead of growing. */
function keepHeapSmall(): void {
  setFlagsFromString('--max-semi-space-size=2')
  setFlagsFromString('--optimize-for-size')
}

/** What planning needs and connecting does not: loaded once the first connections are on their way. */
async function loadLate(): Promise<typeof import('./plan-input.ts')> {
  await new Promise((resolve) => setTimeout(resolve, 1))
  const [late] = await Promise.all([import('./plan-input.ts'), import('./show-plans.ts')])
  return late
}

/** A playbook that could not be read names no hosts; saying so as well would only hide the reason. */
export function withoutConsequences(ofPlaybooks: readonly Diagnostic[], ofHosts: readonly Diagnostic[]): Diagnostic[] {
  return hasErrors(ofPlaybooks) ? ofHosts.filter(({ code }) => code !== 'NO_HOSTS') : [...ofHosts]
}

async function runTargets(
  context: RunContext,
  targets: readonly Target[],
  prepared: Promise<Prepared>,
  progress: Progress,
): Promise<HostResult[]> {
  let done = 0
  try {
    return await runHosts(targets, context.options.forks ?? 20, async (target) => {
      const result = await planTarget(context, target, prepared)
      done += 1
      if (targets.length > 1) progress.show(`${done} of ${targets.length} hosts planned`)
      return result
    })
  } catch (problem) {
    ignoreRefusal(problem)
    return []
  }
}

function ignoreRefusal(problem: unknown): void {
  if (!(problem instanceof InputRefused)) throw problem
}

async function planTarget(context: RunContext, target: Target, prepared: Promise<Prepared>): Promise<HostResult> {
  const { name } = target.address
  const first = await readTarget(
    context,
    target,
    prepared.then(({ reads }) => reads.get(name)?.reads ?? {}),
  )
  if (!first.ok) return notPlanned(target, first)
  const { input, reads } = await prepared
  const { planHost, readsAfter } = await import('./plan-input.ts')
  const early = reads.get(name)
  const isComplete = early?.isComplete === true
  const asked = isComplete ? early.reads : readsAfter(input, target, first.snapshot)
  const read = await readRecorded(asked, isComplete ? first : await readTarget(context, target, asked), async (all) =>
    readTarget(context, target, all),
  )
  if (!read.ok) return notPlanned(target, read)
  const { snapshot, diagnostics } = await listImages(context, target, read.snapshot)
  const planned = planHost(input, target, snapshot, { prune: context.options.prune === true })
  const plan = { ...planned.plan, diagnostics: [...diagnostics, ...planned.plan.diagnostics] }
  // Texts of a snapshot are slices of all that the probe printed; a copy lets that go.
  return describePlanned(target, snapshot, { ...planned, plan: structuredClone(plan) })
}

/** With `--images` the images count as they are now, not as the agent saw them last. */
async function listImages(
  context: RunContext,
  target: Target,
  snapshot: Snapshot,
): Promise<{ readonly snapshot: Snapshot; readonly diagnostics: readonly Diagnostic[] }> {
  if (context.options.images !== true) return { snapshot, diagnostics: [] }
  const { readImages } = await import('../host/read-images.ts')
  const { controllerName } = await import('./controller.ts')
  const options = { by: controllerName(), signal: context.signal, master: context.shareConnections === true }
  const { images, diagnostics } = await readImages(target.address, options)
  const listed = new Set(images.map(({ path }) => path))
  const others = snapshot.images.filter(({ path }) => !listed.has(path))
  return { snapshot: { ...snapshot, images: [...images, ...others] }, diagnostics }
}

function readTarget(context: RunContext, target: Target, reads: Reads | Promise<Reads>): Promise<SnapshotResult> {
  return readSnapshot(target.address, reads, { signal: context.signal, master: context.shareConnections === true })
}

/** What is kept of a host once it is planned; its snapshot is not. */
export function describePlanned(target: Target, snapshot: Snapshot, planned: PlannedHost): HostResult {
  const isRefused = hasErrors([...planned.plan.diagnostics, ...planned.plan.tasks.flatMap((task) => task.diagnostics)])
  const plan = { ...planned.plan, diagnostics: [...planned.plan.diagnostics, ...noteOpen(snapshot)] }
  return {
    target,
    status: isRefused ? 'refused' : 'ok',
    ...planned,
    plan,
    ...structuredClone({
      system: snapshot.os.get('PRETTY_NAME') ?? snapshot.os.get('ID') ?? '',
      commandLine: snapshot.commandLine,
      places: findRescuePlaces(snapshot),
    }),
    diagnostics: [],
  }
}

/** What is planned is compared with the files of now, which an open trial will or did change. */
function noteOpen({ records }: Snapshot): Diagnostic[] {
  const open = records.findLast(({ state }) => ['staged', 'armed', 'trial', 'confirmed'].includes(state))
  if (open === undefined) return []
  return [
    note('TRIAL_OPEN', `record ${open.id} is open there (${open.state}); nothing else is applied before it has ended`, {
      hint: 'try it: passway reboot; confirm its trial: passway confirm; take it back: passway rollback',
    }),
  ]
}

export function notPlanned(target: Target, result: Extract<SnapshotResult, { ok: false }>): HostResult {
  const status = result.reached ? 'failed' : 'unreachable'
  return {
    target,
    status,
    plan: null,
    tasks: [],
    skipped: [],
    system: '',
    commandLine: '',
    places: { stateDirectory: '', root: null, mounts: [], unlocking: [] },
    diagnostics: [result.diagnostic],
  }
}

/** All hosts meet the same mistake in a playbook; it is told once. */
function distinct(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  return [
    ...new Map(diagnostics.map((found) => [JSON.stringify([found.code, found.message, found.source]), found])).values(),
  ]
}

/** Two names for one machine would race each other. A tree stands for a machine of its own. */
function refuseDuplicates(hosts: readonly HostResult[]): HostResult[] {
  return hosts.map((host) => {
    const others = hosts.filter(
      (other) => other !== host && machineOf(other) !== null && machineOf(other) === machineOf(host),
    )
    if (others.length === 0 || host.plan === null) return host
    const { root } = host.target.address
    const names = others.map((other) => other.target.address.name).join(', ')
    const found = error('HOST_DUPLICATE', `${host.target.address.name} is the same machine as ${names}`, {
      hint: 'keep one of these names in the inventory, or leave the others out with --limit',
      evidence: [root === null ? `machine-id ${host.plan.machineId}` : `the tree ${root}`],
    })
    return { ...host, status: 'refused', plan: { ...host.plan, diagnostics: [...host.plan.diagnostics, found] } }
  })
}

function machineOf({ target, plan }: HostResult): string | null {
  const { root, connection, address, port } = target.address
  if (root === null) return plan?.machineId ?? null
  return JSON.stringify(connection === 'local' ? [realRoot(root)] : [posix.resolve(root), address, port])
}

/** Links may lead to the same tree. */
function realRoot(root: string): string {
  try {
    return realpathSync(root)
  } catch {
    return root
  }
}
