import { isForBoot } from '../core/change.ts'
import type { Change } from '../core/change.ts'
import type { HostPlan } from '../core/plan.ts'
import { encodeText } from './fields.ts'

/** A transaction that is tried by one boot before it counts. */
export type Trial = {
  /** Release of the kernel whose entry is tried. */
  readonly kernel: string
  /** How long the trial boot runs unconfirmed, from the start of its kernel, before the host reverts it. */
  readonly confirmWithinSeconds: number
}

/** What the agent is told about a transaction beyond its operations. */
export type ManifestExtras = {
  readonly trial?: Trial | null
  /** How long the agent waits for a fresh connection after changes that can cut one; null: it does not wait. */
  readonly watchSeconds?: number | null
}

/**
 * Lines for the agent alone, of operations in manifest order: `trial KERNEL`, `boot N` for each operation that is staged
 * and not written until the trial boot, `confirm-within SECONDS`, `watch SECONDS`.
 */
export function formatExtras(operations: readonly Change[], { trial, watchSeconds }: ManifestExtras): string[] {
  const boot = operations.flatMap((change, index) => (isBootOperation(change) ? [`boot\t${index + 1}`] : []))
  return [
    ...(trial ? [`trial\t${encodeText(trial.kernel)}`, ...boot, `confirm-within\t${trial.confirmWithinSeconds}`] : []),
    ...(typeof watchSeconds === 'number' ? [`watch\t${watchSeconds}`] : []),
  ]
}

/** Something of a plan acts at boot, so that there is a boot to try. */
export function isBootPlan({ reboot, changes, regenerate }: HostPlan): boolean {
  if (reboot !== 'needed') return false
  const isRebuilt = regenerate.some(isForBoot)
  return isRebuilt || changes.some(({ takesEffect }) => takesEffect === 'boot')
}

/** Only what lies below /etc can stand beside the live files until the trial boot; the rest is done when it is staged. */
function isBootOperation({ kind, target, takesEffect }: Change): boolean {
  return takesEffect === 'boot' && ['file', 'link', 'directory'].includes(kind) && target.startsWith('/etc/')
}

/**
 * Whether a plan's live changes can end the connection that they are made over: a driver or a unit may be the network's,
 * and so may a device's attribute. /sys/devices/system holds CPUs, memory and clocks.
 */
export function mayCutConnection(changes: readonly Change[]): boolean {
  return changes.some((change) => {
    if (change.kind === 'driver') return true
    if (change.kind === 'unit') return change.after === null || change.after.active !== null
    return change.kind === 'attribute' && /^\/sys\/(bus|class|devices(?!\/system))\//.test(change.target)
  })
}
