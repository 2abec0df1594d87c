import type { PciFunction } from '../core/snapshot.ts'
import { formatClass } from './devices.ts'

/** `0000:2b:00.0 [10de:1c82] VGA controller, driver nouveau`: one line of evidence. */
export function describeFunction(found: PciFunction): string {
  const driver = found.driver === null ? 'no driver' : `driver ${found.driver}`
  return `${found.address} [${found.vendor}:${found.device}] ${formatClass(found.class)}, ${driver}`
}
