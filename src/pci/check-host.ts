import { error } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import type { VfioHolder } from '../core/host-hardware.ts'
import { refuse } from '../core/refuse.ts'
import type { PciFunction, Snapshot } from '../core/snapshot.ts'
import { describeFunction } from './describe-function.ts'
import { findLivesOn } from './lives-on/find-lives-on.ts'
import { formatUse, useNames } from './lives-on/use-names.ts'
import type { Use, UseOf, Unknown } from './lives-on/use.ts'
import type { Targets } from './targets.ts'
import { findVirtualFunctions } from './tree.ts'

/** Without these the host does not come back, or nobody reaches it. */
const vital: ReadonlySet<UseOf> = new Set(['root', 'boot', 'esp', 'session-nic'])
/** Told by a code of its own. */
const toldElsewhere: ReadonlySet<UseOf> = new Set(['guest', 'display'])

export function checkHost({ snapshot, options, changing }: Targets): readonly Diagnostic[] {
  const { uses, cannotTell } = findLivesOn(snapshot)
  const told = uses.filter(({ what }) => !toldElsewhere.has(what))
  const doubts = cannotTell.filter(({ what }) => !toldElsewhere.has(what))
  return changing.flatMap((found) => [
    ...(found.class.startsWith('0601') ? [platform(found)] : []),
    ...dependence(
      found,
      told.filter(({ address }) => address === found.address),
      options,
    ),
    ...doubt(
      found,
      doubts.filter(({ candidates }) => candidates.includes(found.address)),
      options,
    ),
  ])
}

function platform(found: PciFunction): Diagnostic {
  return error('HOST_DEPENDS', `${found.address} is the ISA or LPC bridge: firmware, timers and sensors hang on it`, {
    hint: 'choose a device of another group; this cannot be accepted',
    evidence: [describeFunction(found)],
  })
}

function dependence(found: PciFunction, uses: readonly Use[], options: Targets['options']): readonly Diagnostic[] {
  if (uses.length === 0) return []
  const kinds = [...new Set(uses.map(({ what }) => useNames[what]))]
  const message = `the host lives on ${found.address}: ${kinds.join(', ')}`
  const evidence = [...uses.map(formatUse), describeFunction(found)]
  const hint = 'choose another device, or move what stands on it first'
  if (!uses.some(({ what }) => vital.has(what))) return [refuse(options, 'HOST_DEPENDS', message, { hint, evidence })]
  return [error('HOST_DEPENDS', message, { hint: `${hint}; this cannot be accepted`, evidence })]
}

function doubt(found: PciFunction, unknown: readonly Unknown[], options: Targets['options']): readonly Diagnostic[] {
  if (unknown.length === 0) return []
  const kinds = [...new Set(unknown.map(({ what }) => useNames[what]))]
  return [
    refuse(options, 'HOST_DEPENDS', `it cannot be told whether ${found.address} carries ${kinds.join(' or ')}`, {
      hint: 'what cannot be told does not count as free',
      evidence: [...unknown.map(({ what, why }) => `${useNames[what]}: ${why}`), describeFunction(found)],
    }),
  ]
}

/** A group that a process has open cannot change hands under it (drivers/vfio/group.c). */
export function checkGuests({ snapshot, changing }: Targets): readonly Diagnostic[] {
  const holders = (snapshot.vfioHolders ?? []).filter((holder) => changing.some((found) => isHeld(found, holder)))
  if (holders.length === 0) return []
  const held = changing.filter((found) => holders.some((holder) => isHeld(found, holder)))
  return [
    error('DEVICE_IN_USE', `a virtual machine that is running has ${held.map(({ address }) => address).join(', ')}`, {
      hint: 'shut the machine down first',
      evidence: holders.map(({ pid, command, group }) =>
        group === null
          ? `pid ${pid} ${command} has the device open`
          : `pid ${pid} ${command} has vfio group ${group} open`,
      ),
    }),
  ]
}

function isHeld(found: PciFunction, { group, address }: VfioHolder): boolean {
  return address === found.address || (group !== null && group === found.iommuGroup)
}

export function checkVirtualFunctions({ snapshot, options, changing }: Targets): readonly Diagnostic[] {
  return changing.flatMap((found) => {
    const live = findVirtualFunctions(snapshot.pci, found.address)
    const count = Math.max(found.sriov?.enabled ?? 0, live.length)
    if (count === 0) return []
    return [
      refuse(options, 'PF_HAS_VFS', `${found.address} has ${count} live virtual functions`, {
        hint: 'vfio-pci refuses it while they exist: write 0 to sriov_numvfs first, or hand over the virtual functions',
        evidence: [describeFunction(found), ...live.map(describeFunction)],
      }),
    ]
  })
}

/** The card with the firmware's console, where the host keeps no other display, serial line or management controller. */
export function checkConsole({ snapshot, options, functions, changing }: Targets): readonly Diagnostic[] {
  const chains = findLivesOn(snapshot).uses.filter(({ what }) => what === 'display')
  return changing
    .filter(
      (found) =>
        chains.some(({ address }) => address === found.address) ||
        (found.bootVga === true && !hasOtherConsole(snapshot, functions)),
    )
    .map((found) =>
      refuse(options, 'BOOT_VGA_ONLY', `${found.address} is the only console of the host`, {
        hint: 'add a serial console (console=ttyS0,115200) or another graphics card for the host; ssh alone does not show a boot that fails',
        evidence: [
          `${describeFunction(found)}, boot_vga ${found.bootVga === true ? 1 : 0}`,
          ...chains.filter(({ address }) => address === found.address).map(formatUse),
          ...(snapshot.consoles === null ? [] : [`/proc/consoles: ${snapshot.consoles.join(' ')}`]),
        ],
      }),
    )
}

function hasOtherConsole({ pci, consoles, ipmi }: Snapshot, leaving: readonly PciFunction[]): boolean {
  const staying = pci.some((found) => found.class.startsWith('03') && !leaving.includes(found))
  return staying || ipmi || (consoles ?? []).some((name) => /^(ttyS|ttyAMA|ttyUSB|hvc|ttysclp|netcon)/.test(name))
}
