import { z } from 'zod'
import { error, note } from '../src/core/diagnostic.ts'
import type { Diagnostic } from '../src/core/diagnostic.ts'
import type { ModulePlan, TaskOptions } from '../src/core/module.ts'
import type { PciFunction, Snapshot } from '../src/core/snapshot.ts'
import { formatSlot } from '../src/pci/address.ts'
import { formatClass, hasId, isBridge, isHostBridge } from '../src/pci/devices.ts'
import { findGroupMembers } from '../src/pci/groups.ts'
import { formatPciId } from '../src/pci/id.ts'
import type { PciId } from '../src/pci/id.ts'
import { acsSymbols, checkAcsPatch } from './shared/check-acs-patch.ts'
import { defineModule } from './shared/define-module.ts'
import { claimMember } from './shared/kernel-arguments.ts'
import { parseIds } from './shared/parse-ids.ts'
import { refuse } from '../src/core/refuse.ts'

/** The patch keeps ids in 16 places, one of which stays empty. */
const mostIds = 15

const params = z
  .strictObject({
    functions: z
      .array(z.enum(['downstream', 'multifunction']))
      .default([])
      .describe(
        '`downstream`: all downstream and root ports. `multifunction`: the functions of all multifunction devices.',
      ),
    ids: z
      .array(z.string())
      .max(mostIds)
      .default([])
      .describe('Ids of single devices, `vendor:device`, that are taken to isolate although they do not say so.'),
  })
  .refine(({ functions, ids }) => functions.length + ids.length > 0, 'one of functions and ids must name something')

type Params = z.output<typeof params>

export const acsOverride = defineModule<Params>({
  name: 'acs_override',
  summary: 'Splits IOMMU groups against what the hardware says, on a kernel with the ACS override patch.',
  description: `Saved: \`pcie_acs_override=\` on the kernel command line. Live: the groups of the running kernel, which change with the next boot.

The option does not change the hardware. Devices that the kernel then shows in groups of their own can still reach each other
by peer-to-peer DMA behind the IOMMU: a guest that controls one of them can reach the registers and memory of the others, those of the host
among them. It is a way to use a machine one trusts as a whole, and none to keep guests apart. So a task must accept it with a
reason, which stays in the record and is shown in every plan.

The option exists only in kernels with a patch that was never merged (Proxmox, zen, liquorix and others have it); others ignore
the word in silence. The running kernel is judged by /proc/kallsyms, other installed kernels by their System.map; a placeholder
instead of a System.map proves nothing.`,
  params,
  example: `- name: The USB controller gets a group of its own
  acs_override:
    functions: [downstream, multifunction]
  accept:
    ACS_OVERRIDE: one trusted user, all guests are hers`,
  refusals: {
    ACS_OVERRIDE: 'The task does not accept what the option means.',
    ACS_ABSENT: 'The kernel has no ACS override patch.',
    ACS_UNKNOWN: 'Nothing shows whether an installed kernel has the patch. Can be accepted.',
    ADDRESS_AS_ID: 'An address (01:00.0) stands where an id belongs.',
    ID_INVALID: 'The text is no id.',
    ID_SUBSYSTEM: 'The option takes vendor and device only.',
    ID_ABSENT: 'No device of the host has the id. Can be accepted.',
  },
  reads: () => ({ symbols: acsSymbols }),
  plan: planOverride,
})

function planOverride({ functions, ids: texts }: Params, snapshot: Snapshot, options: TaskOptions): ModulePlan {
  const { ids, diagnostics } = parseIds(texts)
  const members = [...new Set(functions), ...ids.map((id) => `id:${formatPciId(id)}`)]
  return {
    claims: members.map((member) => claimMember('present', 'pcie_acs_override', member, 'normal')),
    diagnostics: [
      refuse(
        options,
        'ACS_OVERRIDE',
        'groups split by the override do not isolate: the devices still reach each other by DMA',
        {
          hint: 'prefer another slot, or hand over the whole group',
        },
      ),
      ...diagnostics,
      ...ids.flatMap((id) => checkId(id, snapshot, options).map((found) => ({ ...found, path: id.path }))),
      ...checkAcsPatch(snapshot, options),
      ...noteGroups(functions, ids, snapshot),
    ],
  }
}

function checkId(id: PciId, snapshot: Snapshot, options: TaskOptions): readonly Diagnostic[] {
  if (id.subsystemVendor !== null) {
    return [error('ID_SUBSYSTEM', `pcie_acs_override takes ${id.vendor}:${id.device}, without the subsystem`)]
  }
  if (snapshot.pci.some((found) => hasId(found, id))) return []
  return [
    refuse(options, 'ID_ABSENT', `no device of this host has the id ${formatPciId(id)}`, {
      hint: 'compare with lspci -nn',
    }),
  ]
}

function noteGroups(functions: Params['functions'], ids: readonly PciId[], snapshot: Snapshot): readonly Diagnostic[] {
  const groups = [...new Set(snapshot.pci.flatMap(({ iommuGroup }) => (iommuGroup === null ? [] : [iommuGroup])))]
  const affected = groups
    .toSorted((a, b) => a - b)
    .map((group) => ({ group, members: findGroupMembers(snapshot, group) }))
    .filter(({ members }) => members.length > 1 && members.some(isEndpoint) && mayBeSplit(members, functions, ids))
  if (affected.length === 0) return [note('ACS_GROUPS', 'no IOMMU group of the running kernel would be split')]
  return [
    note('ACS_GROUPS', `groups that may be split: ${affected.map(({ group }) => group).join(', ')}`, {
      hint: 'what is in one of them stays able to reach the rest of it by DMA, so give it only to guests that may; ports that report ACS themselves are left alone',
      evidence: affected.map(({ group, members }) => `group ${group}: ${describeMembers(members)}`),
    }),
  ]
}

function isEndpoint(found: PciFunction): boolean {
  return !isBridge(found) && !isHostBridge(found)
}

function describeMembers(members: readonly PciFunction[]): string {
  const endpoints = members.filter(isEndpoint)
  const shown = endpoints.map((found) => `${found.address} ${formatClass(found.class)}`)
  const bridges = members.length - endpoints.length
  return [...shown, ...(bridges === 0 ? [] : [bridges === 1 ? '1 bridge' : `${bridges} bridges`])].join(', ')
}

/** Judged by what holds a group together: functions of one slot, or a port above several slots. */
function mayBeSplit(members: readonly PciFunction[], functions: Params['functions'], ids: readonly PciId[]): boolean {
  const slots = new Set(members.map((found) => formatSlot(found.address)))
  if (functions.includes('multifunction') && slots.size < members.length) return true
  if (functions.includes('downstream') && (slots.size > 1 || members.some(isBridge))) return true
  return ids.some((id) => members.some((found) => hasId(found, id)))
}
