import { resolve } from 'node:path'
import { hasErrors } from '../core/diagnostic.ts'
import { exitCodes } from '../core/exit-codes.ts'
import { closeMasters } from '../host/ssh-master.ts'
import { count } from '../report/plan-text.ts'
import { startProgress, type Progress } from '../report/progress.ts'
import { applyHosts, isWritten, unwritten } from './apply-hosts.ts'
import { confirm } from './ask.ts'
import { createRunId } from './controller.ts'
import { exitCodeOf, finish, refuseUsage } from './finish.ts'
import { planHosts, type HostResult, type PlannedHosts } from './plan-hosts.ts'
import type { RunContext } from './run-context.ts'
import { findInexact, findSavedPlan, type SavedPlan } from './saved-plan.ts'
import { hostPlanDocument, renderFleet, renderHostPlan } from './show-plans.ts'
import type { Again } from './write-plan.ts'

/** `passway apply`: plans, shows, asks, applies; with `--reboot` also reboots and compares. */
export async function runApply(given: RunContext, args: readonly string[]): Promise<number> {
  const context: RunContext = { ...given, shareConnections: true }
  const progress = startProgress(context.writeError, { isTerminal: context.isProgressWanted, width: context.width })
  try {
    return await planAndApply(context, args, progress)
  } finally {
    progress.end()
    await closeMasters()
  }
}

async function planAndApply(given: RunContext, args: readonly string[], progress: Progress): Promise<number> {
  const saved = findSaved(given, args)
  const inexact = saved && findInexact(given)
  if (inexact !== undefined) return refuseUsage(given, inexact)
  const { context, again, planned } = await makePlans(given, { args, saved }, progress)
  progress.end()
  if (hasErrors(planned.diagnostics)) return finish(context, { diagnostics: planned.diagnostics, hosts: [], text: [] })
  const shown =
    context.options.quietPlan === true
      ? []
      : [...planned.hosts.map((host) => renderHostPlan(context, host, again)), renderFleet(planned.hosts)]
  if (context.options.json !== true) printBlocks(context, shown)
  const due = planned.hosts.filter((host) => isDue(context, host))
  const stopped = planned.hosts.some((host) => host.status !== 'ok') && context.options.keepGoing !== true
  if (stopped || due.length === 0) return finishUnapplied(context, { planned, again, stopped })
  if (context.options.yes !== true && !(await confirm(context, askText(context, due))))
    return finishUnapplied(context, { planned, again, stopped: true })
  const run = { id: createRunId(new Date()), created: new Date().toISOString(), again, progress }
  return applyHosts(context, { planned, due, run })
}

/** A saved plan stands alone; playbooks may be several. */
function findSaved({ cwd }: RunContext, args: readonly string[]): SavedPlan | undefined {
  return args.length === 1 && args[0] !== undefined ? findSavedPlan(resolve(cwd, args[0])) : undefined
}

type Made = {
  /** Of a saved plan: with its inventory, so that commands to run next find the hosts as well. */
  readonly context: RunContext
  readonly planned: PlannedHosts
  readonly again: Again
}

async function makePlans(
  given: RunContext,
  { args, saved }: { readonly args: readonly string[]; readonly saved: SavedPlan | undefined },
  progress: Progress,
): Promise<Made> {
  if (saved === undefined)
    return {
      context: given,
      planned: await planHosts(given, args, progress),
      again: { verb: 'apply', playbooks: args },
    }
  const { planSaved, shortPath, withInventoryOf } = await import('./plan-saved.ts')
  const context = withInventoryOf(given, saved)
  const playbooks = saved.playbooks.map((path) => shortPath(context.cwd, path))
  return { context, planned: await planSaved(context, saved, progress), again: { verb: 'plan', playbooks } }
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

function askText(context: RunContext, due: readonly HostResult[]): string {
  const names = due.length <= 5 ? due.map(({ target }) => target.address.name).join(', ') : count(due.length, 'host')
  const rebooted = due.some(({ plan }) => plan?.reboot === 'needed')
  const reboot = context.options.reboot === true && rebooted ? ' and reboot' : ''
  return `Apply this to ${names}${reboot}?`
}

type Unapplied = { readonly planned: PlannedHosts; readonly again: Again; readonly stopped: boolean }

/** Nothing was written: refused somewhere, declined, or nothing to do. Why is shown with the plans. */
function finishUnapplied(context: RunContext, { planned, again, stopped }: Unapplied): number {
  const hosts = planned.hosts.map((host) => unwritten(context, host, again, hostPlanDocument(host)))
  const isOthers = planned.hosts.some((host) => host.status === 'ok' && isDue(context, host))
  const isFailed = planned.hosts.some((host) => host.status !== 'ok')
  const others = isOthers && isFailed ? ' (--keep-going applies the others)' : ''
  const code = exitCodeOf({ diagnostics: planned.diagnostics, hosts })
  return finish(context, {
    diagnostics: planned.diagnostics,
    hosts,
    text: [stopped ? `Nothing was written on any host${others}.` : 'Nothing to do.'],
    exitCode: stopped && code === exitCodes.ok ? exitCodes.failed : code,
  })
}
