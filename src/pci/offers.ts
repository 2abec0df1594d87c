import { hasErrors, type Diagnostic } from '../core/diagnostic.ts'
import type { PciFunction, Snapshot } from '../core/snapshot.ts'
import { formatSlot } from './address.ts'
import type { PciAddress } from './address.ts'
import { collectParts, staysAsBridge } from './closure-parts.ts'
import { byAddress } from './devices.ts'
import { checkTargets } from './refusals.ts'

/** A device that could be handed over, with all that must come along. */
export type Offer = {
  /** The functions of the device that share a group, in order of address. */
  readonly functions: readonly PciFunction[]
  /** What else is in the group and has to come along. */
  readonly companions: readonly PciFunction[]
  /** Refusals that a task may accept. */
  readonly risks: readonly Diagnostic[]
  /** Refusals that nobody can accept; with any of them it is not to be had. */
  readonly refusals: readonly Diagnostic[]
}

/** Kinds of devices that guests are given: storage, network, graphics, sound, USB, wireless, accelerators. */
const offered: readonly string[] = ['01', '02', '03', '04', '0c03', '0b40', '0d', '12']

/** Every device that is one for guests, each with the verdict on it. In order of address. */
export function listOffers(snapshot: Snapshot): readonly Offer[] {
  const candidates = snapshot.pci
    .filter((found) => !staysAsBridge(found) && offered.some((code) => found.class.startsWith(code)))
    .toSorted(byAddress)
  const devices = new Map(candidates.map((found) => [`${formatSlot(found.address)} ${found.iommuGroup}`, found]))
  return [...devices.values()].map((found) => offer(snapshot, found)).toSorted(byFirst)
}

function byFirst(a: Offer, b: Offer): number {
  const [first, second] = [a.functions[0], b.functions[0]]
  return first === undefined || second === undefined ? 0 : byAddress(first, second)
}

function offer(snapshot: Snapshot, found: PciFunction): Offer {
  const slot = formatSlot(found.address)
  const { members } = collectParts(snapshot.pci, [found.address])
  const verdict = judge(
    snapshot,
    members.map(({ address }) => address),
  )
  return {
    functions: members.filter(({ address }) => formatSlot(address) === slot),
    companions: members.filter(({ address }) => formatSlot(address) !== slot),
    ...verdict,
  }
}

/** A refusal that is a warning once its code is accepted can be accepted. */
function judge(snapshot: Snapshot, addresses: readonly PciAddress[]): Pick<Offer, 'risks' | 'refusals'> {
  const errors = refusalsOf(snapshot, addresses, [])
  const rest = refusalsOf(
    snapshot,
    addresses,
    errors.map(({ code }) => code),
  )
  const isRefused = (code: string) => rest.some((each) => each.code === code)
  return { risks: errors.filter(({ code }) => !isRefused(code)), refusals: rest }
}

function refusalsOf(
  snapshot: Snapshot,
  addresses: readonly PciAddress[],
  accepted: readonly string[],
): readonly Diagnostic[] {
  const accept = new Map(accepted.map((code) => [code, 'asked later']))
  return checkTargets(snapshot, addresses, { accept, driver: 'vfio-pci' }).filter((each) => hasErrors([each]))
}
