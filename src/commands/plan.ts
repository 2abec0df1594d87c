import { hasErrors, type Diagnostic } from '../core/diagnostic.ts'
import { exitCodes } from '../core/exit-codes.ts'
import type { HostDocument } from '../report/documents.ts'
import { startProgress } from '../report/progress.ts'
import { exitCodeOf, printDiagnostics, refuseUsage } from './finish.ts'
import { planHosts, type HostResult, type PlannedHosts } from './plan-hosts.ts'
import type { RunContext } from './run-context.ts'

/** `passway plan PLAYBOOK…`: reads, shows, writes nothing on any host. */
export async function runPlan(context: RunContext, playbooks: readonly string[]): Promise<number> {
  const refusal = await refuseOut(context)
  if (refusal !== undefined) return refuseUsage(context, refusal)
  const progress = startProgress(context.writeError, { isTerminal: context.isProgressWanted, width: context.width })
  const planned = await planHosts(context, playbooks, progress)
  progress.end()
  const diagnostics = [...planned.diagnostics, ...(await save(context, planned, playbooks))]
  await show(context, { ...planned, diagnostics }, playbooks)
  return findExitCode(context, { ...planned, diagnostics })
}

async function refuseOut({ cwd, options: { out } }: RunContext): Promise<string | undefined> {
  if (out === undefined) return undefined
  const { refuseReplacing } = await import('./saved-plan.ts')
  return refuseReplacing(cwd, out)
}

/** `--out`: of hosts that are refused or not reached a saved plan has the names. */
async function save(context: RunContext, planned: PlannedHosts, playbooks: readonly string[]): Promise<Diagnostic[]> {
  const { out } = context.options
  if (out === undefined || hasErrors(planned.diagnostics)) return []
  const { savePlan } = await import('./saved-plan.ts')
  return savePlan(context, out, playbooks, planned.hosts)
}

async function show(
  context: RunContext,
  { diagnostics, hosts }: PlannedHosts,
  playbooks: readonly string[],
): Promise<void> {
  const { endingOf, hostPlanDocument, renderFleet, renderHostPlan } = await import('./show-plans.ts')
  const command = { verb: 'plan', playbooks }
  const document = (host: HostResult): HostDocument => {
    const ending = endingOf(context, host, command)
    return { ...hostPlanDocument(host), next: ending === null ? [] : [ending.next] }
  }
  if (context.options.json === true) {
    const [{ formatDocument }, { tool }] = await Promise.all([
      import('../report/documents.ts'),
      import('../core/tool.ts'),
    ])
    context.write(formatDocument({ format: 1, tool, diagnostics, hosts: hosts.map(document) }))
    return
  }
  printDiagnostics(context, diagnostics)
  const blocks = [...hosts.map((host) => renderHostPlan(context, host, command)), renderFleet(hosts)]
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
