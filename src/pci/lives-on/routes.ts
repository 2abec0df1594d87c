import type { Route } from '../../core/host-hardware.ts'

/** Address bytes as lower-case hexadecimal digits: 8 for v4, 32 for v6; `undefined` for what is no address. */
export function parseIpAddress(text: string): string | undefined {
  const bare = text.replace(/^\[|\]$|%.*$/g, '').replace(/^::ffff:(?=\d+\.)/i, '')
  const v4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(bare)
  if (v4)
    return v4
      .slice(1)
      .map((part) => Number(part).toString(16).padStart(2, '0'))
      .join('')
  if (!/^[0-9a-f:]+$/i.test(bare) || !bare.includes(':')) return undefined
  const [head = '', tail] = bare.toLowerCase().split('::')
  const [first, last] = [splitWords(head), splitWords(tail ?? '')]
  const missing = tail === undefined ? 0 : Math.max(0, 8 - first.length - last.length)
  const words = [...first, ...Array.from({ length: missing }, () => '0'), ...last]
  const hex = words.map((word) => word.padStart(4, '0')).join('')
  return hex.length === 32 ? hex : undefined
}

function splitWords(text: string): string[] {
  return text === '' ? [] : text.split(':')
}

export function isLoopback(address: string): boolean {
  return address.length === 8 ? address.startsWith('7f') : /^0{31}1$/.test(address)
}

/** The best routes to an address: the longest prefix, then the lowest metric. */
export function findRoutes(routes: readonly Route[], address: string): readonly Route[] {
  const matching = findLongest(routes.filter((route) => contains(route, address)))
  const metric = Math.min(...matching.map((route) => route.metric))
  return matching.filter((route) => route.metric === metric)
}

/** Interfaces whose own networks hold an address, the narrowest networks only. */
export function findConnected(routes: readonly Route[], address: string): readonly Route[] {
  return findLongest(routes.filter((route) => !route.gateway && route.prefix > 0 && contains(route, address)))
}

function findLongest(routes: readonly Route[]): readonly Route[] {
  const prefix = Math.max(...routes.map((route) => route.prefix))
  return routes.filter((route) => route.prefix === prefix)
}

function contains({ destination, prefix }: Route, address: string): boolean {
  if (destination.length !== address.length) return false
  const shift = BigInt(address.length * 4 - prefix)
  return BigInt(`0x${destination}`) >> shift === BigInt(`0x${address}`) >> shift
}
