import type { PciFunction } from '../core/snapshot.ts'
import { isSameDevice } from '../pci/identity.ts'
import { driverRulesPath, formatDriverRules } from './driver-rules.ts'
import type { DriverClaim } from './driver-rules.ts'
import type { SettleContext } from './settle-context.ts'
import { pushChange, settleFile } from './settle-targets.ts'
import type { MergedClaim } from './tasked.ts'
import type { Workspace } from './workspace.ts'

export type DriverMerged = MergedClaim & { readonly claim: DriverClaim }

export function isDriverMerged(merged: MergedClaim): merged is DriverMerged {
  return merged.claim.of === 'driver'
}

/** One file of rules for all functions, and what is bound anew now. */
export function settleDrivers(workspace: Workspace, merged: readonly DriverMerged[], context: SettleContext): void {
  if (merged.length === 0) return
  const present = merged.filter(({ claim }) => claim.want === 'present')
  const content = formatDriverRules(present.map(({ claim }) => claim))
  const tasks = [...new Set(merged.flatMap((each) => each.tasks))].toSorted((a, b) => a - b)
  const file = { of: 'file', target: driverRulesPath, mode: 0o644 } as const
  const claim =
    content === null
      ? ({ want: 'absent', ...file, content: '' } as const)
      : ({ want: 'present', ...file, content } as const)
  settleFile(workspace, { claim, tasks, adopt: merged.some(({ adopt }) => adopt) }, claim, context)
  for (const each of present) if (each.claim.live && each.tasks.length > 0) settleLive(workspace, each)
}

/** A tree has no driver core: there it waits for a boot. */
function settleLive(workspace: Workspace, { claim, tasks }: DriverMerged): void {
  const found = findDevice(workspace, claim)
  if (found === undefined || found.driver === claim.driver) return
  if (workspace.snapshot.tree) {
    const live = found.driver ?? 'no driver'
    workspace.pending.push({ what: `driver of ${found.address}`, saved: claim.driver ?? 'no driver', live })
    return
  }
  pushChange(workspace, {
    kind: 'driver',
    target: found.address,
    before: found.driver,
    after: claim.driver,
    tasks,
    regenerate: [],
    takesEffect: 'now',
  })
}

function findDevice({ snapshot }: Workspace, { device }: DriverClaim): PciFunction | undefined {
  return snapshot.pci.find((found) => found.address === device.address && isSameDevice(device, found))
}
