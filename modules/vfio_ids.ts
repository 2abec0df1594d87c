import { z } from 'zod'
import type { Claim } from '../src/core/claim.ts'
import { note } from '../src/core/diagnostic.ts'
import type { Diagnostic } from '../src/core/diagnostic.ts'
import type { ModulePlan, TaskOptions } from '../src/core/module.ts'
import type { InstalledKernel, Snapshot } from '../src/core/snapshot.ts'
import { findFunctionsById, findNativeDrivers, isBridge } from '../src/pci/devices.ts'
import { formatPciId } from '../src/pci/id.ts'
import { findBootable } from '../src/pci/kernels.ts'
import { checkIds } from './shared/check-ids.ts'
import type { IdMatch } from './shared/check-ids.ts'
import { defineModule } from './shared/define-module.ts'
import { claimMember } from './shared/kernel-arguments.ts'
import { findAvailability } from './shared/kernel-modules.ts'
import { parseIds } from './shared/parse-ids.ts'
import { guestRefusals, targetRefusals } from './shared/target-refusals.ts'

const params = z.strictObject({
  ids: z
    .array(z.string())
    .min(1)
    .describe(
      'Ids of the devices that vfio-pci takes, `vendor:device` in hexadecimal as `lspci -nn` prints them, quoted.',
    ),
  softdep: z
    .boolean()
    .default(true)
    .describe("Whether the devices' own drivers are made to load after vfio-pci, so that it comes first."),
})

type Params = z.output<typeof params>

export const vfioIds = defineModule<Params>({
  name: 'vfio_ids',
  summary: 'Hands every device of the given ids to vfio-pci at boot.',
  description: `Saved: one \`options vfio-pci ids=\` line, and one \`softdep DRIVER pre: vfio-pci\` for each driver of an installed kernel that
would take one of these devices. Where vfio-pci is built in, modprobe.d is not read for it: the ids go onto the kernel command
line as \`vfio-pci.ids=\`. Live: a device changes its driver with the next boot.

An id takes every device that carries it, and vfio-pci checks nothing: a mistyped id or an address is taken in silence. So every
id is looked up on the host. Where only some of several equal devices are meant, or one port of a card, ids cannot say so: use
\`driver_override\`. Nothing here loads vfio-pci by itself except the softdeps: put it into \`initramfs\` or \`modules_load\` when no
driver of the devices is loaded at boot.`,
  params,
  example: `- name: The graphics card and its audio function are for guests
  vfio_ids:
    ids: ["10de:1c82", "10de:0fb9"]`,
  refusals: {
    ADDRESS_AS_ID: 'An address (01:00.0) stands where an id belongs.',
    ID_INVALID: 'The text is no id.',
    ID_ABSENT: 'No device of the host has the id. Can be accepted.',
    ID_SHARED: 'Several devices carry the id and all of them would be taken. Can be accepted.',
    ...targetRefusals,
    ...guestRefusals,
    DRIVER_BUILTIN: 'The own driver of a device is built in to a kernel and takes it before vfio-pci can.',
    IDS_TOO_LONG: 'The list is longer than the 1023 characters that vfio-pci reads.',
  },
  reads: () => ({ modules: ['vfio_pci'] }),
  plan: planIds,
})

function planIds({ ids: texts, softdep }: Params, snapshot: Snapshot, options: TaskOptions): ModulePlan {
  const { ids, diagnostics } = parseIds(texts)
  const matches = ids.map((id): IdMatch => ({ id, functions: findFunctionsById(snapshot, id) }))
  const drivers = softdep ? findDrivers(matches, snapshot) : []
  const kernels = findBootable(snapshot)
  const builtin = kernels.filter((kernel) => findAvailability(kernel, 'vfio_pci') === 'builtin')
  const softdeps = builtin.length > 0 && builtin.length === kernels.length ? [] : drivers.map(claimSoftdep)
  const claimed = ids.map((id) => claimId(formatPciId(id), builtin))
  return {
    claims: [...claimed, ...softdeps],
    diagnostics: [
      ...diagnostics,
      ...checkIds(matches, snapshot, options),
      ...noteForm(builtin),
      ...noteLoading(matches, drivers, builtin),
    ],
  }
}

/** Modules of all kernels that may boot which would take one of these functions, without those built in everywhere. */
function findDrivers(matches: readonly IdMatch[], snapshot: Snapshot): readonly string[] {
  const native = matches.flatMap(({ functions }) => functions).flatMap((found) => findNativeDrivers(snapshot, found))
  return [...new Set(native)].sort()
}

function claimId(id: string, builtin: readonly InstalledKernel[]): Claim {
  if (builtin.length > 0) return claimMember('present', 'vfio-pci.ids', id, 'normal')
  return { want: 'present', of: 'module-option', module: 'vfio-pci', option: 'ids', value: id, merge: 'union' }
}

function claimSoftdep(module: string): Claim {
  return { want: 'present', of: 'softdep', module, pre: ['vfio-pci'] }
}

function noteForm(builtin: readonly InstalledKernel[]): readonly Diagnostic[] {
  if (builtin.length === 0) return []
  const releases = builtin.map((kernel) => kernel.release)
  return [
    note('VFIO_BUILTIN', `vfio-pci is built in to kernel ${releases.join(', ')}: the ids go onto the command line`),
  ]
}

/** The kernel loads vfio-pci for nobody: without a softdep of a driver that is loaded, another task must. */
function noteLoading(
  matches: readonly IdMatch[],
  drivers: readonly string[],
  builtin: readonly InstalledKernel[],
): readonly Diagnostic[] {
  const found = matches.some(({ functions }) => functions.some((one) => !isBridge(one)))
  if (!found || drivers.length > 0 || builtin.length > 0) return []
  return [
    note('VFIO_NOT_LOADED', 'no softdep loads vfio-pci for these devices', {
      hint: 'name vfio_pci in an initramfs or modules_load task as well',
    }),
  ]
}
