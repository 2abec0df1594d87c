import { error, hasErrors, note, warning, type Diagnostic } from '../core/diagnostic.ts'
import type { PciFunction, Snapshot } from '../core/snapshot.ts'
import { parseKernelCommandLine } from '../formats/kernel-arguments.ts'
import { formatSlot } from './address.ts'
import { findCard, staysAsBridge, type ClosureParts } from './closure-parts.ts'
import { describeFunction } from './describe-function.ts'
import { judgeHost } from './judge-host.ts'
import { findDomainOwner, findVirtualFunctions, isVmd } from './tree.ts'

/**
 * One word for a closure; the diagnostics say why. The first that applies:
 * `refuse` (a diagnostic is an error) · `warn` where the groups themselves are not to be trusted, or a whole domain goes ·
 * `bind-by-address` (an id is shared with a device that stays) · `cannot-tell` (no groups) · `warn` (any other warning) ·
 * `ok-only-with-all-members` (more than one card travels) · `ok`.
 */
export type Verdict = 'ok' | 'ok-only-with-all-members' | 'bind-by-address' | 'warn' | 'cannot-tell' | 'refuse'

export function judgeClosure(
  snapshot: Snapshot,
  parts: ClosureParts,
): { readonly verdict: Verdict; readonly diagnostics: readonly Diagnostic[] } {
  const diagnostics = [
    ...judgeTargets(parts),
    ...judgeGroup(parts),
    ...judgeVirtualFunctions(snapshot, parts),
    ...judgeOverride(snapshot, parts),
    ...judgeVmd(snapshot, parts),
    ...judgeIds(parts),
    ...judgeHost(snapshot, parts),
    ...describeSiblings(parts),
  ]
  return { verdict: findVerdict(diagnostics, parts), diagnostics }
}

function findVerdict(diagnostics: readonly Diagnostic[], { members }: ClosureParts): Verdict {
  const codes = new Set(diagnostics.map(({ code }) => code))
  if (hasErrors(diagnostics)) return 'refuse'
  if (codes.has('ACS_OVERRIDE') || codes.has('VMD_DOMAIN')) return 'warn'
  if (codes.has('ID_SHARED')) return 'bind-by-address'
  if (codes.has('GROUP_UNKNOWN')) return 'cannot-tell'
  if (diagnostics.some(({ severity }) => severity === 'warning')) return 'warn'
  return areCards(members) ? 'ok' : 'ok-only-with-all-members'
}

/** Single functions, and graphics cards with their own audio, USB and UCSI functions: nobody would take less. */
function areCards(members: readonly PciFunction[]): boolean {
  const slots = new Set(members.map(({ address }) => formatSlot(address)))
  return [...slots].every((slot) => {
    const card = members.filter(({ address }) => formatSlot(address) === slot)
    return card.length === 1 || card.every((member) => findCard(card, member).length === card.length)
  })
}

function judgeTargets({ targets }: ClosureParts): Diagnostic[] {
  const bridges = targets.filter(staysAsBridge)
  if (bridges.length === 0) return []
  return [
    error('BRIDGE_TARGET', 'a bridge cannot be handed to a guest', {
      hint: 'name the device below it: bridges stay with the host and do not keep a group from being handed over',
      evidence: bridges.map(describeFunction),
    }),
  ]
}

/** What comes along from the same device is told; another device in the group is a refusal until it is named as well. */
function judgeGroup({ targets, members }: ClosureParts): Diagnostic[] {
  const slots = new Set(targets.map(({ address }) => formatSlot(address)))
  const companions = members.filter((member) => !targets.includes(member))
  const strangers = companions.filter(({ address }) => !slots.has(formatSlot(address)))
  const own = companions.filter(({ address }) => slots.has(formatSlot(address)))
  const platform = members.filter((member) => member.class.startsWith('0601'))
  const ungrouped = targets.filter((target) => target.iommuGroup === null)
  return [
    ...(strangers.length > 0 && !targets.some(staysAsBridge) ? [sharedGroup(strangers)] : []),
    ...(platform.length > 0 ? [platformDevice(platform)] : []),
    ...(own.length > 0
      ? [note('GROUP_COMPANIONS', 'functions of the same device come along', { evidence: own.map(describeFunction) })]
      : []),
    ...(ungrouped.length > 0 ? [unknownGroup(ungrouped)] : []),
  ]
}

function sharedGroup(strangers: readonly PciFunction[]): Diagnostic {
  return error('GROUP_SHARED', 'other devices are in the same IOMMU group: all of them go, or none', {
    hint: 'name them as well if the host can do without them, or move the card to another slot',
    evidence: strangers.map(describeFunction),
  })
}

function platformDevice(platform: readonly PciFunction[]): Diagnostic {
  return error(
    'HOST_DEPENDS',
    'the ISA or LPC bridge is in the group: firmware, timers and sensors of the host hang on it',
    {
      evidence: platform.map(describeFunction),
    },
  )
}

function unknownGroup(functions: readonly PciFunction[]): Diagnostic {
  return warning('GROUP_UNKNOWN', 'there is no IOMMU group, so nothing can be said about what must come along', {
    hint: 'turn the IOMMU on (firmware, and intel_iommu=on where the kernel does not default to it), then look again',
    evidence: functions.map(describeFunction),
  })
}

function judgeVirtualFunctions({ pci }: Snapshot, { members }: ClosureParts): Diagnostic[] {
  const busy = members.filter(
    ({ address, sriov }) => (sriov?.enabled ?? 0) > 0 || findVirtualFunctions(pci, address).length > 0,
  )
  if (busy.length === 0) return []
  return [
    error('PF_HAS_VFS', 'a physical function with live virtual functions would have to go', {
      hint: 'vfio-pci refuses it while they exist; write 0 to sriov_numvfs first, or use a port whose functions have groups of their own',
      evidence: busy.map((each) => `${describeFunction(each)}, ${countVirtual(pci, each)} virtual functions`),
    }),
  ]
}

function countVirtual(functions: readonly PciFunction[], { address, sriov }: PciFunction): number {
  return Math.max(sriov?.enabled ?? 0, findVirtualFunctions(functions, address).length)
}

/** The override splits groups in Linux' eyes only: domain of trust unchanged, see the ACS override patch. */
function judgeOverride(snapshot: Snapshot, { targets }: ClosureParts): Diagnostic[] {
  const found = parseKernelCommandLine(snapshot.commandLine).find(({ name }) => name === 'pcie_acs_override')
  if (found === undefined || targets.every((target) => target.iommuGroup === null)) return []
  return [
    warning('ACS_OVERRIDE', 'the groups are split by the ACS override: this is not isolation', {
      hint: 'devices of split groups may still reach each other by DMA; hand them to guests that you trust alike',
      evidence: [`/proc/cmdline: ${found.text}`],
    }),
  ]
}

function judgeVmd({ pci }: Snapshot, { targets, members }: ClosureParts): Diagnostic[] {
  const vmd = members.filter(isVmd)
  const behind = targets.filter((target) => findDomainOwner(target) !== null)
  const drives = pci.filter((each) => vmd.some(({ address }) => address === findDomainOwner(each)))
  return [
    ...(vmd.length > 0
      ? [
          warning('VMD_DOMAIN', 'a Volume Management Device: every drive behind it goes with it', {
            evidence: [...vmd, ...drives.filter((drive) => !staysAsBridge(drive))].map(describeFunction),
          }),
        ]
      : []),
    ...(behind.length > 0 ? [behindVmd(behind)] : []),
  ]
}

function behindVmd(behind: readonly PciFunction[]): Diagnostic {
  return error('VMD_TARGET', 'a device behind a Volume Management Device cannot be handed over by itself', {
    hint: 'turn VMD off in the firmware setup, or hand over the whole VMD',
    evidence: behind.map((each) => `${describeFunction(each)}, behind ${findDomainOwner(each)}`),
  })
}

/** Class 13 (instrumentation that nothing drives) loses nothing when vfio-pci takes it. */
function judgeIds({ sharedIds }: ClosureParts): Diagnostic[] {
  const lost = [...sharedIds].filter(([, others]) => others.some((other) => !other.class.startsWith('13')))
  if (lost.length === 0) return []
  return [
    warning('ID_SHARED', `${lost.map(([id]) => id).join(', ')}: devices that stay have the same id`, {
      hint: 'bind by address (driver_override), or name these devices as well: an id cannot tell them apart',
      evidence: lost.flatMap(([, others]) => others.map(describeFunction)),
    }),
  ]
}

function describeSiblings({ slotSiblings }: ClosureParts): Diagnostic[] {
  if (slotSiblings.length === 0) return []
  return [
    note('SLOT_SIBLINGS', 'other functions of the same device are in groups of their own', {
      hint: 'they can stay; a graphics card usually wants its audio function with it',
      evidence: slotSiblings.map(describeFunction),
    }),
  ]
}
