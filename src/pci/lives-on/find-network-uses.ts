import type { Snapshot } from '../../core/snapshot.ts'
import { candidatesOver } from './candidates.ts'
import { findConnected, findRoutes, isLoopback, parseIpAddress } from './routes.ts'
import { traceInterface } from './trace-network.ts'
import { extendTrace, lost, type Trace } from './trace.ts'
import type { LivesOn, UseOf } from './use.ts'

/** The network of this ssh session, and every default route. */
export function findNetworkUses(snapshot: Snapshot): LivesOn {
  const session = findSessionTraces(snapshot).map((trace) => toLivesOn(snapshot, 'session-nic', trace))
  const defaults = findDefaultTraces(snapshot).map((trace) => toLivesOn(snapshot, 'default-route', trace))
  const all = [...session, ...defaults]
  return { uses: all.flatMap(({ uses }) => uses), cannotTell: all.flatMap(({ cannotTell }) => cannotTell) }
}

function toLivesOn(snapshot: Snapshot, what: UseOf, { ends, losses }: Trace): LivesOn {
  return {
    uses: ends.map(({ address, chain, certain }) => ({ address, what, chain, certain })),
    cannotTell: losses.map(({ why, over }) => ({ what, why, candidates: candidatesOver(snapshot, over) })),
  }
}

function findDefaultTraces(snapshot: Snapshot): Trace[] {
  if (snapshot.routes === null) return [lost('the routing table cannot be read', 'network')]
  const names = new Set(snapshot.routes.filter(({ prefix }) => prefix === 0).map((route) => route.interface))
  return [...names].map((name) => extendTrace('default route', traceInterface(snapshot, name)))
}

/** `SSH_CONNECTION`: client, its port, server, its port (ssh(1)). A session from the host to itself needs no card. */
function findSessionTraces(snapshot: Snapshot): Trace[] {
  if (snapshot.sshConnection === null) return []
  const [client = '', , server = ''] = snapshot.sshConnection.split(' ')
  const [from, to] = [parseIpAddress(client), parseIpAddress(server)]
  if (from === undefined || to === undefined) return [lost(`SSH_CONNECTION is not understood`, 'network')]
  if (isLoopback(to)) return []
  if (snapshot.routes === null) return [lost('the routing table cannot be read', 'network')]
  const names = findSessionInterfaces(snapshot, { from, to, scope: /%(.+)$/.exec(server)?.[1] })
  if (names.size === 0) return [lost(`no interface has ${server}, and no route leads to ${client}`, 'network')]
  return [...names].map(([name, certain]) => {
    return extendTrace(`ssh from ${client}`, traceInterface(snapshot, name), certain ? {} : { certain: false })
  })
}

type Session = { readonly from: string; readonly to: string; readonly scope: string | undefined }

/**
 * Interface → whether it is the one for certain. The one with the server's address, or whose network holds it; the way
 * back to the client is by its route, which may be another.
 */
function findSessionInterfaces(snapshot: Snapshot, { from, to, scope }: Session): Map<string, boolean> {
  const routes = snapshot.routes ?? []
  const own = snapshot.network.filter(({ addresses }) => addresses.some((each) => each.replaceAll(':', '') === to))
  const named = scope === undefined ? own.map(({ name }) => name) : [scope]
  const connected = named.length > 0 ? named : findConnected(routes, to).map((route) => route.interface)
  const there = [...new Set(connected)]
  const back = findRoutes(routes, from).map((route) => route.interface)
  const found = new Map(there.map((name) => [name, there.length === 1]))
  for (const name of back) if (!found.has(name)) found.set(name, there.length === 0)
  return found
}
