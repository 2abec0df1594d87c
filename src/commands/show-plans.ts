import type { Diagnostic } from '../core/diagnostic.ts'
import { planFields, type HostDocument } from '../report/documents.ts'
import { renderDiagnostic } from '../report/frame.ts'
import { renderPlan, count } from '../report/plan-text.ts'
import type { HostResult } from './plan-hosts.ts'
import type { RunContext } from './run-context.ts'

/** A host's plan as text: one block per host. */
export function renderHostPlan(context: RunContext, result: HostResult): string {
  const { paint, width, options } = context
  if (result.plan === null)
    return [paint.strong(result.target.address.name), ...renderAll(context, result.diagnostics)].join('\n')
  const view = {
    host: result.target.address.name,
    plan: result.plan,
    system: result.system,
    skipped: result.skipped,
    commandLineNow: result.commandLine,
  }
  return renderPlan(view, { paint, width, verbose: options.verbose === true })
}

function renderAll(context: RunContext, diagnostics: readonly Diagnostic[]): string[] {
  return diagnostics.map((found) => renderDiagnostic(found, context.paint))
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
