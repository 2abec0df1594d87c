import { z } from 'zod'
import type { Claim } from '../src/core/claim.ts'
import { error, note } from '../src/core/diagnostic.ts'
import type { Diagnostic } from '../src/core/diagnostic.ts'
import type { ModulePlan, TaskOptions } from '../src/core/module.ts'
import type { Snapshot } from '../src/core/snapshot.ts'
import { formatCpuList, parseCpuList } from '../src/formats/cpu-list.ts'
import { defineModule } from './shared/define-module.ts'
import { environmentPaths, findEnvironmentFile, findVariable } from './shared/irqbalance-environment.ts'

const params = z.strictObject({
  state: z.enum(['enabled', 'disabled']).describe('`enabled`: runs now and at boot. `disabled`: neither.'),
  banned_cpus: z
    .union([z.string(), z.array(z.int().min(0))])
    .optional()
    .describe(
      'CPUs that get no interrupts: a list as the kernel writes it (`"2-7,10"`) or numbers. `[]` bans none, not even isolated CPUs. Left out: irqbalance decides, which bans isolated and nohz_full CPUs.',
    ),
})

type Params = z.output<typeof params>

const unit = 'irqbalance.service'
const variable = 'IRQBALANCE_BANNED_CPULIST'
/** A mask in hexadecimal of older versions; where it is set it wins over the list (irqbalance cputree.c). */
const legacyVariable = 'IRQBALANCE_BANNED_CPUS'

export const irqbalance = defineModule<Params>({
  name: 'irqbalance',
  summary: 'Runs irqbalance or stops it, and keeps it off the CPUs of guests.',
  description: `Saved: whether the service is enabled, and \`${variable}\` in the environment file that the service reads. Live: whether the
service runs. It reads its environment when it starts: one that runs is started again when the list changes, on the way
back too.

An empty list is not the same as none: set to empty the variable bans nothing, not set irqbalance leaves out isolated and
nohz_full CPUs by itself. The older variable \`${legacyVariable}\`, a mask, overrides the list: where it is set the task is refused,
or removes it with \`adopt: true\`.`,
  params,
  example: `- name: Interrupts stay on the CPUs of the host
  irqbalance:
    state: enabled
    banned_cpus: "2-7"`,
  refusals: {
    UNIT_ABSENT: 'irqbalance is not installed.',
    CPU_LIST: 'The text is no list of CPUs.',
    CPU_ABSENT: 'The host has no such CPU.',
    CPU_ALL: 'No CPU would be left for interrupts.',
    LEGACY_VARIABLE: 'IRQBALANCE_BANNED_CPUS is set and would win. `adopt: true` removes it.',
  },
  reads: () => ({ units: [unit], paths: environmentPaths.paths, globs: environmentPaths.globs }),
  plan: planIrqbalance,
})

function planIrqbalance(params: Params, snapshot: Snapshot, options: TaskOptions): ModulePlan {
  const banned = params.banned_cpus === undefined ? undefined : parseBanned(params.banned_cpus)
  return {
    claims: [...planUnit(params, snapshot), ...(banned === undefined ? [] : planList(banned, snapshot, options))],
    diagnostics: [
      ...checkUnit(params, snapshot).map((found) => ({ ...found, path: ['state'] })),
      ...checkBanned(params, banned, snapshot).map((found) => ({ ...found, path: ['banned_cpus'] })),
      ...(banned === undefined ? [] : checkLegacy(snapshot, options)),
    ],
  }
}

function parseBanned(value: string | readonly number[]): readonly number[] | undefined {
  return parseCpuList(typeof value === 'string' ? value : value.join(','))
}

function planUnit({ state }: Params, snapshot: Snapshot): Claim[] {
  if (!snapshot.units.get(unit)?.exists) return []
  const on = state === 'enabled'
  return [{ want: 'present', of: 'unit', target: unit, after: { enabled: on, active: on, masked: false } }]
}

function planList(banned: readonly number[], snapshot: Snapshot, options: TaskOptions): Claim[] {
  const target = findEnvironmentFile(snapshot)
  const current = findVariable(snapshot, variable)?.value
  const list: Claim = {
    want: 'present',
    of: 'environment-variable',
    target,
    name: variable,
    value: current !== undefined && isSameList(current, banned) ? current : formatCpuList(banned),
  }
  if (!options.adopt) return [list]
  return [{ want: 'absent', of: 'environment-variable', target, name: legacyVariable, value: null }, list]
}

/** However it is written. */
function isSameList(text: string, cpus: readonly number[]): boolean {
  const parsed = parseCpuList(text)
  return parsed !== undefined && formatCpuList(parsed) === formatCpuList(cpus)
}

function checkUnit({ state }: Params, snapshot: Snapshot): readonly Diagnostic[] {
  if (snapshot.units.get(unit)?.exists) return []
  if (state === 'disabled') return [note('UNIT_ABSENT', 'irqbalance is not installed, so there is nothing to stop')]
  return [error('UNIT_ABSENT', 'irqbalance is not installed', { hint: 'install the package irqbalance' })]
}

function checkBanned(params: Params, banned: readonly number[] | undefined, snapshot: Snapshot): readonly Diagnostic[] {
  if (params.banned_cpus === undefined) return []
  if (banned === undefined) return [notAList(String(params.banned_cpus))]
  const possible = parseCpuList(snapshot.cpu.possible) ?? []
  const online = parseCpuList(snapshot.cpu.online) ?? []
  const missing = banned.filter((cpu) => !possible.includes(cpu))
  if (missing.length > 0) return [absentCpus(missing, snapshot)]
  return online.length > 0 && online.every((cpu) => banned.includes(cpu)) ? [allBanned()] : []
}

function notAList(text: string): Diagnostic {
  return error('CPU_LIST', `"${text}" is no list of CPUs`, { hint: 'numbers and ranges with commas: "2-7,10"' })
}

function absentCpus(missing: readonly number[], snapshot: Snapshot): Diagnostic {
  return error('CPU_ABSENT', `this host has no CPU ${formatCpuList(missing)}`, {
    evidence: [`/sys/devices/system/cpu/possible: ${snapshot.cpu.possible}`],
  })
}

function allBanned(): Diagnostic {
  return error('CPU_ALL', 'every CPU that is online would be banned', { hint: 'leave at least one CPU for interrupts' })
}

function checkLegacy(snapshot: Snapshot, options: TaskOptions): readonly Diagnostic[] {
  const found = findVariable(snapshot, legacyVariable)
  if (found === undefined || options.adopt) return []
  return [
    error('LEGACY_VARIABLE', `${legacyVariable} is set and overrides the list`, {
      hint: 'remove it, or let this task remove it with adopt: true',
      evidence: [`${found.path}:${found.line}: ${legacyVariable}=${found.value}`],
    }),
  ]
}
