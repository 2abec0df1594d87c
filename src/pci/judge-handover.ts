import { hasErrors, type Diagnostic } from '../core/diagnostic.ts'
import type { Snapshot } from '../core/snapshot.ts'
import type { PciAddress } from './address.ts'
import { computeClosure, type Closure } from './closure.ts'
import { judgeRemapping } from './iommu.ts'
import type { Verdict } from './judge-closure.ts'
import { checkTargets } from './refusals.ts'

/** A closure, and what a task that hands its members to a guest would be told. */
export type Handover = Closure & {
  /** Codes for which such a task is refused where it accepts nothing, each once; empty only where it is not. */
  readonly refusedFor: readonly string[]
}

/** A closure tells these itself, in the light of all its members. */
const toldByClosure: ReadonlySet<string> = new Set([
  'BRIDGE_TARGET',
  'DEVICE_IN_USE',
  'GROUP_SHARED',
  'GROUP_UNKNOWN',
  'HOST_DEPENDS',
  'PF_HAS_VFS',
])

/** `refusals`: what is not among the closure's own diagnostics. */
export function judgeHandover(
  snapshot: Snapshot,
  addresses: readonly PciAddress[],
): { readonly closure: Handover; readonly refusals: readonly Diagnostic[] } {
  const closure = computeClosure(snapshot, addresses)
  const told = checkTargets(snapshot, closure.members, { accept: new Map(), driver: 'vfio-pci' })
  const refusals = told.filter(({ code }) => !toldByClosure.has(code))
  const errors = [...closure.diagnostics, ...told].filter((found) => hasErrors([found]))
  const refusedFor = [...new Set(errors.map(({ code }) => code))]
  return { closure: { ...closure, verdict: findVerdict(snapshot, closure, refusals), refusedFor }, refusals }
}

/** What is only not known of the host says nothing against the device: the verdict stays, and the code is told. */
function findVerdict(snapshot: Snapshot, { verdict }: Closure, refusals: readonly Diagnostic[]): Verdict {
  const isKnown = refusals.some((found) => hasErrors([found]) && !isUnknown(snapshot, found))
  return isKnown ? 'refuse' : verdict
}

function isUnknown(snapshot: Snapshot, { code }: Diagnostic): boolean {
  if (code === 'VFIO_MISSING') return snapshot.kernels.length === 0
  return code === 'INTREMAP_OFF' && judgeRemapping(snapshot).state === 'unknown'
}
