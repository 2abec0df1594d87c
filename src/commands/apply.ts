import { resolve } from 'node:path'
import { hasErrors } from '../core/diagnostic.ts'
import { exitCodes } from '../core/exit-codes.ts'
import type { HostAddress } from '../core/host-address.ts'
import type { HostPlan } from '../core/plan.ts'
import { applyPlan, type ApplyResult } from '../host/execute.ts'
import { readRecords } from '../host/read-records.ts'
import { closeMasters } from '../host/ssh-master.ts'
import type { HostDocument } from '../report/documents.ts'
import { renderDone } from '../report/done-text.ts'
import { startProgress, type Progress } from '../report/progress.ts'
import { count } from '../report/plan-text.ts'
import { confirm, NobodyToAsk } from './ask.ts'
import { controllerName, createRunId } from './controller.ts'
import { tellEvent } from './tell-event.ts'
import { exitCodeOf, finish, refuseUsage } from './finish.ts'
import { nextCommands } from './next-commands.ts'
import { planHosts, type HostResult, type PlannedHosts } from './plan-hosts.ts'
import { rebootAndCompare, type RebootOutcome } from './reboot-host.ts'
import type { RunContext } from './run-context.ts'
import { keepCopies } from './record-copies.ts'
import { rescueLines } from './rescue-lines.ts'
import { runBatches } from './run-batches.ts'
import { findSavedPlan } from './saved-plan.ts'
import { hostPlanDocument, renderFleet, renderHostPlan } from './show-plans.ts'

type Run = {
  readonly id: string
  readonly created: string
  readonly playbooks: readonly string[]
  readonly progress: Progress
}
type Done = { readonly document: HostDocument; readonly text: string }

/** `passway apply`: plans, shows, asks, applies; with `--reboot` also reboots and compares. */
export async function runApply(given: RunContext, args: readonly string[]): Promise<number> {
  const context: RunContext = { ...given, shareConnections: true }
  const progress = startProgress(context.writeError, { isTerminal: context.isProgressWanted, width: context.width })
  try {
    return await planAndApply(context, args, progress)
  } catch (problem) {
    if (problem instanceof NobodyToAsk) return refuseUsage(context, problem.message)
    throw problem
  } finally {
    progress.end()
    await closeMasters()
  }
}

async function planAndApply(context: RunContext, args: readonly string[], progress: Progress): Promise<number> {
  const planned = await makePlans(context, args, progress)
  progress.end()
  if (hasErrors(planned.diagnostics)) return finish(context, { diagnostics: planned.diagnostics, hosts: [], text: [] })
  const shown =
    context.options.quietPlan === true
      ? []
      : [...planned.hosts.map((host) => renderHostPlan(context, host)), renderFleet(planned.hosts)]
  if (context.options.json !== true) printBlocks(context, shown)
  const due = planned.hosts.filter((host) => isDue(context, host))
  const stopped = planned.hosts.some((host) => host.status !== 'ok') && context.options.keepGoing !== true
  if (stopped || due.length === 0) return finishUnapplied(context, planned, stopped)
  if (context.options.yes !== true && !(await confirm(context, askText(context, due))))
    return finishUnapplied(context, planned, true)
  const run = { id: createRunId(new Date()), created: new Date().toISOString(), playbooks: args, progress }
  return applyAll(context, { planned, due, run })
}

async function makePlans(context: RunContext, args: readonly string[], progress: Progress): Promise<PlannedHosts> {
  const saved = args.length === 1 && args[0] !== undefined ? findSavedPlan(resolve(context.cwd, args[0])) : undefined
  if (saved === undefined) return planHosts(context, args, progress)
  const { planSaved } = await import('./plan-saved.ts')
  return planSaved(context, saved, progress)
}

function printBlocks(context: RunContext, blocks: readonly string[]): void {
  const text = blocks.filter((block) => block !== '').join('\n\n')
  if (text !== '') context.write(`${text}\n\n`)
}

/** Something is to be written, rebuilt, or only booted. */
function isDue(context: RunContext, { status, plan }: HostResult): boolean {
  if (status !== 'ok' || plan === null) return false
  return isWritten(plan) || (context.options.reboot === true && plan.reboot === 'needed')
}

function isWritten(plan: HostPlan): boolean {
  return plan.changes.length > 0 || plan.regenerate.length > 0
}

function askText(context: RunContext, due: readonly HostResult[]): string {
  const names = due.length <= 5 ? due.map(({ target }) => target.address.name).join(', ') : count(due.length, 'host')
  const rebooted = due.some(({ plan }) => plan?.reboot === 'needed')
  const reboot = context.options.reboot === true && rebooted ? ' and reboot' : ''
  return `Apply this to ${names}${reboot}?`
}

/** Nothing was written: refused somewhere, declined, or nothing to do. */
function finishUnapplied(context: RunContext, planned: PlannedHosts, stopped: boolean): number {
  const hosts = planned.hosts.map((host) => ({
    ...hostPlanDocument(host),
    record: null,
    state: null,
    reboot: 'none',
    regenerated: [],
    leftToDo: [],
    next: [],
  }))
  const others =
    planned.hosts.some((host) => host.status === 'ok') && planned.hosts.length > 1
      ? ' (--keep-going applies the others)'
      : ''
  const text = stopped ? `Nothing was written on any host${others}.` : 'Nothing to do.'
  const code = exitCodeOf({ diagnostics: planned.diagnostics, hosts })
  return finish(context, {
    diagnostics: planned.diagnostics,
    hosts,
    text: [text],
    exitCode: stopped && code === exitCodes.ok ? exitCodes.failed : code,
  })
}

async function applyAll(
  context: RunContext,
  { planned, due, run }: { readonly planned: PlannedHosts; readonly due: readonly HostResult[]; readonly run: Run },
): Promise<number> {
  const done = await runBatches(context, due, {
    serial: context.options.reboot === true,
    work: (host) => applyHost(context, host, run),
    isFailed: ({ document }) => document.status !== 'ok',
    skip: (host) => skipped(host),
  })
  const others = planned.hosts
    .filter((host) => !due.includes(host))
    .map((host): Done => ({ document: untouched(host), text: '' }))
  const all = [...done, ...others]
  return finish(context, {
    diagnostics: planned.diagnostics,
    hosts: all.map(({ document }) => document),
    text: all.map(({ text }) => text),
  })
}

const nothing = { record: null, state: null, reboot: 'none', regenerated: [], leftToDo: [], next: [] } as const

function untouched(host: HostResult): HostDocument {
  return { host: host.target.address.name, status: host.status, diagnostics: host.diagnostics, ...nothing }
}

function skipped(host: HostResult): Done {
  const name = host.target.address.name
  const diagnostics = [
    { severity: 'error', code: 'NOT_BEGUN', message: `${name} was not begun: a host before it failed` } as const,
  ]
  return {
    document: { host: name, status: 'failed', diagnostics, ...nothing },
    text: `${name}: not begun, a host before it failed`,
  }
}

async function applyHost(context: RunContext, host: HostResult, run: Run): Promise<Done> {
  const { plan, target } = host
  if (plan === null) throw new Error('a host without a plan is not applied')
  const applied = isWritten(plan) ? await write(context, host, run) : nothingWritten(plan)
  if (applied.record !== null) await copyRecords(target.address)
  const isReboot = context.options.reboot === true && applied.outcome === 'committed' && applied.reboot === 'needed'
  if (isReboot && applied.record !== null) tellWayBack(context, host, applied.record)
  const boot = isReboot
    ? await rebootAndCompare(context, target.address, { predicted: plan.nextBoot, progress: run.progress })
    : null
  return describeDone(context, { name: target.address.name, isTree: target.address.root !== null, applied, boot })
}

/** The controller keeps what the host tells of its records, for when the host does not answer. */
async function copyRecords(address: HostAddress): Promise<void> {
  const { reached, records } = await readRecords(address, { by: controllerName(), master: true })
  if (reached) keepCopies(address.name, records)
}

async function write(context: RunContext, host: HostResult, run: Run): Promise<ApplyResult> {
  const { name } = host.target.address
  return applyPlan(host.target.address, host.plan as HostPlan, {
    id: run.id,
    created: run.created,
    by: controllerName(),
    playbooks: run.playbooks,
    accepted: host.tasks.flatMap((task, index) => [...task.accept].map(([code, why]) => ({ task: index, code, why }))),
    rescue: rescueLines(run.id, host.stateDirectory),
    master: true,
    signal: context.signal,
    onEvent: (event) => tellEvent(run.progress, name, event),
  })
}

/** Everything is saved already and waits for the boot alone. */
function nothingWritten(plan: HostPlan): ApplyResult {
  return {
    outcome: 'committed',
    record: null,
    state: null,
    reboot: plan.reboot,
    regenerated: [],
    leftToDo: [],
    diagnostics: [],
    reached: true,
  }
}

function tellWayBack(context: RunContext, host: HostResult, record: string): void {
  const lines = rescueLines(record, host.stateDirectory).map((line) => `  ${line}\n`)
  context.writeError(`${host.target.address.name}: if it does not come back, at its console:\n${lines.join('')}`)
}

type Finished = {
  readonly name: string
  readonly isTree: boolean
  readonly applied: ApplyResult
  readonly boot: RebootOutcome | null
}

function describeDone(context: RunContext, { name, isTree, applied, boot }: Finished): Done {
  const status = statusOf(applied, boot)
  const diagnostics = [...applied.diagnostics, ...(boot?.diagnostics ?? [])]
  const reboot = boot?.status === 'ok' ? 'done' : applied.reboot
  const next = nextCommands(context, {
    name,
    isRebootDue: reboot === 'needed' && !isTree,
    isReverted: applied.outcome !== 'committed',
  })
  const { record, state, regenerated, leftToDo } = applied
  const document: HostDocument = {
    host: name,
    status,
    diagnostics,
    record,
    state,
    reboot,
    regenerated,
    leftToDo,
    next,
    boot: boot?.rows ?? [],
  }
  const text = renderDone(
    { ...document, outcome: applied.outcome, rows: boot?.rows ?? [] },
    { paint: context.paint, verbose: context.options.verbose === true },
  )
  return { document, text }
}

function statusOf(applied: ApplyResult, boot: RebootOutcome | null): HostDocument['status'] {
  if (!applied.reached) return 'unreachable'
  if (applied.outcome === 'refused') return 'refused'
  if (applied.outcome !== 'committed' && applied.outcome !== 'done') return 'failed'
  return boot?.status ?? 'ok'
}
