import { displayDrivers } from '../pci/driver-names.ts'
import { hasName } from './argument-list.ts'
import type { ArgumentList } from './argument-list.ts'

type Refusal = { readonly certain: boolean; readonly why: string }

/** Those that have an option `modeset` in every kernel since 5.10: 0 keeps them off, 1 is stronger than `nomodeset`. */
const optional: ReadonlySet<string> = new Set(['ast', 'bochs', 'cirrus', 'mgag200', 'nouveau', 'qxl', 'radeon'])

/**
 * Drivers of displays do not register where the command line says `nomodeset` (drm_firmware_drivers_only(), before 5.17
 * vgacon_text_force()) or their own option `modeset` is 0. Not certain where it depends on the version.
 */
export function judgeModeset(
  module: string,
  args: ArgumentList,
  given?: { readonly value: string | null; readonly place: string },
): Refusal | undefined {
  if (!displayDrivers.has(module)) return undefined
  const isGiven = given !== undefined && given.value !== '-1'
  const isAsked = args.some((argument) => hasName(argument, 'nomodeset'))
  if (!isGiven) return isAsked ? { certain: true, why: `${module} does not start with nomodeset` } : undefined
  if (given.value === '0') {
    return { certain: optional.has(module), why: `${module} does not start with modeset=0 (${given.place})` }
  }
  if (!isAsked || optional.has(module)) return undefined
  return { certain: false, why: `${module} may not start with nomodeset, whatever modeset= is (${given.place})` }
}
