import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { HostPlan } from '../../src/core/plan.ts'
import { formatBundle } from '../../src/host/bundle.ts'
import { readAgentProgram } from '../../src/host/programs.ts'
import { applyOptions, inMiniHost, nextId, release, runUnder, writeTool, type ShellRun } from './agent-hosts.ts'

/** No mount in this chroot: the stand-ins build from ETC. `unshare -m --propagation private sh -c … passway VIEW ETC TOOL…` */
const unshare = `#!/bin/sh
export ETC=$8
shift 9
exec "$@"
`

/** A mini host where a boot can be tried. */
export function addTrialTools(root: string): string {
  inMiniHost(root, 'mkdir -p /run/systemd/system /etc/systemd/system')
  writeTool(root, '/usr/bin/systemctl', '#!/bin/sh\n[ "$1" != is-active ]\n')
  writeTool(root, '/usr/bin/unshare', unshare)
  return root
}

export type StagedTrial = { readonly id: string; readonly run: ShellRun }

export function formatTrial(plan: HostPlan, id: string, agentProgram = readAgentProgram()): string {
  const trial = { kernel: release, confirmWithinSeconds: 600 }
  return formatBundle(plan, { ...applyOptions(id), root: null, agentProgram, trial })
}

export function stageTrial(root: string, plan: HostPlan): StagedTrial {
  const id = nextId()
  return { id, run: runUnder('/bin/sh', formatTrial(plan, id), { chroot: root }) }
}

let boots = 0

/** Another boot of that directory, with that command line. */
export function bootInto(root: string, commandLine: string): void {
  boots += 1
  const write = (path: string, text: string): void => {
    rmSync(join(root, path), { force: true })
    writeFileSync(join(root, path), text)
  }
  write('proc/sys/kernel/random/boot_id', `7b1c3f52-5a0e-4a6e-9c55-${String(boots).padStart(12, '0')}\n`)
  write('proc/cmdline', `${commandLine}\n`)
}

export function runEarlyUnit(root: string): void {
  inMiniHost(root, 'sh /var/lib/passway/agent.sh early')
}
