import type { Claim } from './claim.ts'
import type { Reads } from './snapshot.ts'

/** What must be read to compare these claims with a host, beyond what is read of every host. */
export function readsOfClaims(claims: readonly Claim[]): Reads {
  const targets = (...kinds: readonly Claim['of'][]): string[] =>
    claims.flatMap((claim) => (kinds.includes(claim.of) && 'target' in claim ? [claim.target] : []))
  return {
    paths: targets('file', 'environment-variable'),
    attributes: targets('attribute'),
    units: targets('unit'),
  }
}
