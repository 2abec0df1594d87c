import { error } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import type { VfioHolder } from '../core/host-hardware.ts'
import type { TaskOptions } from '../core/module.ts'
import { refuse } from '../core/refuse.ts'
import type { PciFunction, Snapshot } from '../core/snapshot.ts'
import { describeFunction } from './describe-function.ts'
import { findLines, findScreens } from './lives-on/consoles.ts'
import { findLivesOn } from './lives-on/find-lives-on.ts'
import { formatUse, useNames } from './lives-on/use-names.ts'
import type { LivesOn, Use, UseOf, Unknown } from './lives-on/use.ts'
import type { Targets } from './targets.ts'
import { findVirtualFunctions } from './tree.ts'

/** Without these the host does not come back, or nobody reaches it. */
const vital: ReadonlySet<UseOf> = new Set(['root', 'boot', 'esp', 'session-nic'])
/** Told by a code of its own. */
const toldElsewhere: ReadonlySet<UseOf> = new Set(['guest', 'display'])

export function checkHost({ snapshot, options, changing }: Targets): readonly Diagnostic[] {
  return changing.flatMap((found) => findNeeds(snapshot, found).map((need) => refuseNeed(need, options)))
}

/** Why the host must keep a function as it is. */
export type Need = {
  /** `the host lives on 0000:04:00.0: root file system` */
  readonly message: string
  readonly hint: string
  readonly evidence: readonly string[]
  /** The host does not come back without it, or nobody reaches it: nothing to accept. */
  readonly isVital: boolean
  /** Missing where the hardware itself is needed, whatever its driver. */
  readonly uses?: readonly UseOf[]
}

export function findNeeds(snapshot: Snapshot, found: PciFunction): readonly Need[] {
  const { uses, cannotTell } = tellHost(snapshot)
  return [
    ...(found.class.startsWith('0601') ? [platform(found)] : []),
    ...dependence(
      found,
      uses.filter(({ address }) => address === found.address),
    ),
    ...doubt(
      found,
      cannotTell.filter(({ candidates }) => candidates.includes(found.address)),
    ),
  ]
}

/** Asked for every function of a host, and found once. */
const told = new WeakMap<Snapshot, LivesOn>()

function tellHost(snapshot: Snapshot): LivesOn {
  const known = told.get(snapshot)
  if (known !== undefined) return known
  const { uses, cannotTell } = findLivesOn(snapshot)
  const here = {
    uses: uses.filter(({ what }) => !toldElsewhere.has(what)),
    cannotTell: cannotTell.filter(({ what }) => !toldElsewhere.has(what)),
  }
  told.set(snapshot, here)
  return here
}

export function refuseNeed(
  { message, hint, evidence, isVital }: Need,
  options: Pick<TaskOptions, 'accept'>,
): Diagnostic {
  if (!isVital) return refuse(options, 'HOST_DEPENDS', message, { hint, evidence })
  return error('HOST_DEPENDS', message, { hint: `${hint}; this cannot be accepted`, evidence })
}

function platform(found: PciFunction): Need {
  return {
    message: `${found.address} is the ISA or LPC bridge: firmware, timers and sensors hang on it`,
    hint: 'choose a device of another group',
    evidence: [describeFunction(found)],
    isVital: true,
  }
}

function dependence(found: PciFunction, uses: readonly Use[]): readonly Need[] {
  if (uses.length === 0) return []
  const kinds = [...new Set(uses.map(({ what }) => what))]
  return [
    {
      message: `the host lives on ${found.address}: ${kinds.map((what) => useNames[what]).join(', ')}`,
      hint: 'choose another device, or move what stands on it first',
      evidence: [...uses.map(formatUse), describeFunction(found)],
      isVital: kinds.some((what) => vital.has(what)),
      uses: kinds,
    },
  ]
}

function doubt(found: PciFunction, unknown: readonly Unknown[]): readonly Need[] {
  if (unknown.length === 0) return []
  const kinds = [...new Set(unknown.map(({ what }) => what))]
  return [
    {
      message: `it cannot be told whether ${found.address} carries ${kinds.map((what) => useNames[what]).join(' or ')}`,
      hint: 'what cannot be told does not count as free',
      evidence: [...unknown.map(({ what, why }) => `${useNames[what]}: ${why}`), describeFunction(found)],
      isVital: false,
      uses: kinds,
    },
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

/** A card that shows what the host does, where no other display, serial line or management controller stays. */
export function checkConsole({ snapshot, options, functions, changing }: Targets): readonly Diagnostic[] {
  const screens = findScreens(snapshot)
  const leaving = changing.filter((found) => screens.includes(found))
  const isShown = screens.some((found) => !functions.includes(found)) || snapshot.ipmi || findLines(snapshot).length > 0
  if (leaving.length === 0 || isShown) return []
  const { message, ...details } = describeConsole(snapshot, leaving)
  return [refuse(options, 'BOOT_VGA_ONLY', message, details)]
}

/** What is said of cards with which the last console of the host goes. */
export function describeConsole(
  snapshot: Snapshot,
  leaving: readonly PciFunction[],
): { readonly message: string; readonly hint: string; readonly evidence: readonly string[] } {
  const addresses = leaving.map(({ address }) => address)
  const chains = findLivesOn(snapshot).uses.filter(
    ({ what, address }) => what === 'display' && addresses.includes(address),
  )
  const [is, console] = leaving.length === 1 ? ['is', 'console'] : ['are', 'consoles']
  return {
    message: `${addresses.join(', ')} ${is} the only ${console} of the host`,
    hint: 'add a serial console (console=ttyS0,115200) or another graphics card for the host; ssh alone does not show a boot that fails',
    evidence: [
      ...leaving.map((found) => `${describeFunction(found)}, boot_vga ${found.bootVga === true ? 1 : 0}`),
      ...chains.map(formatUse),
      ...(snapshot.consoles === null ? [] : [`/proc/consoles: ${snapshot.consoles.join(' ')}`]),
    ],
  }
}
