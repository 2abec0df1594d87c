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
    isObject(value) &&
    (value['want'] === 'present' || value['want'] === 'absent') &&
    hasForm(value, String(value['of']))
  )
}

function hasForm(value: Record<string, unknown>, of: string): boolean {
  return Object.hasOwn(forms, of) && Object.entries(forms[of as Claim['of']]).every(([name, is]) => is(value[name]))
}

type Form = (value: unknown) => boolean

const isText: Form = (value) => typeof value === 'string'
const isTextOrNull: Form = (value) => value === null || isText(value)
const isTexts: Form = (value) => Array.isArray(value) && value.every(isText)

/** The fields that whoever reads a claim relies on. */
const forms: Readonly<Record<Claim['of'], Readonly<Record<string, Form>>>> = {
  'kernel-argument': { name: isText, value: isTextOrNull, entries: isText },
  'argument-sequence': { owner: isText, args: isTexts, names: isTexts },
  'module-option': { module: isText, option: isText, value: isText, merge: isText },
  softdep: { module: isText, pre: isTexts },
  'early-module': { module: isText },
  'boot-module': { module: isText },
  'kernel-module': { target: isText },
  driver: { device: isDevice, driver: isTextOrNull },
  file: { target: isText, content: isText, mode: (value) => typeof value === 'number' },
  'environment-variable': { target: isText, name: isText, value: isTextOrNull },
  attribute: { target: isText, value: isText },
  unit: { target: isText, after: isObject },
}

function isDevice(value: unknown): boolean {
  if (!isObject(value)) return false
  const { address, id, subsystem = null, serial = null, slotPath } = value
  return [address, id, slotPath].every(isText) && [subsystem, serial].every(isTextOrNull)
}
