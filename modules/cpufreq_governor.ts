import { z } from 'zod'
import type { Claim } from '../src/core/claim.ts'
import { warning } from '../src/core/diagnostic.ts'
import type { Diagnostic } from '../src/core/diagnostic.ts'
import type { ModulePlan, TaskOptions } from '../src/core/module.ts'
import type { CpufreqPolicy, Snapshot } from '../src/core/snapshot.ts'
import { checkCpufreq } from './shared/check-cpufreq.ts'
import { cpufreqOwners, findOwners } from './shared/cpufreq-owners.ts'
import { defineModule } from './shared/define-module.ts'
import { foldName } from '../src/core/fold-name.ts'
import { findAvailability } from './shared/kernel-modules.ts'
import { refuse } from '../src/core/refuse.ts'

/** Words of sysfs; nothing else can get into the unit file. */
const word = z.string().regex(/^[a-z][a-z_]{0,30}$/, 'a name as sysfs has it: lower-case letters and underscores')

const params = z.strictObject({
  governor: word.describe('Governor of every policy: `performance`, `powersave`, `schedutil`, `ondemand` …'),
  energy_performance_preference: word
    // The kernel shows the preference that the word stood for, so that it would be wanted again in every plan.
    .refine(
      (name) => name !== 'default',
      'default stands for one of the others, which the kernel shows instead: name that',
    )
    .optional()
    .describe(
      'Hint to processors that choose their own clock: `performance`, `balance_performance`, `balance_power`, `power`.',
    ),
})

type Params = z.output<typeof params>

const unit = 'passway-cpufreq.service'
const unitFile = `/etc/systemd/system/${unit}`
const policies = '/sys/devices/system/cpu/cpufreq'

/** Drivers that exist as modules: loaded by udev, later than tmpfiles.d and perhaps than a oneshot unit. */
const driverModules = ['acpi_cpufreq', 'pcc_cpufreq', 'powernow_k8', 'cppc_cpufreq', 'amd_pstate', 'intel_pstate']

export const cpufreqGovernor = defineModule<Params>({
  name: 'cpufreq_governor',
  summary: 'Sets the CPU frequency governor of every policy, now and at every boot.',
  description: `Saved: where the cpufreq driver is built in, a oneshot unit \`${unit}\` that writes the same values at boot; where it is a
module, \`cpufreq.default_governor=\` on the kernel command line, as the policies appear only when the module is loaded. An
energy_performance_preference is always saved in the unit. Live: \`scaling_governor\` and \`energy_performance_preference\` of every policy.

Governor and preference are checked against what the driver of each policy offers. intel_pstate and amd_pstate in active mode
offer performance and powersave only, and with performance they fix the preference themselves and refuse every other.

tuned, power-profiles-daemon, cpufrequtils, cpupower, loadcpufreq, tlp and auto-cpufreq set governors too and would undo this
one. A host where one of them is enabled or running is refused; with \`accept: { OWNER_ACTIVE: "why" }\` it is disabled in the same change.`,
  params,
  example: `- name: The clock does not go down under latency-bound guests
  cpufreq_governor:
    governor: performance
  accept:
    OWNER_ACTIVE: tuned only sets the governor here`,
  refusals: {
    CPUFREQ_ABSENT: 'The host has no cpufreq policy: no driver, or a virtual machine.',
    GOVERNOR_ABSENT: 'The driver of a policy does not offer the governor.',
    PREFERENCE_ABSENT: 'The driver of a policy does not offer the preference.',
    PREFERENCE_FIXED: 'In active mode the governor performance fixes the preference.',
    OWNER_ACTIVE: 'Another program that sets governors is enabled or running. Can be accepted: it is disabled then.',
  },
  reads: ({ governor }) => ({
    attributes: [`${policies}/policy*/scaling_governor`, `${policies}/policy*/energy_performance_preference`],
    modules: [...driverModules, `cpufreq_${governor}`],
    units: [...cpufreqOwners, unit],
    paths: [unitFile],
  }),
  plan: planGovernor,
})

function planGovernor(params: Params, snapshot: Snapshot, options: TaskOptions): ModulePlan {
  return {
    claims: [...planLive(params, snapshot), ...planBoot(params, snapshot), ...planOwners(snapshot, options)],
    diagnostics: [...checkCpufreq(params, snapshot), ...checkOwners(snapshot, options), ...checkSystemd(snapshot)],
  }
}

/** The governor first: under performance, drivers in active mode refuse a preference. */
function planLive({ governor, energy_performance_preference: preference }: Params, snapshot: Snapshot): Claim[] {
  const governors = snapshot.cpufreq.map(({ name }) => claimAttribute(`${policies}/${name}/scaling_governor`, governor))
  if (preference === undefined || isFixed(governor)) return governors
  const withPreference = snapshot.cpufreq.filter((policy) => policy.preference !== null)
  const claimed = withPreference.map(({ name }) =>
    claimAttribute(`${policies}/${name}/energy_performance_preference`, preference),
  )
  return [...governors, ...claimed]
}

/** The kernel writes the preference itself then; writing it again would only make the way back fail. */
function isFixed(governor: string): boolean {
  return governor === 'performance'
}

function claimAttribute(target: string, value: string): Claim {
  return { want: 'present', of: 'attribute', target, value }
}

function planBoot(params: Params, snapshot: Snapshot): Claim[] {
  if (snapshot.cpufreq.length === 0) return []
  const asModule = snapshot.cpufreq.some((policy) => isModule(policy, snapshot))
  const argument = asModule ? [claimDefaultGovernor(params.governor)] : []
  const preference = isFixed(params.governor) ? undefined : params.energy_performance_preference
  return asModule && preference === undefined ? argument : [...argument, ...planUnit(params.governor, preference)]
}

function claimDefaultGovernor(value: string): Claim {
  return { want: 'present', of: 'kernel-argument', name: 'cpufreq.default_governor', value, entries: 'normal' }
}

/** `acpi-cpufreq` in sysfs is the module acpi_cpufreq; `amd-pstate-epp` and `intel_cpufreq` are modes of built-in drivers. */
function isModule(policy: CpufreqPolicy, snapshot: Snapshot): boolean {
  const name = foldName(policy.driver)
  return (
    driverModules.includes(name) && snapshot.kernels.some((kernel) => findAvailability(kernel, name) === 'loadable')
  )
}

function planUnit(governor: string, preference: string | undefined): Claim[] {
  return [
    { want: 'present', of: 'file', target: unitFile, content: formatUnit(governor, preference), mode: 0o644 },
    { want: 'present', of: 'unit', target: unit, after: { enabled: true, active: null, masked: false } },
  ]
}

/** The shell text is the same for every host; the values come to it as environment (systemd.exec(5), `$$` is one `$`). */
function formatUnit(governor: string, preference: string | undefined): string {
  const write = (attribute: string, variable: string) =>
    `ExecStart=/bin/sh -c 'for file in ${policies}/policy*/${attribute}; do echo "$$${variable}" > "$$file" || exit 1; done'`
  return [
    '# Written by passway (module cpufreq_governor).',
    '[Unit]',
    'Description=CPU frequency governor of every policy',
    'After=systemd-modules-load.service',
    '',
    '[Service]',
    'Type=oneshot',
    'RemainAfterExit=yes',
    `Environment=GOVERNOR=${governor}`,
    ...(preference === undefined ? [] : [`Environment=PREFERENCE=${preference}`]),
    write('scaling_governor', 'GOVERNOR'),
    ...(preference === undefined ? [] : [write('energy_performance_preference', 'PREFERENCE')]),
    '',
    '[Install]',
    'WantedBy=multi-user.target',
    '',
  ].join('\n')
}

/** Once accepted, disabled stays part of what holds: else a second plan would give the unit up again. */
function planOwners(snapshot: Snapshot, options: TaskOptions): Claim[] {
  if (!options.accept.has('OWNER_ACTIVE')) return []
  const installed = cpufreqOwners.filter((name) => snapshot.units.get(name)?.exists)
  return installed.map((target): Claim => {
    return { want: 'present', of: 'unit', target, after: { enabled: false, active: false, masked: false } }
  })
}

function checkOwners(snapshot: Snapshot, options: TaskOptions): readonly Diagnostic[] {
  return findOwners(snapshot).map(({ name, evidence }) =>
    refuse(options, 'OWNER_ACTIVE', `${name} sets governors on this host and would undo this one`, {
      hint: `configure ${name.replace(/\.service$/, '')} instead and drop this task`,
      evidence: [evidence],
    }),
  )
}

function checkSystemd(snapshot: Snapshot): readonly Diagnostic[] {
  if (snapshot.systemd || snapshot.tree) return []
  return [warning('UNITS_ABSENT', 'systemd does not run on this host: the governor is not set again at boot')]
}
