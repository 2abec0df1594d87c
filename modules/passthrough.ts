import { z } from 'zod'
import { note } from '../src/core/diagnostic.ts'
import type { Diagnostic } from '../src/core/diagnostic.ts'
import type { Expansion, ModulePlan, TaskOptions } from '../src/core/module.ts'
import { refuse } from '../src/core/refuse.ts'
import type { PciFunction, Snapshot } from '../src/core/snapshot.ts'
import { formatSlot } from '../src/pci/address.ts'
import { findBuiltinDrivers } from '../src/pci/builtin-drivers.ts'
import { lacksVfio } from '../src/pci/check-platform.ts'
import { collectParts, findSharedIds, staysAsBridge } from '../src/pci/closure-parts.ts'
import { describeFunction } from '../src/pci/describe-function.ts'
import { areOneDevice } from '../src/pci/devices.ts'
import { formatShortId } from '../src/pci/id.ts'
import { needsIntelArgument } from '../src/pci/iommu.ts'
import { findBootable, noteLeftOver } from '../src/pci/kernels.ts'
import { defineModule } from './shared/define-module.ts'
import { chooseListed, devicesParam } from './shared/device-selectors.ts'
import { chooserRefusals, guestRefusals, targetRefusals } from './shared/target-refusals.ts'

const params = z.strictObject({
  devices: devicesParam,
  group: z
    .enum(['whole', 'refuse'])
    .default('refuse')
    .describe(
      'Where other devices are in the same IOMMU group: `whole` takes them along, `refuse` does not go on. Functions of the same device come along in both.',
    ),
  bind: z
    .enum(['auto', 'ids', 'address'])
    .default('auto')
    .describe(
      '`ids`: by vendor and device. `address`: one by one. `auto`: by ids where they name these devices and no others.',
    ),
})

type Params = z.output<typeof params>

export const passthrough = defineModule<Params>({
  name: 'passthrough',
  summary:
    'Prepares devices for virtual machines: all that must come along, and all that binds it to vfio-pci at boot.',
  description: `The task stands for others, which the plan shows: \`vfio_ids\` with \`initramfs\`, or \`driver_override\`, and \`kernel_cmdline\` where the
IOMMU needs an argument. Saved and live are those of these modules.

What goes to the guest is the device with all of its functions in the group; bridges stay. Where the IOMMU is still off there is
no group: then all functions of a graphics card go. Ids are used where they are those of these devices alone, and where no kernel
has their driver built in; else devices are bound by address.

On Intel \`intel_iommu=on\` is added unless every kernel has the IOMMU on by default (Debian's leave integrated graphics out) or it is at
work without. AMD needs nothing: \`amd_iommu=on\` is no value that the kernel knows. \`iommu=pt\` is about the speed of the host's own devices
and is never added.`,
  params,
  example: `- name: The graphics card is for guests
  passthrough:
    devices: ["0000:2b:00.0"]`,
  refusals: {
    ...chooserRefusals,
    ...targetRefusals,
    ...guestRefusals,
    ID_SHARED:
      'With `bind: ids`: functions that are not meant carry the id, and all of them would be taken. Can be accepted.',
    DRIVER_BUILTIN: 'With `bind: ids`: the own driver of a device is built in and takes it before vfio-pci can.',
    IDS_TOO_LONG: 'With `bind: ids`: the list is longer than the 1023 characters that vfio-pci reads.',
  },
  reads: () => ({ modules: ['vfio_pci'] }),
  plan: planPassthrough,
})

function planPassthrough(params: Params, snapshot: Snapshot, options: TaskOptions): ModulePlan {
  const { functions, diagnostics } = chooseListed(snapshot, params.devices, options)
  const members = findMembers(params, functions, snapshot)
  const reasons = params.bind === 'auto' ? findReasons(members, snapshot) : []
  const isByAddress = params.bind === 'address' || reasons.length > 0
  const bound = [...functions.filter(staysAsBridge), ...members]
  const expands = [
    ...(isByAddress ? [overrideOf(bound)] : idsOf(bound, snapshot)),
    ...(needsIntelArgument(snapshot, members) ? [argumentOf('intel_iommu=on')] : []),
  ]
  return {
    claims: [],
    expands: bound.length === 0 ? [] : expands,
    diagnostics: [
      ...diagnostics,
      ...noteCompanions(functions, members),
      ...noteReasons(reasons),
      ...(bound.length === 0 ? [] : noteLeftOver(snapshot, lacksVfio)),
      ...(params.bind === 'ids' ? checkTaken(members, snapshot, options) : []),
    ],
  }
}

/**
 * The endpoints chosen, other functions of their devices in the group, and with `whole` everything in it. Without groups
 * other functions of their graphics cards.
 */
function findMembers({ group }: Params, chosen: readonly PciFunction[], snapshot: Snapshot): readonly PciFunction[] {
  const { members } = collectParts(
    snapshot.pci,
    chosen.filter((found) => !staysAsBridge(found)).map(({ address }) => address),
  )
  if (group === 'whole') return members
  const slots = new Set(chosen.map(({ address }) => formatSlot(address)))
  return members.filter(({ address }) => slots.has(formatSlot(address)))
}

/** Why ids cannot name these functions; empty where they can. */
function findReasons(members: readonly PciFunction[], snapshot: Snapshot): readonly string[] {
  const taken = findSharedIds(snapshot.pci, members)
  const shared = members.filter(
    (member) => taken.has(formatShortId(member)) || !areOneDevice(withId(formatShortId(member), members)),
  )
  const builtin = members.filter((member) => findBuiltinDrivers(snapshot, member).length > 0)
  const isLong = members.map(formatShortId).join(',').length > 1023
  return [
    ...shared.map((member) => `others have its id: ${describeFunction(member)}`),
    ...builtin.map((member) => `its own driver is built in: ${describeFunction(member)}`),
    ...(isLong ? ['the ids make more than 1023 characters'] : []),
  ]
}

function withId(id: string, functions: readonly PciFunction[]): readonly PciFunction[] {
  return functions.filter((each) => formatShortId(each) === id)
}

/** Functions of these devices that nobody named. An id that several devices have is refused by vfio_ids. */
function checkTaken(members: readonly PciFunction[], snapshot: Snapshot, options: TaskOptions): readonly Diagnostic[] {
  return [...findSharedIds(snapshot.pci, members)].flatMap(([id, others]) => {
    if (!areOneDevice([...others, ...withId(id, members)])) return []
    return [
      refuse(options, 'ID_SHARED', `the id ${id} takes functions that are not meant`, {
        hint: 'bind: auto binds these devices by address',
        evidence: others.map(describeFunction),
      }),
    ]
  })
}

/** A kernel without vfio-pci is refused by vfio_ids. */
function idsOf(functions: readonly PciFunction[], snapshot: Snapshot): readonly Expansion[] {
  const ids: Expansion = { module: 'vfio_ids', params: { ids: [...new Set(functions.map(formatShortId))] } }
  if (findBootable(snapshot).some(lacksVfio)) return [ids]
  return [ids, { module: 'initramfs', params: { modules: ['vfio_pci'] } }]
}

function overrideOf(functions: readonly PciFunction[]): Expansion {
  const devices = functions.map((found) => ({ address: found.address, id: formatShortId(found) }))
  return { module: 'driver_override', params: { devices, driver: 'vfio-pci' } }
}

function argumentOf(text: string): Expansion {
  return { module: 'kernel_cmdline', params: { present: [text] } }
}

function noteCompanions(chosen: readonly PciFunction[], members: readonly PciFunction[]): readonly Diagnostic[] {
  const companions = members.filter((member) => !chosen.includes(member))
  if (companions.length === 0) return []
  const isGuessed = companions.some(({ iommuGroup }) => iommuGroup === null)
  return [
    note('GROUP_COMPANIONS', 'these come along', {
      ...(isGuessed && { hint: 'no IOMMU group tells yet: they are taken for being on the same graphics card' }),
      evidence: companions.map(describeFunction),
    }),
  ]
}

function noteReasons(reasons: readonly string[]): readonly Diagnostic[] {
  if (reasons.length === 0) return []
  return [note('BOUND_BY_ADDRESS', 'ids cannot name these devices: they are bound by address', { evidence: reasons })]
}
