import { planFields, type HostDocument } from '../report/documents.ts'
import { renderDiagnostic } from '../report/frame.ts'
import { renderEnding } from '../report/done-text.ts'
import { escapeForTerminal } from '../report/escape.ts'
import { renderPlan, count } from '../report/plan-text.ts'
import { endingUnwritten, type Command, type Ending } from './endings.ts'
import type { HostResult } from './plan-hosts.ts'
import { textOptions, type RunContext } from './run-context.ts'

/** A host's plan as text: one block per host. One that was not planned ends with its state and what to run next. */
export function renderHostPlan(context: RunContext, result: HostResult, command: Command): string {
  const options = textOptions(context)
  const { address } = result.target
  const ending = endingOf(context, result, command)
  const last = ending === null ? [] : renderEnding({ state: ending.state, next: [ending.next] }, options)
  if (result.plan === null) {
    const shown = result.diagnostics.map((found) => renderDiagnostic(found, options))
    return [options.paint.strong(escapeForTerminal(address.name)), ...shown, ...last].join('\n')
  }
  const view = {
    host: address.name,
    plan: result.plan,
    system: result.system,
    skipped: result.skipped,
    commandLineNow: result.commandLine,
  }
  return [renderPlan(view, options), ...last].join('\n')
}

/** How a host ends to which nothing is written because of its plan. */
export function endingOf(context: RunContext, result: HostResult, command: Command): Ending | null {
  const { status, diagnostics, target } = result
  return endingUnwritten(context, target.address, { status, diagnostics, command })
}

/** A host's plan as in the public JSON. */
export function hostPlanDocument(result: HostResult): HostDocument {
  const { target, status, plan } = result
  if (plan === null) return { host: target.address.name, status, diagnostics: result.diagnostics }
  const { tasks, ...fields } = planFields(plan, { before: 'shown', after: 'shown' })
  return { host: target.address.name, status, diagnostics: plan.diagnostics, tasks, ...fields }
}

/** For several hosts: one line that sums up. */
export function renderFleet(hosts: readonly HostResult[]): string {
  if (hosts.length < 2) return ''
  const isWanted = ({ plan }: HostResult): boolean =>
    plan !== null && (plan.changes.length > 0 || plan.regenerate.length > 0)
  const ok = hosts.filter(({ status }) => status === 'ok')
  const parts = [
    count(hosts.length, 'host'),
    `${ok.filter((host) => isWanted(host)).length} with changes`,
    `${ok.filter((host) => !isWanted(host)).length} as wanted`,
    ...(['refused', 'unreachable', 'failed'] as const).flatMap((status) => {
      const number = hosts.filter((host) => host.status === status).length
      return number === 0 ? [] : [`${number} ${status}`]
    }),
  ]
  return parts.join(' · ')
}
