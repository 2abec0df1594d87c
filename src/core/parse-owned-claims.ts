import type { Claim } from './claim.ts'

/** Claims that the last committed record holds (record.json); none where there is no record that can be read. */
export function parseOwnedClaims(record: string | null): readonly Claim[] {
  if (record === null) return []
  try {
    const document: unknown = JSON.parse(record)
    const claims = isObject(document) ? document['claims'] : undefined
    return Array.isArray(claims) ? claims.filter(isClaim) : []
  } catch {
    return []
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** Records are passway's own; one of a newer version may hold claims that this one does not know. */
function isClaim(value: unknown): value is Claim {
  return (
    isObject(value) && (value['want'] === 'present' || value['want'] === 'absent') && kinds.has(String(value['of']))
  )
}

const kinds: ReadonlySet<string> = new Set<Claim['of']>([
  'kernel-argument',
  'argument-sequence',
  'module-option',
  'softdep',
  'blacklist',
  'early-module',
  'boot-module',
  'kernel-module',
  'driver',
  'file',
  'environment-variable',
  'attribute',
  'unit',
])
