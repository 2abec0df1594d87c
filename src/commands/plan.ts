import { hasErrors } from '../core/diagnostic.ts'
import { exitCodes } from '../core/exit-codes.ts'
import { startProgress } from '../report/progress.ts'
import { exitCodeOf, printDiagnostics } from './finish.ts'
import { planHosts, type PlannedHosts } from './plan-hosts.ts'
import type { RunContext } from './run-context.ts'

/** `passway plan PLAYBOOK…`: reads, shows, writes nothing on any host. */
export async function runPlan(context: RunContext, playbooks: readonly string[]): Promise<number> {
  const progress = startProgress(context.writeError, { isTerminal: context.isProgressWanted, width: context.width })
  const planned = await planHosts(context, playbooks, progress)
  progress.end()
  await show(context, planned)
  if (context.options.out !== undefined && !hasErrors(planned.diagnostics)) {
    const { savePlan } = await import('./saved-plan.ts')
    savePlan(context, context.options.out, playbooks, planned.hosts)
  }
  return findExitCode(context, planned)
}

async function show(context: RunContext, { diagnostics, hosts }: PlannedHosts): Promise<void> {
  const { hostPlanDocument, renderFleet, renderHostPlan } = await import('./show-plans.ts')
  if (context.options.json === true) {
    const [{ formatDocument }, { tool }] = await Promise.all([
      import('../report/documents.ts'),
      import('../core/tool.ts'),
    ])
    context.write(formatDocument({ format: 1, tool, diagnostics, hosts: hosts.map(hostPlanDocument) }))
    return
  }
  printDiagnostics(context, diagnostics)
  const blocks = [...hosts.map((host) => renderHostPlan(context, host)), renderFleet(hosts)]
  const text = blocks.filter((block) => block !== '').join('\n\n')
  if (text !== '') context.write(`${text}\n`)
}

function findExitCode(context: RunContext, { diagnostics, hosts }: PlannedHosts): number {
  const code = exitCodeOf({
    diagnostics,
    hosts: hosts.map(({ target, status }) => ({ host: target.address.name, status, diagnostics: [] })),
  })
  if (code !== exitCodes.ok || context.options.detailedExitcode !== true) return code
  const isWanted = hosts.some(({ plan }) => plan !== null && (plan.changes.length > 0 || plan.regenerate.length > 0))
  return isWanted ? exitCodes.changesWanted : exitCodes.ok
}
