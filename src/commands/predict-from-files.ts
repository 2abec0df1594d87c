import { computePlan } from '../boot/compute-plan.ts'
import type { HostAddress } from '../core/host-address.ts'
import type { NextBoot } from '../core/plan.ts'
import { readSnapshot } from '../host/read-snapshot.ts'
import type { RunContext } from './run-context.ts'

/** What the host's present files say of its next boot: the plan of no tasks. null where they cannot be read. */
export async function predictFromFiles(context: RunContext, address: HostAddress): Promise<NextBoot | null> {
  const read = await readSnapshot(address, {}, { signal: context.signal })
  if (!read.ok) return null
  return computePlan({ tasks: [], modulePlans: [], snapshot: read.snapshot, prune: false }).nextBoot
}
