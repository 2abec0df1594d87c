import type { Claim } from '../core/claim.ts'
import { foldName } from '../core/fold-name.ts'
import { isRepeatable } from './repeatable-arguments.ts'

type Argument = Extract<Claim, { of: 'kernel-argument' }>
type Option = Extract<Claim, { of: 'module-option' }>

/** Why two claims of one slot cannot both hold; `undefined` when they can. The order of the two does not count. */
export function findConflict(a: Claim, b: Claim): string | undefined {
  if (a.of === 'kernel-argument' && b.of === 'kernel-argument') return findArgumentConflict(a, b)
  if (a.of === 'module-option' && b.of === 'module-option') return findOptionConflict(a, b)
  if (a.of === 'softdep' && b.of === 'softdep') return findSoftdepConflict(a, b)
  if (a.of !== b.of) return undefined
  if (a.want !== b.want) return 'one wants it present, the other absent'
  return findDifference(a, b)
}

function findArgumentConflict(a: Argument, b: Argument): string | undefined {
  if (a.want !== b.want) return findPresenceConflict(a.want === 'present' ? a : b, a.want === 'present' ? b : a)
  if (a.want === 'absent' || isRepeatable(a.name) || a.value === b.value) return undefined
  if (a.member === true && b.member === true) return undefined
  if (a.member === true && isMemberOf(a, b)) return undefined
  if (b.member === true && isMemberOf(b, a)) return undefined
  return 'an argument has one value'
}

function isMemberOf(member: Argument, whole: Argument): boolean {
  return (whole.value ?? '').split(',').includes(member.value ?? '')
}

function findPresenceConflict(present: Argument, absent: Argument): string | undefined {
  const why = 'one wants it present, the other absent'
  if (absent.value === null || absent.value === present.value) return why
  return absent.member === true && isMemberOf(absent, present) ? why : undefined
}

function findOptionConflict(a: Option, b: Option): string | undefined {
  if (a.want !== b.want) return a.value === b.value ? 'one wants it present, the other absent' : undefined
  if (a.want === 'absent' || a.value === b.value) return undefined
  return a.merge === 'union' && b.merge === 'union' ? undefined : 'an option has one value'
}

function findSoftdepConflict(
  a: Extract<Claim, { of: 'softdep' }>,
  b: Extract<Claim, { of: 'softdep' }>,
): string | undefined {
  if (a.want === b.want) return undefined
  const shared = a.pre.map(foldName).filter((name) => b.pre.map(foldName).includes(name))
  return shared.length > 0 ? 'one wants it present, the other absent' : undefined
}

/** Two present claims of one target with one possible content. */
function findDifference(a: Claim, b: Claim): string | undefined {
  if (a.of === 'file' && b.of === 'file') {
    return a.content === b.content && a.mode === b.mode ? undefined : 'two contents for one file'
  }
  if (a.of === 'driver' && b.of === 'driver') return a.driver === b.driver ? undefined : 'a function has one driver'
  if (a.of === 'attribute' && b.of === 'attribute') return a.value === b.value ? undefined : 'two values'
  if (a.of === 'environment-variable' && b.of === 'environment-variable') {
    return a.value === b.value ? undefined : 'two values'
  }
  if (a.of === 'argument-sequence' && b.of === 'argument-sequence') {
    return a.args.join(' ') === b.args.join(' ') ? undefined : 'these arguments stand together and have one owner'
  }
  return a.of === 'unit' && b.of === 'unit' ? findUnitConflict(a, b) : undefined
}

function findUnitConflict(a: Extract<Claim, { of: 'unit' }>, b: Extract<Claim, { of: 'unit' }>): string | undefined {
  if (a.after.enabled !== b.after.enabled || a.after.masked !== b.after.masked) return 'two states for one unit'
  const active = a.after.active === null || b.after.active === null || a.after.active === b.after.active
  return active ? undefined : 'two states for one unit'
}

/** An argument whose name belongs to a sequence of another claim (`hugepages=` beside the hugepages task). */
export function findSequenceConflict(sequence: Claim, argument: Claim): string | undefined {
  if (sequence.of !== 'argument-sequence' || argument.of !== 'kernel-argument') return undefined
  if (sequence.want === 'absent' && argument.want === 'absent') return undefined
  const names = new Set(sequence.names.map(foldName))
  return names.has(foldName(argument.name)) ? `the argument belongs to the sequence of ${sequence.owner}` : undefined
}

/** A file cannot be written whole and edited as well. */
export function findFileConflict(file: Claim, other: Claim): string | undefined {
  if (file.of !== 'file' || other.of !== 'environment-variable') return undefined
  return file.target === other.target ? 'the file is written whole and edited as well' : undefined
}
