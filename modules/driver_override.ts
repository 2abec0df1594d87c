import { z } from 'zod'
import type { Claim } from '../src/core/claim.ts'
import { error } from '../src/core/diagnostic.ts'
import type { Diagnostic } from '../src/core/diagnostic.ts'
import type { ModulePlan, TaskOptions } from '../src/core/module.ts'
import type { InstalledKernel, PciFunction, Snapshot } from '../src/core/snapshot.ts'
import { staysAsBridge } from '../src/pci/closure-parts.ts'
import { findNativeDrivers } from '../src/pci/devices.ts'
import { identify } from '../src/pci/identity.ts'
import { findBootable, noteLeftOver } from '../src/pci/kernels.ts'
import { checkTargets } from '../src/pci/refusals.ts'
import { defineModule } from './shared/define-module.ts'
import { chooseListed, devicesParam } from './shared/device-selectors.ts'
import { foldName } from '../src/core/fold-name.ts'
import { findAvailability } from './shared/kernel-modules.ts'
import { chooserRefusals, guestRefusals, targetRefusals } from './shared/target-refusals.ts'

const params = z.strictObject({
  devices: devicesParam,
  driver: z
    .string()
    .regex(/^[A-Za-z0-9_-]+$/)
    .default('vfio-pci')
    .describe('Name of the driver in sysfs: `vfio-pci`, `pci-stub`, any other; `none` keeps every driver off.'),
  live: z.boolean().default(false).describe('Whether the devices are bound anew now, and not only at every boot.'),
})

type Params = z.output<typeof params>

export const driverOverride = defineModule<Params>({
  name: 'driver_override',
  summary: 'Gives single devices a driver by their address, whatever others have the same id.',
  description: `Saved: a udev rule for each device that sets \`driver_override\` as soon as the kernel shows the device, in the root file
system and in every image. The rule checks that the device at the address is still the one that was meant (vendor, device and
subsystem); another card in that slot keeps its own driver. A driver that was faster, built in or loaded for another device,
is taken off again. The driver's module is put into the images and loaded early. Live: with \`live: true\` all devices are unbound,
then bound anew, and what they are bound to is read back; bridges are left alone. A host in a directory has no drivers to bind.

This is the way for one of several equal devices, and where the own driver is built in; \`vfio_ids\` can do neither.
\`driver: none\` keeps a device without a driver.`,
  params,
  example: `- name: The second of two equal NVMe disks is for a guest
  driver_override:
    devices: [{ address: "0000:18:00.0", id: "144d:a808" }]`,
  refusals: {
    ...chooserRefusals,
    ...targetRefusals,
    ...guestRefusals,
    DRIVER_ABSENT: 'An installed kernel has no such driver.',
  },
  reads: ({ driver }) => ({ modules: ['vfio_pci', foldName(driver)] }),
  plan: planOverride,
})

function planOverride({ devices, driver: name, live }: Params, snapshot: Snapshot, options: TaskOptions): ModulePlan {
  const { functions, diagnostics } = chooseListed(snapshot, devices, options)
  const driver = name === 'none' ? null : name
  const addresses = functions.map(({ address }) => address)
  const endpoints = functions.filter((found) => !staysAsBridge(found))
  return {
    claims: [
      ...claimModule(driver, endpoints, snapshot, live),
      ...endpoints.map((found): Claim => ({ want: 'present', of: 'driver', device: identify(found), driver, live })),
    ],
    diagnostics: [
      ...diagnostics,
      ...checkDriver(driver, snapshot),
      ...checkTargets(snapshot, addresses, { accept: withoutLive(options, live), driver }),
    ],
  }
}

/** A function with live virtual functions loses them all when it is unbound now: that is nothing to accept. */
function withoutLive({ accept }: TaskOptions, live: boolean): TaskOptions['accept'] {
  return live ? new Map([...accept].filter(([code]) => code !== 'PF_HAS_VFS')) : accept
}

/** Nothing loads a module for the sake of an override; a device's own driver is loaded by its alias. */
function claimModule(
  driver: string | null,
  functions: readonly PciFunction[],
  snapshot: Snapshot,
  live: boolean,
): readonly Claim[] {
  const module = foldName(driver ?? '')
  const isLoadable = findBootable(snapshot).some((kernel) => findAvailability(kernel, module) === 'loadable')
  const isOwn = functions.every((found) => findNativeDrivers(snapshot, found).includes(module))
  if (!isLoadable || isOwn) return []
  const early: Claim = { want: 'present', of: 'early-module', module }
  return live ? [early, { want: 'present', of: 'kernel-module', target: module }] : [early]
}

/** A driver may have another name than its module: then a device that has it shows that it exists. */
function checkDriver(driver: string | null, snapshot: Snapshot): readonly Diagnostic[] {
  if (driver === null || driver === 'vfio-pci') return []
  const isAbsent = (kernel: InstalledKernel) => findAvailability(kernel, driver) === 'absent'
  const lacking = findBootable(snapshot).filter(isAbsent)
  if (snapshot.pci.some((found) => found.driver === driver)) return []
  if (lacking.length === 0) return noteLeftOver(snapshot, isAbsent)
  const releases = lacking.map(({ release }) => release).join(', ')
  return [
    error('DRIVER_ABSENT', `kernel ${releases} has no driver ${driver}`, {
      hint: 'the name is that below /sys/bus/pci/drivers; "none" keeps every driver off',
    }),
  ]
}
