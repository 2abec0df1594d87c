import { resolve } from 'node:path'
import { hasErrors } from '../core/diagnostic.ts'
import { exitCodes } from '../core/exit-codes.ts'
import { closeMasters } from '../host/ssh-master.ts'
import { count } from '../report/plan-text.ts'
import { startProgress, type Progress } from '../report/progress.ts'
import { applyHosts, isWritten, unwritten } from './apply-hosts.ts'
import { confirm } from './ask.ts'
import { createRunId } from './controller.ts'
import { exitCodeOf, finish } from './finish.ts'
import { planHosts, type HostResult, type PlannedHosts } from './plan-hosts.ts'
import type { RunContext } from './run-context.ts'
import { findSavedPlan } from './saved-plan.ts'
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

async function planAndApply(context: RunContext, args: readonly string[], progress: Progress): Promise<number> {
  const { again, planned } = await makePlans(context, args, progress)
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

type Made = {
  readonly planned: PlannedHosts
  readonly again: Again
}

async function makePlans(context: RunContext, args: readonly string[], progress: Progress): Promise<Made> {
  const saved = args.length === 1 && args[0] !== undefined ? findSavedPlan(resolve(context.cwd, args[0])) : undefined
  if (saved === undefined)
    return { planned: await planHosts(context, args, progress), again: { verb: 'apply', playbooks: args } }
  const { planSaved } = await import('./plan-saved.ts')
  return { planned: await planSaved(context, saved, progress), again: { verb: 'plan', playbooks: saved.playbooks } }
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
