import type { Snapshot, UnitState } from '../../src/core/snapshot.ts'

/** Units of programs that set governors or preferences by themselves. */
export const cpufreqOwners = [
  'auto-cpufreq.service',
  'cpufrequtils.service',
  'cpupower.service',
  'loadcpufreq.service',
  'power-profiles-daemon.service',
  'tlp.service',
  'tuned.service',
] as const

type Owner = { readonly name: string; readonly evidence: string }

/** Those that run or will run at boot. */
export function findOwners(snapshot: Snapshot): readonly Owner[] {
  return cpufreqOwners.flatMap((name) => {
    const state = snapshot.units.get(name)
    return state?.exists && isInUse(state) ? [{ name, evidence: `${name}: ${formatState(state)}` }] : []
  })
}

/** `generated` is a SysV script that the generator enabled (systemd-sysv-generator(8)). */
function isInUse(state: UnitState): boolean {
  return state.active === true || ['enabled', 'enabled-runtime', 'generated', 'alias'].includes(state.enabled ?? '')
}

function formatState({ enabled, active }: UnitState): string {
  return [enabled, active === null ? undefined : active ? 'active' : 'inactive'].filter(Boolean).join(', ')
}
