import type { Snapshot } from '../../core/snapshot.ts'
import { findRoutes, isLoopback, parseIpAddress } from './routes.ts'
import { extendTrace, findFunctionsAbove, joinTraces, lost, nowhere, startWalk, stepDown } from './trace.ts'
import type { Trace, Walk } from './trace.ts'

/** What a network device stands on, through bridges, bonds, teams, VLANs and macvlans (`lower_*`) and Open vSwitch. */
export function traceInterface(snapshot: Snapshot, name: string): Trace {
  const trace = traceLower(snapshot, name, startWalk())
  // A bridge has ports of guests too, which stand on nothing: they matter only when there is nothing else.
  return trace.ends.length > 0 ? { ends: trace.ends, losses: [] } : trace
}

function traceLower(snapshot: Snapshot, name: string, walk: Walk): Trace {
  const device = snapshot.network.find((each) => each.name === name)
  if (!device) return lost(`${name} is not in /sys/class/net`, 'network')
  if (walk.above.includes(name)) return lost(`${name} stands on itself`, 'network')
  if (walk.done.has(name)) return nowhere
  const further = stepDown(walk, name)
  const ends = findFunctionsAbove(snapshot, device.path ?? '')
  if (ends.length > 0) return extendTrace(name, { ends, losses: [] })
  if (device.lowers.length > 0) {
    return extendTrace(name, joinTraces(device.lowers.map((lower) => traceLower(snapshot, lower, further))))
  }
  if (device.path === null) return lost(`/sys/class/net/${name} cannot be read`, 'network')
  if (device.kind === 'loopback' || !device.path.startsWith('/devices/virtual/')) return nowhere
  return traceSwitch(snapshot, name, further)
}

/**
 * A port that Open vSwitch makes for the host has no link to the switch's other ports; those have `ovs-system` as their
 * master. Which of them a packet takes only its flow tables say.
 */
function traceSwitch(snapshot: Snapshot, name: string, walk: Walk): Trace {
  const hidden = lost(`${name} is virtual: sysfs does not show what carries it`, 'network')
  if (walk.done.has('ovs-system') || !snapshot.network.some((device) => device.name === 'ovs-system')) return hidden
  const further = stepDown(walk, 'ovs-system')
  const ports = snapshot.network.filter((device) => device.master === 'ovs-system' && !walk.above.includes(device.name))
  const trace = joinTraces(ports.map((port) => traceLower(snapshot, port.name, further)))
  return trace.ends.length === 0 ? hidden : extendTrace(name, extendTrace('Open vSwitch', trace), { certain: false })
}

/** What carries packets to another machine. */
export function traceRemote(snapshot: Snapshot, host: string): Trace {
  const address = parseIpAddress(host)
  if (address === undefined) return lost(`${host} is no address`, 'network')
  if (isLoopback(address)) return nowhere
  if (snapshot.routes === null) return lost('the routing table cannot be read', 'network')
  const routes = findRoutes(snapshot.routes, address)
  if (routes.length === 0) return lost(`no route to ${host} in the main table`, 'network')
  return joinTraces([...new Set(routes.map((route) => route.interface))].map((name) => traceInterface(snapshot, name)))
}
