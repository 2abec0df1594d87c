import type { Snapshot } from '../../core/snapshot.ts'
import { comparePciAddresses } from '../address.ts'
import { findConsoleUses } from './find-console-uses.ts'
import { findGuestUses } from './find-guest-uses.ts'
import { findNetworkUses } from './find-network-uses.ts'
import { findStorageUses } from './find-storage-uses.ts'
import type { LivesOn, Unknown, Use } from './use.ts'

/**
 * Which PCI functions the host lives on, each with the chain of evidence, and what the snapshot cannot show. Bridges are
 * not told of: they stay in any case. In order of kind, within one kind in order of address.
 */
export function findLivesOn(snapshot: Snapshot): LivesOn {
  const all = [findStorageUses, findNetworkUses, findConsoleUses, findGuestUses].map((find) => find(snapshot))
  return {
    uses: uniteBy(
      all.flatMap(({ uses }) => sortUses(uses)),
      ({ address, what, chain }) => [address, what, ...chain].join('\n'),
    ),
    cannotTell: uniteBy(
      all.flatMap(({ cannotTell }) => cannotTell),
      ({ what, why }) => `${what}\n${why}`,
    ),
  }
}

function sortUses(uses: readonly Use[]): Use[] {
  const order = [...new Set(uses.map(({ what }) => what))]
  return uses.toSorted(
    (a, b) => order.indexOf(a.what) - order.indexOf(b.what) || comparePciAddresses(a.address, b.address),
  )
}

function uniteBy<Item extends Use | Unknown>(items: readonly Item[], key: (item: Item) => string): Item[] {
  const seen = new Set<string>()
  return items.filter((item) => {
    const isNew = !seen.has(key(item))
    seen.add(key(item))
    return isNew
  })
}
