import type { Bytes } from '../core/bytes.ts'
import { parseGrubLinuxArguments } from '../formats/grub-quoting.ts'
import {
  formatKernelArgument,
  isKernelBlank,
  isSameName,
  parseKernelCommandLine,
} from '../formats/kernel-command-line.ts'

/**
 * One argument of a variable that GRUB puts on its `linux` lines. `origin` is its place among the variable's words,
 * null for a new one. `name` is null for a word that is not exactly one argument: it is never touched.
 */
export type ListedArgument = {
  readonly origin: number | null
  /** In the kernel's own quoting. */
  readonly text: Bytes
  readonly name: Bytes | null
  readonly value: Bytes | null
}

export type ArgumentList = readonly ListedArgument[]

/** The two variables of which 10_linux composes: normal entries `linux` then `normal`, recovery entries `linux` only. */
export type ArgumentLists = { readonly linux: ArgumentList; readonly normal: ArgumentList }

/** Words as GRUB splits them (a value after the shell's own quoting). */
export function parseArgumentList(value: Bytes): ArgumentList {
  return parseGrubLinuxArguments(value)
    .words.map(({ argument, text }) => trimBlanks(argument ?? text))
    .filter((text) => text !== '')
    .map((text, origin) => toListed(text, origin))
}

function trimBlanks(text: Bytes): Bytes {
  let start = 0
  let end = text.length
  while (start < end && isKernelBlank(text.charAt(start))) start += 1
  while (end > start && isKernelBlank(text.charAt(end - 1))) end -= 1
  return text.slice(start, end)
}

function toListed(text: Bytes, origin: number | null): ListedArgument {
  const [argument, ...rest] = parseKernelCommandLine(text)
  if (argument === undefined || rest.length > 0) return { origin, text, name: null, value: null }
  return { origin, text, name: argument.name, value: argument.value }
}

export function hasName(argument: ListedArgument, name: Bytes): boolean {
  return argument.name !== null && isSameName(argument.name, name)
}

export function isArgument(argument: ListedArgument, name: Bytes, value: Bytes | null): boolean {
  return hasName(argument, name) && argument.value === value
}

/** A new argument; the plain text where the kernel has no quoting for it (refused when it is written). */
export function newArgument(name: Bytes, value: Bytes | null): ListedArgument {
  const plain = value === null ? name : `${name}=${value}`
  return { origin: null, text: formatKernelArgument(name, value) ?? plain, name, value }
}

/** The same place with another value. */
export function withValue(argument: ListedArgument, value: Bytes | null): ListedArgument {
  return { ...newArgument(argument.name ?? '', value), origin: argument.origin }
}

export function sameList(a: ArgumentList, b: ArgumentList): boolean {
  return a.length === b.length && a.every((argument, index) => argument.text === b[index]?.text)
}

/** What normal entries get, in order. */
export function composeNormal(lists: ArgumentLists): ArgumentList {
  return [...lists.linux, ...lists.normal]
}
