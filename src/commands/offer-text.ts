import type { Snapshot } from '../core/snapshot.ts'
import { formatClass } from '../pci/devices.ts'
import { formatDeviceName } from '../pci/names.ts'
import type { Offer } from '../pci/offers.ts'

/** One line of the list to choose from; `isFree: false` where it cannot be chosen. */
export type OfferLine = { readonly text: string; readonly short: string; readonly isFree: boolean }

/** `0000:2b:00.0  NVIDIA GP107 [GeForce GTX 1050 Ti] · group 16 · with 2b:00.1 · free` */
export function describeOffer(snapshot: Snapshot, offer: Offer): OfferLine {
  const [first, ...others] = [...offer.functions, ...offer.companions]
  const parts = [
    `${first?.address ?? ''}  ${deviceName(snapshot, offer)}`,
    first?.iommuGroup === null ? 'no IOMMU group' : `group ${first?.iommuGroup}`,
    ...(others.length === 0 ? [] : [`with ${others.map(({ address }) => shorten(address)).join(' ')}`]),
    verdictOf(offer),
  ]
  return { text: parts.join(' · '), short: nameOffer(snapshot, offer), isFree: offer.refusals.length === 0 }
}

function shorten(address: string): string {
  return address.replace(/^0000:/, '')
}

function verdictOf({ risks, refusals }: Offer): string {
  if (refusals.length > 0) return refusals.map(({ message }) => message).join('; ')
  const codes = [...new Set(risks.map(({ code }) => code))]
  return codes.length === 0 ? 'free' : `at a risk: ${codes.join(', ')}`
}

/** `NVIDIA GP107 [GeForce GTX 1050 Ti] (2b:00.0)` */
export function nameOffer(snapshot: Snapshot, offer: Offer): string {
  return `${deviceName(snapshot, offer)} (${shorten(offer.functions[0]?.address ?? '')})`
}

/** As pci.ids has it, else its kind and id. */
function deviceName(snapshot: Snapshot, { functions }: Offer): string {
  const [first] = functions
  if (first === undefined) return ''
  const id = `${first.vendor}:${first.device}`
  return snapshot.pciNames.has(id) ? formatDeviceName(snapshot, first) : `${formatClass(first.class)} ${id}`
}
