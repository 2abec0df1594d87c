import type { Diagnostic } from './diagnostic.ts'
import type { Expansion, Module, ModuleDiagnostic, ModulePlan, TaskOptions } from './module.ts'
import type { Snapshot } from './snapshot.ts'

/**
 * The plan of a module with those of the modules that it stands for: their claims are claims of the same task, and what
 * they refuse it refuses. Their notes are about parameters that nobody wrote and are left out. Throws where an expansion
 * names no module or has parameters that its schema does not take, which is a bug of the module.
 */
export function expandPlan(
  modules: readonly Module[],
  plan: ModulePlan,
  snapshot: Snapshot,
  options: TaskOptions,
): ModulePlan {
  if (plan.expands === undefined) return plan
  const parts = plan.expands.map((expansion) => planExpansion(modules, expansion, snapshot, options))
  const refused = parts.flatMap(({ diagnostics }) => diagnostics.filter(({ severity }) => severity !== 'note'))
  const unique = new Map(refused.map(withoutPath).map((found) => [JSON.stringify(found), found]))
  return {
    ...plan,
    claims: [...plan.claims, ...parts.flatMap(({ claims }) => claims)],
    diagnostics: [...plan.diagnostics, ...unique.values()],
  }
}

function withoutPath(found: ModuleDiagnostic): Diagnostic {
  const { path: _, ...diagnostic } = found
  return diagnostic
}

function planExpansion(
  modules: readonly Module[],
  expansion: Expansion,
  snapshot: Snapshot,
  options: TaskOptions,
): ModulePlan {
  const module = modules.find(({ name }) => name === expansion.module)
  if (module === undefined) throw new Error(`no module ${expansion.module} to expand to`)
  return expandPlan(modules, module.plan(module.params.parse(expansion.params), snapshot, options), snapshot, options)
}
