import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { error, type Diagnostic, type SourcePosition } from '../core/diagnostic.ts'
import type { HostPlan, ResolvedTask } from '../core/plan.ts'
import { publicChange, sha256 } from '../core/public-change.ts'
import { bytesFromText } from '../core/bytes.ts'
import { tool } from '../core/tool.ts'
import { planFields } from '../report/documents.ts'
import { commandLine } from './next-commands.ts'
import type { HostResult } from './plan-hosts.ts'
import type { RunContext } from './run-context.ts'

type SavedTask = Pick<ResolvedTask, 'play' | 'name' | 'module' | 'params' | 'adopt'> & {
  readonly accept: Readonly<Record<string, string>>
  readonly source: SourcePosition
}

/** What must be the same when the plan is applied; a part that differs is named. */
export type PlanFingerprint = {
  readonly machineId: string | null
  readonly changes: readonly { readonly kind: string; readonly target: string; readonly hash: string }[]
  readonly regenerate: readonly string[]
  readonly nextBoot: string
}

export type SavedHost = {
  readonly host: string
  readonly tasks: readonly SavedTask[]
  readonly fingerprint: PlanFingerprint
  readonly plan: unknown
}

/** A saved plan: resolved tasks and what they came to; `before` as hashes. */
export type SavedPlan = {
  readonly format: 1
  readonly kind: 'passway-plan'
  readonly tool: string
  readonly created: string
  readonly playbooks: readonly string[]
  /** `-i` as given, absolute; used when apply is not told otherwise. */
  readonly inventory: readonly string[]
  readonly prune: boolean
  readonly hosts: readonly SavedHost[]
}

/** Writes the plan of all hosts that could be planned, readable by its owner only. */
export function savePlan(
  context: RunContext,
  file: string,
  playbooks: readonly string[],
  hosts: readonly HostResult[],
): Diagnostic[] {
  const saved: SavedPlan = {
    format: 1,
    kind: 'passway-plan',
    tool,
    created: new Date().toISOString(),
    playbooks,
    inventory: (context.options.inventory ?? []).map((source) =>
      source.includes(',') ? source : resolve(context.cwd, source),
    ),
    prune: context.options.prune === true,
    hosts: hosts.flatMap((host) => (host.plan === null ? [] : [saveHost(host, host.plan)])),
  }
  const problem = writePrivate(resolve(context.cwd, file), `${JSON.stringify(saved, null, 2)}\n`)
  if (problem !== undefined)
    return [error('PLAN_NOT_SAVED', `the plan could not be saved to ${file}`, { evidence: [problem] })]
  if (context.options.json !== true)
    context.writeError(`saved: ${file} (apply exactly this with: ${applyCommand(context, file)})\n`)
  return []
}

/** Of hosts named by the inventory the saved plan knows where they are. */
function applyCommand(context: RunContext, file: string): string {
  return commandLine({ ...context, options: { ...context.options, inventory: [] } }, 'apply', { playbooks: [file] })
}

/** A file that was there keeps its mode when it is written: it is made anew, mode 0600 from its first byte. */
function writePrivate(path: string, text: string): string | undefined {
  const fresh = `${path}.${process.pid}`
  try {
    writeFileSync(fresh, text, { mode: 0o600, flag: 'wx' })
    renameSync(fresh, path)
  } catch (problem) {
    rmSync(fresh, { force: true })
    return (problem as Error).message
  }
  return undefined
}

function saveHost(host: HostResult, plan: HostPlan): SavedHost {
  return {
    host: host.target.address.name,
    tasks: host.tasks.map(({ play, name, module, params, adopt, accept, source }) => ({
      play,
      name,
      module,
      params,
      adopt,
      accept: Object.fromEntries(accept),
      source,
    })),
    fingerprint: fingerprintOf(plan),
    plan: planFields(plan, { before: 'hashed', after: 'shown' }),
  }
}

export function fingerprintOf(plan: HostPlan): PlanFingerprint {
  return {
    machineId: plan.machineId,
    changes: plan.changes.map((change) => ({
      kind: change.kind,
      target: change.target,
      hash: hashOf(publicChange(change, { before: 'hashed', after: 'hashed' })),
    })),
    regenerate: plan.regenerate,
    nextBoot: hashOf(plan.nextBoot),
  }
}

function hashOf(value: unknown): string {
  return sha256(bytesFromText(JSON.stringify(value)))
}

/** A saved plan, or undefined where the file is something else (a playbook). */
export function findSavedPlan(path: string): SavedPlan | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
  if (!text.trimStart().startsWith('{')) return undefined
  const saved = parseSavedPlan(text)
  return saved?.kind === 'passway-plan' && saved.format === 1 ? saved : undefined
}

function parseSavedPlan(text: string): SavedPlan | undefined {
  try {
    return JSON.parse(text) as SavedPlan
  } catch {
    return undefined
  }
}

export function restoreTasks(saved: SavedHost): ResolvedTask[] {
  return saved.tasks.map((task) => ({
    ...task,
    accept: new Map(Object.entries(task.accept)),
    locate: () => task.source,
  }))
}

/** PLAN_STALE with every difference, or nothing. */
export function compareSaved(saved: SavedHost, plan: HostPlan): Diagnostic[] {
  const now = fingerprintOf(plan)
  const differences = [
    ...(saved.fingerprint.machineId === now.machineId
      ? []
      : [`it is another machine: ${now.machineId}, planned for ${saved.fingerprint.machineId}`]),
    ...compareChanges(saved.fingerprint, now),
    ...(saved.fingerprint.regenerate.join() === now.regenerate.join()
      ? []
      : [`rebuilt would be: ${now.regenerate.join(', ') || 'nothing'}`]),
    ...(saved.fingerprint.nextBoot === now.nextBoot ? [] : ['the predicted next boot is another one']),
  ]
  if (differences.length === 0) return []
  const details = { evidence: differences, hint: 'plan again, look at it, and apply the new plan' }
  return [error('PLAN_STALE', `${saved.host} is not any more as it was when the plan was saved`, details)]
}

function compareChanges(saved: PlanFingerprint, now: PlanFingerprint): string[] {
  const key = (change: PlanFingerprint['changes'][number]): string => `${change.kind} ${change.target}`
  const before = new Map(saved.changes.map((change) => [key(change), change.hash]))
  const after = new Map(now.changes.map((change) => [key(change), change.hash]))
  return [
    ...[...before.keys()].filter((each) => !after.has(each)).map((each) => `no change of ${each} is due any more`),
    ...[...after.keys()].filter((each) => !before.has(each)).map((each) => `${each} would change as well`),
    ...[...after]
      .filter(([each, hash]) => before.has(each) && before.get(each) !== hash)
      .map(([each]) => `the change of ${each} is another one`),
  ]
}
