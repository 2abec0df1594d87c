import type { DriverPrediction } from '../core/plan.ts'
import type { PciFunction } from '../core/snapshot.ts'

/** `next boot: 0000:04:00.0 without a driver: nvme is on module_blacklist` */
export function describePrediction({ address }: PciFunction, { next, certain, because }: DriverPrediction): string {
  const driver = next === null ? 'without a driver' : `on ${next}`
  return `next boot: ${address} ${driver}${certain ? '' : ' (likely, not proven)'}: ${because}`
}
