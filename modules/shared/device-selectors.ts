import { z } from 'zod'
import type { ModuleDiagnostic, TaskOptions } from '../../src/core/module.ts'
import type { PciFunction, Snapshot } from '../../src/core/snapshot.ts'
import { chooseDevices, deviceClasses } from '../../src/pci/choose-devices.ts'
import type { DeviceClass, DeviceSelector } from '../../src/pci/choose-devices.ts'

/** Longer than any name in pci.ids: what is longer is a mistake, and no regular expression is made of it. */
const text = z.string().max(200)

const match = z.strictObject({
  address: text.optional().describe('Address; what else is given checks that the device is still that one.'),
  id: text.optional().describe('`vendor:device`, quoted.'),
  class: z
    .enum(Object.keys(deviceClasses) as [DeviceClass, ...DeviceClass[]])
    .optional()
    .describe('Kind of device.'),
  vendor: text.optional().describe("Four hexadecimal digits, or part of the name in the host's pci.ids."),
  name: text.optional().describe("Glob over the names of vendor and device in the host's pci.ids."),
  slot: text.optional().describe('Address without the function, `0000:01:00`: all functions of a device.'),
})

export const devicesParam = z
  .array(z.union([text, match]))
  .min(1)
  .describe(
    'Devices: each an address (`0000:01:00.0`), an id (`"10de:1c82"`, quoted), or a match, of which every field must hold.',
  )

/** As `chooseDevices`, with each diagnostic at the item of the parameter `devices`. */
export function chooseListed(
  snapshot: Snapshot,
  selectors: readonly DeviceSelector[],
  options: TaskOptions,
): { readonly functions: readonly PciFunction[]; readonly diagnostics: readonly ModuleDiagnostic[] } {
  const diagnostics = selectors.flatMap((selector, index) =>
    chooseDevices(snapshot, [selector], options).diagnostics.map((found) => ({ ...found, path: ['devices', index] })),
  )
  return { functions: chooseDevices(snapshot, selectors, options).functions, diagnostics }
}
