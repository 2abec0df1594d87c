import type { Snapshot } from '../../core/snapshot.ts'
import { candidatesOver } from './candidates.ts'
import * as needs from './storage-needs.ts'
import type { Need } from './storage-needs.ts'
import type { LivesOn, Unknown, Use, UseOf } from './use.ts'

/** Root, boot, ESP, swap, mounts and pools. */
export function findStorageUses(snapshot: Snapshot): LivesOn {
  const named = [
    ...needs.findMountNeeds(snapshot),
    ...needs.findSwapNeeds(snapshot),
    ...needs.findTableNeeds(snapshot),
    ...needs.findProxmoxNeeds(snapshot),
  ]
  const pools = needs.findPoolNeeds(snapshot)
  const uses = dropRepeated(named.flatMap(usesOf))
  return {
    uses: [...uses, ...dropKnown(pools.flatMap(usesOf), uses)],
    cannotTell: [...named, ...pools].flatMap((need) => unknownsOf(snapshot, need)),
  }
}

/** What lies on another machine is told as such; what the host cannot boot without is told as that, too. */
function usesOf({ what, trace }: Need): Use[] {
  return trace.ends.flatMap(({ address, chain, certain, via }) => {
    const kinds: UseOf[] = via === undefined ? [what] : what === 'mount' || what === 'pool' ? [via] : [what, via]
    return kinds.map((kind) => ({ address, what: kind, chain, certain }))
  })
}

/** One file system is often mounted at many places: the first is told, and a plain mount not beside the root. */
function dropRepeated(uses: readonly Use[]): Use[] {
  const place = (use: Use): string => use.chain.slice(1).join(' ')
  const needed = new Set(uses.filter(({ what }) => what !== 'mount').map(place))
  const seen = new Set<string>()
  return uses.filter((use) => {
    const key = `${use.what} ${place(use)}`
    if (seen.has(key) || (use.what === 'mount' && needed.has(place(use)))) return false
    seen.add(key)
    return true
  })
}

/** A pool is told once for each member, and not where the member is told of already. */
function dropKnown(pools: readonly Use[], known: readonly Use[]): Use[] {
  const member = (use: Use): string => use.chain.slice(-2).join(' ')
  const seen = new Set(known.map(member))
  return pools.filter((use) => {
    const isNew = !seen.has(member(use))
    seen.add(member(use))
    return isNew
  })
}

function unknownsOf(snapshot: Snapshot, { what, trace }: Need): Unknown[] {
  return trace.losses.map(({ why, over }) => ({ what, why, candidates: candidatesOver(snapshot, over) }))
}
