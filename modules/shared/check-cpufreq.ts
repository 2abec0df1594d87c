import { error } from '../../src/core/diagnostic.ts'
import type { Diagnostic } from '../../src/core/diagnostic.ts'
import type { ModuleDiagnostic } from '../../src/core/module.ts'
import type { CpufreqPolicy, Snapshot } from '../../src/core/snapshot.ts'
import { findAvailability } from './kernel-modules.ts'

type Request = { readonly governor: string; readonly energy_performance_preference?: string | undefined }

/** Checks a request against what the driver of each policy offers; policies that lack the same are told once. */
export function checkCpufreq(request: Request, snapshot: Snapshot): readonly ModuleDiagnostic[] {
  if (snapshot.cpufreq.length === 0) return [noPolicies()]
  return [
    ...atParameter('governor', checkGovernor(request.governor, snapshot)),
    ...atParameter('energy_performance_preference', checkPreference(request, snapshot)),
  ]
}

function atParameter(name: keyof Request, diagnostics: readonly Diagnostic[]): readonly ModuleDiagnostic[] {
  return diagnostics.map((found) => ({ ...found, path: [name] }))
}

function noPolicies(): Diagnostic {
  return error('CPUFREQ_ABSENT', 'the processor clock of this host is not under the control of Linux', {
    hint: 'skip the task there with when: facts.cpufreq.driver; or let the firmware leave the clock to the system',
    evidence: ['/sys/devices/system/cpu/cpufreq: no policy'],
  })
}

function checkGovernor(governor: string, snapshot: Snapshot): readonly Diagnostic[] {
  const lacking = snapshot.cpufreq.filter((policy) => !offersGovernor(policy, governor, snapshot))
  if (lacking.length === 0) return []
  return [
    error('GOVERNOR_ABSENT', `${formatDrivers(lacking)} offers no governor ${governor}`, {
      hint: `it offers ${offers(lacking, (policy) => policy.availableGovernors)}`,
      evidence: lacking.map(({ name, availableGovernors }) => `${name}: ${availableGovernors.join(' ')}`),
    }),
  ]
}

/** The kernel loads `cpufreq_NAME` when a governor it does not have yet is written, but not for drivers with their own two. */
function offersGovernor(policy: CpufreqPolicy, governor: string, snapshot: Snapshot): boolean {
  if (policy.availableGovernors.includes(governor)) return true
  if (isActiveMode(policy)) return false
  const running = snapshot.kernels.find((kernel) => kernel.running)
  return running !== undefined && findAvailability(running, `cpufreq_${governor}`) === 'loadable'
}

/** intel_pstate and amd_pstate in active mode (Documentation/admin-guide/pm/intel_pstate.rst, amd-pstate.rst). */
function isActiveMode({ driver }: CpufreqPolicy): boolean {
  return driver === 'intel_pstate' || driver === 'amd-pstate-epp' || driver === 'amd_pstate_epp'
}

function checkPreference(
  { governor, energy_performance_preference: wanted }: Request,
  snapshot: Snapshot,
): readonly Diagnostic[] {
  if (wanted === undefined) return []
  const lacking = snapshot.cpufreq.filter((policy) => !policy.availablePreferences.includes(wanted))
  if (lacking.length > 0) return [preferenceAbsent(wanted, lacking)]
  const fixed = snapshot.cpufreq.filter(isActiveMode)
  return governor === 'performance' && wanted !== 'performance' && fixed.length > 0 ? [preferenceFixed(fixed)] : []
}

function preferenceAbsent(wanted: string, lacking: readonly CpufreqPolicy[]): Diagnostic {
  return error('PREFERENCE_ABSENT', `${formatDrivers(lacking)} offers no energy_performance_preference ${wanted}`, {
    hint: `it offers ${offers(lacking, (policy) => policy.availablePreferences)}`,
    evidence: lacking.map(({ name, availablePreferences }) => `${name}: ${availablePreferences.join(' ') || 'none'}`),
  })
}

/** intel_pstate: commit b388eb58ce47; writes of anything but performance get EBUSY. */
function preferenceFixed(policies: readonly CpufreqPolicy[]): Diagnostic {
  return error('PREFERENCE_FIXED', `${formatDrivers(policies)} fixes the preference under the governor performance`, {
    hint: 'leave energy_performance_preference out, or use the governor powersave, which follows the preference',
  })
}

function formatDrivers(policies: readonly CpufreqPolicy[]): string {
  return [...new Set(policies.map(({ driver }) => driver))].join(', ')
}

function offers(policies: readonly CpufreqPolicy[], list: (policy: CpufreqPolicy) => readonly string[]): string {
  return [...new Set(policies.flatMap(list))].join(', ') || 'none'
}
