import type { Claim } from '../core/claim.ts'
import { composeNormal, hasName, isArgument, newArgument, sameList, withValue } from './argument-list.ts'
import type { ArgumentList, ArgumentLists, ListedArgument } from './argument-list.ts'
import { parseKernelCommandLine } from '../formats/kernel-command-line.ts'
import { foldName } from '../core/fold-name.ts'
import { isRepeatable } from './repeatable-arguments.ts'

export type ArgumentClaim = Extract<Claim, { of: 'kernel-argument' }>
export type SequenceClaim = Extract<Claim, { of: 'argument-sequence' }>

/** Splits a comma list; an empty value has no members. */
function membersOf(value: string | null): readonly string[] {
  return value === null || value === '' ? [] : value.split(',')
}

/** Parsers that keep a string and read it once: of several occurrences only the last counts. */
function lastWins(name: string): boolean {
  const folded = foldName(name)
  if (folded === 'module_blacklist' || folded === 'pcie_acs_override') return true
  return folded.includes('.') && !folded.startsWith('rd.') && folded !== 'modprobe.blacklist'
}

/** Whether an argument holds in these entries. */
export function isArgumentMet(lists: ArgumentLists, claim: ArgumentClaim): boolean {
  return sameLists(lists, applyArgumentClaim(lists, claim))
}

export function sameLists(a: ArgumentLists, b: ArgumentLists): boolean {
  return sameList(a.linux, b.linux) && sameList(a.normal, b.normal)
}

/** The lists with the claim holding; the same lists when it held before. */
export function applyArgumentClaim(lists: ArgumentLists, claim: ArgumentClaim): ArgumentLists {
  if (claim.want === 'absent') return mapLists(lists, (list) => withoutArgument(list, claim))
  if (claim.member === true) return withMember(lists, claim)
  if (isRepeatable(claim.name)) return withRepeatable(lists, claim)
  return withOneValue(lists, claim)
}

function mapLists(lists: ArgumentLists, map: (list: ArgumentList) => ArgumentList): ArgumentLists {
  return { linux: map(lists.linux), normal: map(lists.normal) }
}

function withoutArgument(list: ArgumentList, claim: ArgumentClaim): ArgumentList {
  if (claim.value === null) return list.filter((argument) => !hasName(argument, claim.name))
  if (claim.member !== true) return list.filter((argument) => !isArgument(argument, claim.name, claim.value))
  return list.flatMap((argument) => {
    const members = membersOf(argument.value)
    if (!hasName(argument, claim.name) || !members.includes(claim.value ?? '')) return [argument]
    const rest = members.filter((member) => member !== claim.value)
    return rest.length === 0 ? [] : [withValue(argument, rest.join(','))]
  })
}

function withRepeatable(lists: ArgumentLists, claim: ArgumentClaim): ArgumentLists {
  const here = (argument: ListedArgument) => isArgument(argument, claim.name, claim.value)
  if (lists.linux.some(here)) return lists
  if (claim.entries === 'normal') {
    if (lists.normal.some(here)) return lists
    return { ...lists, normal: [...lists.normal, newArgument(claim.name, claim.value)] }
  }
  const normal = lists.normal.filter((argument) => !here(argument))
  return { linux: [...lists.linux, newArgument(claim.name, claim.value)], normal }
}

function withOneValue(lists: ArgumentLists, claim: ArgumentClaim): ArgumentLists {
  if (claim.entries === 'all') {
    const linux = isLast(lists.linux, claim) ? lists.linux : setValue(lists.linux, claim)
    const holds = linux === lists.linux && isLast([...linux, ...lists.normal], claim)
    return { linux, normal: holds ? lists.normal : lists.normal.filter((argument) => !hasName(argument, claim.name)) }
  }
  if (isLast(composeNormal(lists), claim)) return lists
  const inNormal = lists.normal.some((argument) => hasName(argument, claim.name))
  const inLinux = lists.linux.some((argument) => hasName(argument, claim.name))
  if (inNormal || !inLinux) return { ...lists, normal: setValue(lists.normal, claim) }
  return { ...lists, linux: setValue(lists.linux, claim) }
}

/** True when the last argument of that name has the value: it is the one that counts. */
function isLast(list: ArgumentList, claim: ArgumentClaim): boolean {
  const last = list.findLast((argument) => hasName(argument, claim.name))
  return last !== undefined && last.value === claim.value
}

/** The first of that name gets the value, further ones go; none: it is added at the end. */
function setValue(list: ArgumentList, claim: ArgumentClaim): ArgumentList {
  const first = list.findIndex((argument) => hasName(argument, claim.name))
  if (first === -1) return [...list, newArgument(claim.name, claim.value)]
  return list.flatMap((argument, index) => {
    if (!hasName(argument, claim.name)) return [argument]
    return index === first ? [withValue(argument, claim.value)] : []
  })
}

function withMember(lists: ArgumentLists, claim: ArgumentClaim): ArgumentLists {
  const list = claim.entries === 'all' ? lists.linux : composeNormal(lists)
  if (hasMember(list, claim)) return lists
  if (claim.entries === 'all') return moveMembers(lists, claim)
  if (
    lists.normal.some((argument) => hasName(argument, claim.name)) ||
    !lists.linux.some((a) => hasName(a, claim.name))
  ) {
    return { ...lists, normal: addMember(lists.normal, claim) }
  }
  return { ...lists, linux: addMember(lists.linux, claim) }
}

function hasMember(list: ArgumentList, claim: ArgumentClaim): boolean {
  const found = list.filter((argument) => hasName(argument, claim.name))
  const counting = lastWins(claim.name) ? found.slice(-1) : found
  return counting.some((argument) => membersOf(argument.value).includes(claim.value ?? ''))
}

function addMember(list: ArgumentList, claim: ArgumentClaim): ArgumentList {
  const last = list.findLastIndex((argument) => hasName(argument, claim.name))
  if (last === -1) return [...list, newArgument(claim.name, claim.value)]
  return list.map((argument, index) => {
    if (index !== last) return argument
    return withValue(argument, [...membersOf(argument.value), claim.value].join(','))
  })
}

/** For all entries: members that only normal entries had come along, so that one argument holds them all. */
function moveMembers(lists: ArgumentLists, claim: ArgumentClaim): ArgumentLists {
  const own = lists.normal.filter((argument) => hasName(argument, claim.name)).flatMap(({ value }) => membersOf(value))
  const members = [...new Set([...own, claim.value ?? ''])]
  const linux = members.reduce((list, value) => {
    const one = { ...claim, value }
    return hasMember(list, one) ? list : addMember(list, one)
  }, lists.linux)
  return { linux, normal: lists.normal.filter((argument) => !hasName(argument, claim.name)) }
}

/** The names that belong to a sequence, and what stands there of it. */
function partsOf(list: ArgumentList, claim: SequenceClaim): ArgumentList {
  return list.filter((argument) => claim.names.some((name) => hasName(argument, name)))
}

export function isSequenceMet(lists: ArgumentLists, claim: SequenceClaim): boolean {
  const found = partsOf(composeNormal(lists), claim)
  if (claim.want === 'absent') return found.length === 0
  const wanted = wantedParts(claim)
  return found.length === wanted.length && found.every((part, index) => isSamePart(part, wanted[index]))
}

function isSamePart(a: ListedArgument, b: ListedArgument | undefined): boolean {
  return b?.name !== undefined && b.name !== null && isArgument(a, b.name, b.value)
}

function wantedParts(claim: SequenceClaim): ArgumentList {
  return claim.args.flatMap((text) => parseKernelCommandLine(text)).map(({ name, value }) => newArgument(name, value))
}

/** As many parts as before, all in one place: each gives way to its successor. Else all go and the sequence is added. */
export function applySequenceClaim(lists: ArgumentLists, claim: SequenceClaim): ArgumentLists {
  if (isSequenceMet(lists, claim)) return lists
  const wanted = claim.want === 'absent' ? [] : wantedParts(claim)
  const inLinux = partsOf(lists.linux, claim)
  const inNormal = partsOf(lists.normal, claim)
  if (wanted.length > 0 && inLinux.length === 0 && inNormal.length === wanted.length) {
    return { ...lists, normal: replaceParts(lists.normal, inNormal, wanted) }
  }
  if (wanted.length > 0 && inNormal.length === 0 && inLinux.length === wanted.length) {
    return { ...lists, linux: replaceParts(lists.linux, inLinux, wanted) }
  }
  const rest = mapLists(lists, (list) => list.filter((argument) => !partsOf([argument], claim).length))
  return { ...rest, normal: [...rest.normal, ...wanted] }
}

function replaceParts(list: ArgumentList, parts: ArgumentList, wanted: ArgumentList): ArgumentList {
  return list.map((argument) => {
    const at = parts.indexOf(argument)
    const next = at === -1 ? undefined : wanted[at]
    return next === undefined ? argument : { ...next, origin: argument.origin, text: sameText(argument, next) }
  })
}

function sameText(before: ListedArgument, after: ListedArgument): string {
  return isSamePart(before, after) ? before.text : after.text
}

/**
 * Puts arguments of one repeatable name into the order of the claims (the last `console=` is /dev/console). Others of
 * that name keep their places.
 */
export function orderRepeatable(lists: ArgumentLists, claims: readonly ArgumentClaim[]): ArgumentLists {
  const isWanted = (argument: ListedArgument) => claims.some((claim) => isArgument(argument, claim.name, claim.value))
  const wanted = claims.map((claim) => newArgument(claim.name, claim.value))
  const rankOf = (argument: ListedArgument) => wanted.findIndex((other) => isSamePart(argument, other))
  const found = composeNormal(lists).filter(isWanted)
  if (found.every((argument, index) => index === 0 || rankOf(found[index - 1] as ListedArgument) <= rankOf(argument))) {
    return lists
  }
  const sorted = found.toSorted((a, b) => rankOf(a) - rankOf(b))
  let next = 0
  const place = (argument: ListedArgument) => {
    const other = isWanted(argument) ? sorted[next++] : undefined
    return other === undefined ? argument : { ...other, origin: argument.origin }
  }
  return { linux: lists.linux.map(place), normal: lists.normal.map(place) }
}
