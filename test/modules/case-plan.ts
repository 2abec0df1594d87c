import { modules } from '../../modules/index.ts'
import { placeDiagnostic } from '../../src/boot/attach-diagnostics.ts'
import { computePlan } from '../../src/boot/compute-plan.ts'
import { expandPlan } from '../../src/core/expand-plan.ts'
import type { Change } from '../../src/core/change.ts'
import type { Module, ModulePlan } from '../../src/core/module.ts'
import type { HostPlan, ResolvedTask } from '../../src/core/plan.ts'
import type { RecordDocument } from '../../src/core/record.ts'
import type { Snapshot } from '../../src/core/snapshot.ts'
import type { ModuleCase } from './read-cases.ts'

export function findModule(name: string): Module {
  const module = modules.find((candidate) => candidate.name === name)
  if (!module) throw new Error(`test/modules/cases/${name}: there is no such module`)
  return module
}

/** What the module alone says. `params` have passed its schema. */
export function planModule(given: ModuleCase, params: unknown, snapshot: Snapshot): ModulePlan {
  const options = optionsOf(given)
  return expandPlan(modules, findModule(given.module).plan(params, snapshot, options), snapshot, options)
}

/** The plan of a host whose only task is the case's. */
export function planHost(given: ModuleCase, params: unknown, snapshot: Snapshot): HostPlan {
  return planTasks([{ given, params }], snapshot)
}

/** The plan of a host whose tasks are these cases. */
export function planTasks(cases: readonly { given: ModuleCase; params: unknown }[], snapshot: Snapshot): HostPlan {
  const tasks = cases.map(({ given }) => taskOf(given))
  const modulePlans = cases.map(({ given, params }, index) => {
    const { claims, diagnostics } = planModule(given, params, snapshot)
    return { claims, diagnostics: diagnostics.map((found) => placeDiagnostic(tasks[index] as ResolvedTask, found)) }
  })
  return computePlan({ tasks, modulePlans, snapshot, prune: false })
}

/** The host as it was left, with the record that says so. */
export function withRecord(snapshot: Snapshot, plan: HostPlan): Snapshot {
  const record: RecordDocument = {
    format: 1,
    id: '20260102T030405Z-7f3a9c',
    tool: 'passway 0',
    created: '2026-01-02T03:04:05Z',
    by: 'tester@controller',
    playbooks: [],
    tasks: [],
    accepted: [],
    rescue: [],
    claims: plan.claims,
    changes: [],
    regenerate: plan.regenerate,
    reboot: plan.reboot,
    nextBoot: null,
  }
  return {
    ...snapshot,
    records: [{ id: record.id, seq: 1, state: 'committed' }],
    lastRecord: JSON.stringify(record),
  }
}

/** The changes that take these back: in reverse order, before and after swapped. */
export function reverseChanges(changes: readonly Change[]): readonly Change[] {
  return changes.toReversed().map((change) => ({ ...change, before: change.after, after: change.before }) as Change)
}

function taskOf(given: ModuleCase): ResolvedTask {
  const source = { file: 'playbook.yaml', line: 1, column: 1 }
  return {
    play: 'a play',
    name: given.title,
    module: given.module,
    params: given.params,
    ...optionsOf(given),
    source,
    locate: () => source,
  }
}

function optionsOf(given: ModuleCase) {
  return { accept: new Map(Object.entries(given.accept)), adopt: given.adopt }
}
