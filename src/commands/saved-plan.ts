import { lstatSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { isConnectionVariable } from '../config/connection-variables.ts'
import { readExtraVariables } from '../config/extra-variables.ts'
import { defaultInventories } from '../config/load-inventory.ts'
import { error, warning, type Diagnostic, type SourcePosition } from '../core/diagnostic.ts'
import type { HostPlan, ResolvedTask } from '../core/plan.ts'
import { publicChange, sha256 } from '../core/public-change.ts'
import { bytesFromText } from '../core/bytes.ts'
import { tool } from '../core/tool.ts'
import { planFields, type HostStatus } from '../report/documents.ts'
import { escapeForTerminal } from '../report/escape.ts'
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

/** A host of the playbooks without a plan that could be applied: whoever applies the others hears of it. */
export type UnplannedHost = { readonly host: string; readonly status: Exclude<HostStatus, 'ok'> }

/** A saved plan: resolved tasks and what they came to; `before` as hashes. */
export type SavedPlan = {
  readonly format: 1
  readonly kind: 'passway-plan'
  readonly tool: string
  readonly created: string
  /** Absolute. */
  readonly playbooks: readonly string[]
  /** `-i` as given, or what counts without it; absolute. Used when apply is not told otherwise. */
  readonly inventory: readonly string[]
  readonly prune: boolean
  readonly hosts: readonly SavedHost[]
  /** Plans of earlier versions do not name them. */
  readonly unplanned?: readonly UnplannedHost[]
}

/** In words: why a saved plan lacks a host. */
export const unplannedWords = { refused: 'refused', unreachable: 'not reached', failed: 'not read' } as const

/** Why a plan may not be written there: nothing is replaced but an earlier plan, or a file that is empty. */
export function refuseReplacing(cwd: string, file: string): string | undefined {
  const path = resolve(cwd, file)
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return undefined
  const status = statSync(path, { throwIfNoEntry: false })
  if (status?.isFile() === true && (status.size === 0 || findSavedPlan(path) !== undefined)) return undefined
  return `--out ${file}: what is there is no saved plan, and is not replaced; name another file`
}

/** Writes the plans of all hosts that can be applied, readable by its owner only; where there is none, nothing. */
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
    playbooks: playbooks.map((playbook) => resolve(context.cwd, playbook)),
    inventory: (context.options.inventory ?? defaultInventories(context.cwd)).map((source) =>
      source.includes(',') ? source : resolve(context.cwd, source),
    ),
    prune: context.options.prune === true,
    hosts: hosts.flatMap((host) => (host.status === 'ok' && host.plan !== null ? [saveHost(host, host.plan)] : [])),
    unplanned: hosts.flatMap(({ target, status }) => (status === 'ok' ? [] : [{ host: target.address.name, status }])),
  }
  if (saved.hosts.length === 0)
    return [warning('PLAN_NOT_SAVED', `nothing was saved to ${file}: there is no plan that could be applied`)]
  const problem = writePrivate(resolve(context.cwd, file), `${JSON.stringify(saved, null, 2)}\n`)
  if (problem !== undefined)
    return [error('PLAN_NOT_SAVED', `the plan could not be saved to ${file}`, { evidence: [problem] })]
  if (context.options.json !== true) context.writeError(`${describeSaved(context, file, saved)}\n`)
  return []
}

function describeSaved(context: RunContext, file: string, { unplanned = [] }: SavedPlan): string {
  const names = unplanned.map(({ host, status }) => `${escapeForTerminal(host)} (${unplannedWords[status]})`)
  const command = applyCommand(context, file)
  if (names.length === 0) return `saved: ${file} (apply exactly this with: ${command})`
  return `saved: ${file} without ${names.join(', ')}; apply exactly this with: ${command}`
}

/** The saved plan knows where its inventory is and what variables came to; not how `-e` says that hosts are reached. */
function applyCommand(context: RunContext, file: string): string {
  const extraVars = (context.options.extraVars ?? []).filter((word) =>
    [...readExtraVariables([word], context.cwd).variables.keys()].some(isConnectionVariable),
  )
  const options = { ...context.options, inventory: [], extraVars }
  return commandLine({ ...context, options }, 'apply', { playbooks: [file] })
}

/** Options of apply that would make another plan of a saved one. */
export function findInexact({ options, cwd }: RunContext): string | undefined {
  const names = [...readExtraVariables(options.extraVars ?? [], cwd).variables.keys()]
  const others = names.filter((name) => !isConnectionVariable(name))
  const inexact = [...(options.prune === true ? ['--prune'] : []), ...others.map((name) => `-e ${name}`)]
  if (inexact.length === 0) return undefined
  return `a saved plan is applied exactly; plan again with ${inexact.join(', ')}`
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
