import { error, note } from '../../src/core/diagnostic.ts'
import type { Diagnostic } from '../../src/core/diagnostic.ts'
import { foldName } from '../../src/core/fold-name.ts'
import type { ModuleDiagnostic } from '../../src/core/module.ts'
import type { InstalledKernel, ModuleAvailability, Snapshot } from '../../src/core/snapshot.ts'
import { findBootable, noteLeftOver } from '../../src/pci/kernels.ts'

/** Modules that became part of another one; judged by what a kernel holds, as distributions backport. */
const mergedInto: ReadonlyMap<string, string> = new Map([['vfio_virqfd', 'vfio']])

const moduleName = /^[A-Za-z0-9_-]+$/

export type CheckedModules = {
  /** Names to load, folded, in the order given, without repeats. */
  readonly names: readonly string[]
  /** Each at the item of the parameter `modules`. */
  readonly diagnostics: readonly ModuleDiagnostic[]
}

/** What the probe must look up so that `checkModules` can judge these names. */
export function modulesToLookUp(names: readonly string[]): string[] {
  const folded = names.map(foldName)
  const hosts = folded.map((name) => mergedInto.get(name)).filter((name) => name !== undefined)
  return [...new Set([...folded, ...hosts])]
}

/** Whether a kernel holds a module; a name that was not looked up counts as absent. */
export function findAvailability(kernel: InstalledKernel, name: string): ModuleAvailability {
  return kernel.modules.get(foldName(name)) ?? 'absent'
}

/** Checks names against every kernel that may boot and drops those that nobody has to load. */
export function checkModules(names: readonly string[], snapshot: Snapshot): CheckedModules {
  const kept: string[] = []
  const diagnostics: ModuleDiagnostic[] = []
  const folded = names.map(foldName)
  const kernels = findBootable(snapshot)
  if (kernels.length === 0) diagnostics.push(noKernels())
  for (const name of new Set(folded)) {
    const problem = findProblem(name, kernels)
    if (problem) diagnostics.push({ ...problem, path: ['modules', folded.indexOf(name)] })
    if (problem === undefined) kept.push(name)
  }
  const isMissing = (kernel: InstalledKernel) => kept.some((name) => findAvailability(kernel, name) === 'absent')
  return { names: kept, diagnostics: [...diagnostics, ...noteLeftOver(snapshot, isMissing)] }
}

function noKernels(): Diagnostic {
  return error('KERNEL_ABSENT', 'no installed kernel was found', { evidence: ['no modules.dep below /lib/modules'] })
}

function findProblem(name: string, kernels: readonly InstalledKernel[]): Diagnostic | undefined {
  if (!moduleName.test(name)) return invalidName(name)
  const merged = kernels.filter((kernel) => isMerged(name, kernel))
  if (merged.length > 0) return mergedNote(name, merged)
  const missing = kernels.filter((kernel) => findAvailability(kernel, name) === 'absent')
  if (missing.length > 0) return missingModule(name, missing)
  const builtin = kernels.filter((kernel) => findAvailability(kernel, name) === 'builtin')
  if (kernels.length > 0 && builtin.length === kernels.length) return builtinNote(name, builtin)
  return undefined
}

function invalidName(name: string): Diagnostic {
  return error('MODULE_NAME', `"${name}" is no module name`, {
    hint: 'one name per item, without arguments; options of a module belong into modprobe.d',
  })
}

function isMerged(name: string, kernel: InstalledKernel): boolean {
  const host = mergedInto.get(name)
  if (host === undefined || findAvailability(kernel, name) !== 'absent') return false
  return findAvailability(kernel, host) !== 'absent'
}

function mergedNote(name: string, kernels: readonly InstalledKernel[]): Diagnostic {
  return note('MODULE_MERGED', `${name} is part of ${mergedInto.get(name)} in ${releases(kernels)}: left out`, {
    hint: `a kernel that still has ${name} loads it by itself, as a dependency`,
  })
}

function builtinNote(name: string, kernels: readonly InstalledKernel[]): Diagnostic {
  return note('MODULE_BUILTIN', `${name} is built in to ${releases(kernels)}: left out`)
}

function missingModule(name: string, kernels: readonly InstalledKernel[]): Diagnostic {
  return error('MODULE_ABSENT', `${releases(kernels)} has no module ${name}`, {
    hint: 'check the spelling, or install the package that brings the module for every kernel',
    evidence: kernels.map((kernel) => `/lib/modules/${kernel.release}: no ${name}`),
  })
}

function releases(kernels: readonly InstalledKernel[]): string {
  return `kernel ${kernels.map((kernel) => kernel.release).join(', ')}`
}
