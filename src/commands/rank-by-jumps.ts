import type { HostAddress } from '../core/host-address.ts'
import { findHops, type Hop } from '../host/find-endpoint.ts'

/**
 * When each host's turn to reboot is: 0 first. A host that another of them is reached through comes after that one, and
 * this machine after all, for with it this program goes. Ways that lead in a circle are taken as they come.
 */
export function rankByJumps(hosts: readonly HostAddress[]): number[] {
  const followers = hosts.map((host) => hosts.flatMap((other, at) => (isOnWay(host, other) ? [at] : [])))
  const rank = (at: number, seen: ReadonlySet<number>): number => {
    const next = (followers[at] ?? []).filter((other) => !seen.has(other))
    return next.reduce((highest, other) => Math.max(highest, rank(other, new Set([...seen, other])) + 1), 0)
  }
  const ranks = hosts.map((_, at) => rank(at, new Set([at])))
  const last = Math.max(0, ...ranks) + 1
  return ranks.map((found, at) => (isThisMachine(hosts[at]) ? last : found))
}

function isThisMachine(host: HostAddress | undefined): boolean {
  return host?.connection === 'local' && host.root === null
}

function isOnWay(host: HostAddress, other: HostAddress): boolean {
  if (host === other || host.connection !== 'ssh' || other.connection !== 'ssh') return false
  return findHops(other).some((hop) => isHost(hop, host))
}

function isHost({ address, port }: Hop, host: HostAddress): boolean {
  return (address === host.address || address === host.name) && (port === undefined || port === (host.port ?? 22))
}
