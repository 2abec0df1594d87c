import { modules } from '../../modules/index.ts'
import { lintFacts } from '../config/lint-facts.ts'
import { lintTasks } from '../config/lint-tasks.ts'
import { readExtraVariables } from '../config/extra-variables.ts'
import { readPlaybooks } from '../config/read-playbooks.ts'
import { hasErrors, type Diagnostic } from '../core/diagnostic.ts'
import { count } from '../report/plan-text.ts'
import { findHosts } from './find-hosts.ts'
import { finish } from './finish.ts'
import { withoutConsequences } from './plan-hosts.ts'
import { preparePlays, readsBefore } from './plan-input.ts'
import type { RunContext } from './run-context.ts'

/** `passway lint PLAYBOOK…`: everything that can be known to be wrong without asking a host. */
export async function runLint(context: RunContext, playbooks: readonly string[]): Promise<number> {
  const extra = readExtraVariables(context.options.extraVars ?? [], context.cwd)
  const headers = readPlaybooks(playbooks, context.cwd, extra.variables)
  const found = await findHosts(context, { plays: headers.plays, extra: extra.variables })
  const rest = { inventory: found.inventory, besidePlaybooks: found.besidePlaybooks, extra: extra.variables }
  const prepared = preparePlays(headers.plays, rest)
  const isWithoutHosts = context.options.inventory === undefined && found.diagnostics.some(isInventoryMissing)
  const ofHosts = isWithoutHosts
    ? []
    : [
        ...withoutConsequences(headers.diagnostics, found.diagnostics),
        ...found.targets.flatMap((target) => readsBefore(prepared.input, target).diagnostics),
      ]
  const diagnostics = distinct([
    ...extra.diagnostics,
    ...headers.diagnostics,
    ...prepared.diagnostics,
    ...lintTasks(prepared.input.plays, modules),
    ...lintFacts(prepared.input.plays),
    ...ofHosts,
  ])
  const tasks = prepared.input.plays.reduce((sum, play) => sum + play.tasks.length, 0)
  const hosts = isWithoutHosts ? 'no inventory' : count(found.targets.length, 'host')
  const summary = `${count(headers.plays.length, 'play')}, ${count(tasks, 'task')}, ${hosts}: no errors`
  return finish(context, { diagnostics, hosts: [], text: hasErrors(diagnostics) ? [] : [summary] })
}

function isInventoryMissing({ code }: Diagnostic): boolean {
  return code === 'INVENTORY_MISSING'
}

function distinct(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  return [
    ...new Map(diagnostics.map((each) => [JSON.stringify([each.code, each.message, each.source]), each])).values(),
  ]
}
