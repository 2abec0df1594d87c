import { foldName } from '../core/fold-name.ts'
import type { Bytes } from '../core/bytes.ts'

/**
 * One argument as the kernel reads it: `value` is null for a bare word, without the quotes the kernel removes.
 * `text` is the argument as it stands; `start` and `end` are its place in the command line.
 */
export type KernelArgument = {
  readonly name: Bytes
  readonly value: Bytes | null
  readonly text: Bytes
  readonly start: number
  readonly end: number
}

/** isspace() of lib/ctype.c: 0xA0 counts, so a no-break space pasted from a web page splits an argument. */
export function isKernelBlank(char: string): boolean {
  const code = char.charCodeAt(0)
  return code === 32 || code === 0xa0 || (code >= 9 && code <= 13)
}

/** The kernel's own part of a command line, up to a lone `--` (lib/cmdline.c next_arg, kernel/params.c parse_args). */
export function parseKernelCommandLine(text: Bytes): readonly KernelArgument[] {
  return parseCommandLineParts(text).args
}

/** Both parts of a command line; `init` is what stands behind `--`, null without it. */
export function parseCommandLineParts(text: Bytes): {
  readonly args: readonly KernelArgument[]
  readonly init: Bytes | null
} {
  const args: KernelArgument[] = []
  let at = skipBlanks(text, 0)
  while (at < text.length) {
    const argument = readArgument(text, at)
    at = skipBlanks(text, argument.end)
    if (argument.name === '--' && argument.value === null) return { args, init: text.slice(at) }
    args.push(argument)
  }
  return { args, init: null }
}

function skipBlanks(text: Bytes, from: number): number {
  let at = from
  while (at < text.length && isKernelBlank(text.charAt(at))) at++
  return at
}

/** next_arg(): quotes toggle anywhere, and only those around the value or the whole argument are removed. */
function readArgument(text: Bytes, start: number): KernelArgument {
  const quoted = text[start] === '"'
  const nameStart = quoted ? start + 1 : start
  let inQuote = quoted
  let equals = nameStart
  let end = nameStart
  for (; end < text.length; end++) {
    const char = text.charAt(end)
    if (isKernelBlank(char) && !inQuote) break
    if (char === '=' && equals === nameStart) equals = end
    if (char === '"') inQuote = !inQuote
  }
  return { ...splitArgument(text, nameStart, equals, end, quoted), text: text.slice(start, end), start, end }
}

function splitArgument(text: Bytes, nameStart: number, equals: number, end: number, quoted: boolean) {
  const closed = end > nameStart && text[end - 1] === '"'
  if (equals === nameStart) return { name: text.slice(nameStart, quoted && closed ? end - 1 : end), value: null }
  const opened = text[equals + 1] === '"'
  const valueStart = opened ? equals + 2 : equals + 1
  const valueEnd = (opened || quoted) && closed ? end - 1 : end
  return { name: text.slice(nameStart, equals), value: text.slice(valueStart, Math.max(valueStart, valueEnd)) }
}

/** Parameter names: `-` equals `_`, case and dots count (kernel/params.c parameq). */
export function isSameName(a: Bytes, b: Bytes): boolean {
  return foldName(a) === foldName(b)
}

/** `undefined` when no text makes the kernel read exactly this name and value. */
export function formatKernelArgument(name: Bytes, value: Bytes | null): Bytes | undefined {
  const plain = value === null ? name : `${name}=${value}`
  return [plain, value === null ? `"${name}"` : `${name}="${value}"`].find((text) => readsAs(text, name, value))
}

function readsAs(text: Bytes, name: Bytes, value: Bytes | null): boolean {
  const argument = parseKernelArgument(text)
  return argument?.name === name && argument.value === value
}

/** The one argument that `text` is; `undefined` when it is none or several, or an open quote would take in what follows. */
export function parseKernelArgument(text: Bytes): KernelArgument | undefined {
  const [argument, next] = parseKernelCommandLine(`${text} x`)
  return argument?.text === text && next?.text === 'x' ? argument : undefined
}

/** Members of a comma list: `on,sm_on`. */
export function parseMembers(value: Bytes | null): readonly Bytes[] {
  return value === null || value === '' ? [] : value.split(',')
}

export function hasMember(value: Bytes | null, member: Bytes): boolean {
  return parseMembers(value).includes(member)
}

/** The list with the member, at the end when it was not there. */
export function addMember(value: Bytes | null, member: Bytes): Bytes {
  return hasMember(value, member) ? (value ?? '') : [...parseMembers(value), member].join(',')
}

/** The list without the member; null when nothing is left. */
export function removeMember(value: Bytes | null, member: Bytes): Bytes | null {
  const rest = parseMembers(value).filter((other) => other !== member)
  return rest.length === 0 ? null : rest.join(',')
}
