import { isIPv6 } from 'node:net'

/** `user@host:port` in its parts. */
export type HostSpelling = { readonly names: readonly string[]; readonly user?: string; readonly port?: number }

export type HostNames =
  | ({ readonly ok: true } & HostSpelling)
  | { readonly ok: false; readonly message: string; readonly hint?: string }

const expansionLimit = 10_000

/**
 * Reads how a host is named in an inventory: `node1`, `node[01:20]`, `rack[a:c]-[1:9:2]`, `user@host:2222`,
 * `[2001:db8::1]:22`. Ranges are those of Ansible: both ends belong to them, a leading zero keeps the width.
 */
export function parseHostNames(text: string): HostNames {
  const { user, rest } = splitUser(text)
  const { host, port } = splitPort(rest)
  if (port !== undefined && (port < 1 || port > 65_535)) return { ok: false, message: `${port} is no port` }
  if (/^$|[\s:]$|^-|[\0-\x20\x7f]/.test(host)) return { ok: false, message: `${JSON.stringify(text)} is no host name` }
  const expanded = host.includes(':') && isIPv6(host) ? { ok: true as const, names: [host] } : expandRanges(host)
  if (!expanded.ok) return expanded
  return { ...expanded, ...(user === undefined ? {} : { user }), ...(port === undefined ? {} : { port }) }
}

function splitUser(text: string): { user?: string; rest: string } {
  const at = text.lastIndexOf('@')
  return at > 0 ? { user: text.slice(0, at), rest: text.slice(at + 1) } : { rest: text }
}

/** A port follows the only colon that is outside of brackets; a bare IPv6 address has none. */
function splitPort(text: string): { host: string; port?: number } {
  const bracketed = /^\[([^[\]]+)\](?::(\d+))?$/.exec(text)
  if (bracketed?.[1] !== undefined && isIPv6(bracketed[1])) return withPort(bracketed[1], bracketed[2])
  // Without a colon it is none; the first use of isIPv6 takes 20 ms.
  if (text.includes(':') && isIPv6(text)) return { host: text }
  const colon = /^((?:[^:[\]]|\[[^\]]*\])+):(\d+)$/.exec(text)
  return colon?.[1] === undefined ? { host: text } : withPort(colon[1], colon[2])
}

function withPort(host: string, port: string | undefined): { host: string; port?: number } {
  return port === undefined ? { host } : { host, port: Number(port) }
}

type Expanded = { ok: true; names: readonly string[] } | { ok: false; message: string; hint?: string }

function expandRanges(text: string): Expanded {
  const found = /^([^[\]]*)\[([^[\]]*)\](.*)$/.exec(text)
  if (found === null) return bareName(text)
  const [, before = '', range = '', after = ''] = found
  const middle = expandRange(range)
  if (!middle.ok) return middle
  const rest = expandRanges(after)
  if (!rest.ok) return rest
  if (middle.names.length * rest.names.length > expansionLimit) {
    return { ok: false, message: `the range [${range}] stands for too many hosts` }
  }
  return { ok: true, names: middle.names.flatMap((part) => rest.names.map((tail) => before + part + tail)) }
}

function bareName(text: string): Expanded {
  if (/[[\]]/.test(text)) return { ok: false, message: 'this range has only one bracket', hint: 'write node[01:20]' }
  if (text.includes(':'))
    return { ok: false, message: `${JSON.stringify(text)} is no host name`, hint: 'a port is a number' }
  return { ok: true, names: [text] }
}

function expandRange(range: string): Expanded {
  const found = /^(?:(\d*):(\d+)|([a-zA-Z]):([a-zA-Z]))(?::([1-9]\d*))?$/.exec(range)
  if (found === null) return invalidRange(range)
  const [, low, high, first, last, step = '1'] = found
  if (high !== undefined) return numberRange(range, low || '0', high, Number(step))
  return letterRange(range, first ?? '', last ?? '', Number(step))
}

function invalidRange(range: string): Expanded {
  return { ok: false, message: `[${range}] is no range`, hint: 'write [01:20], [a:f] or, with a step, [1:9:2]' }
}

function numberRange(range: string, low: string, high: string, step: number): Expanded {
  const width = low.length > 1 && low.startsWith('0') ? low.length : 0
  if (width > 0 && high.length !== width) {
    return { ok: false, message: `[${range}] has ends of different width`, hint: 'write as many digits at both ends' }
  }
  if (Number(high) < Number(low)) return invalidRange(range)
  if ((Number(high) - Number(low)) / step > expansionLimit) {
    return { ok: false, message: `the range [${range}] stands for too many hosts` }
  }
  const names: string[] = []
  for (let value = Number(low); value <= Number(high); value += step) names.push(String(value).padStart(width, '0'))
  return { ok: true, names }
}

function letterRange(range: string, first: string, last: string, step: number): Expanded {
  const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'
  const [low, high] = [letters.indexOf(first), letters.indexOf(last)]
  if (high < low) return invalidRange(range)
  return {
    ok: true,
    names: letters
      .slice(low, high + 1)
      .split('')
      .filter((_, index) => index % step === 0),
  }
}
