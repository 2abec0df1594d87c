import { textFromBytes } from '../../src/core/bytes.ts'
import type { Claim } from '../../src/core/claim.ts'
import type { Diagnostic } from '../../src/core/diagnostic.ts'
import type { HostPlan, ResolvedTask } from '../../src/core/plan.ts'
import type { Snapshot } from '../../src/core/snapshot.ts'
import { applyChanges } from '../../src/boot/apply-changes.ts'
import { computePlan } from '../../src/boot/compute-plan.ts'

export type TestTask = {
  readonly module?: string
  readonly adopt?: boolean
  readonly params?: unknown
  readonly claims: readonly Claim[]
  readonly diagnostics?: readonly Diagnostic[]
}

/** The plan of tasks that make these claims. */
export function planOf(host: Snapshot, tasks: readonly (TestTask | readonly Claim[])[], prune = false): HostPlan {
  const given = tasks.map((task): TestTask => (isClaims(task) ? { claims: task } : task))
  return computePlan({
    tasks: given.map(resolve),
    modulePlans: given.map(({ claims, diagnostics = [] }) => ({ claims, diagnostics })),
    snapshot: host,
    prune,
  })
}

function isClaims(task: TestTask | readonly Claim[]): task is readonly Claim[] {
  return Array.isArray(task)
}

function resolve(task: TestTask, index: number): ResolvedTask {
  const source = { file: 'play.yaml', line: (index + 1) * 10, column: 5 }
  return {
    play: 'test',
    name: `task ${index}`,
    module: task.module ?? 'kernel_cmdline',
    params: task.params ?? {},
    accept: new Map(),
    adopt: task.adopt ?? false,
    source,
    locate: (path) => ({ ...source, line: source.line + path.length }),
  }
}

/** The host after the plan, with the plan's claims in its record. */
export function afterPlan(host: Snapshot, plan: HostPlan): Snapshot {
  const record = JSON.stringify({ format: 1, claims: plan.claims })
  return { ...applyChanges(host, plan.changes), lastRecord: record }
}

/** Content of a file after the plan; `undefined` when the plan does not change it, null when it goes. */
export function contentAfter(plan: HostPlan, path: string): string | null | undefined {
  const change = plan.changes.find(({ kind, target }) => kind === 'file' && target === path)
  if (change?.kind !== 'file') return undefined
  return change.after === null ? null : textFromBytes(change.after.content)
}

/** The value of a line `NAME=…` after the plan. */
export function lineAfter(plan: HostPlan, path: string, start: string): string | undefined {
  return contentAfter(plan, path)
    ?.split('\n')
    .find((line) => line.startsWith(start))
}

export function codesOf(plan: HostPlan): readonly string[] {
  return [...plan.tasks.flatMap((task) => task.diagnostics), ...plan.diagnostics].map(({ code }) => code)
}

/** `iommu=pt` or `quiet`. */
export function arg(text: string, more: Partial<Extract<Claim, { of: 'kernel-argument' }>> = {}): Claim {
  const [name = '', ...rest] = text.split('=')
  const value = rest.length === 0 ? null : rest.join('=')
  return { want: 'present', of: 'kernel-argument', name, value, entries: 'normal', ...more }
}

export function ids(...values: readonly string[]): readonly Claim[] {
  return values.map((value) => ({
    want: 'present',
    of: 'module-option',
    module: 'vfio-pci',
    option: 'ids',
    value,
    merge: 'union',
  }))
}

export function early(...modules: readonly string[]): readonly Claim[] {
  return modules.map((module) => ({ want: 'present', of: 'early-module', module }))
}

export function atBoot(...modules: readonly string[]): readonly Claim[] {
  return modules.map((module) => ({ want: 'present', of: 'boot-module', module }))
}

export function softdep(module: string): Claim {
  return { want: 'present', of: 'softdep', module, pre: ['vfio-pci'] }
}

export function hugepages(args: string): Claim {
  const names = ['default_hugepagesz', 'hugepagesz', 'hugepages']
  return { want: 'present', of: 'argument-sequence', owner: 'hugepages', args: args.split(' '), names }
}
