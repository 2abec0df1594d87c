import type { HostHardware, IscsiSession, NetworkDevice, Route } from '../core/host-hardware.ts'
import { findMembers, findTargets, type HardwareLinks } from './parse-hardware-links.ts'
import { grepLines, sectionLines, type ProbeOutput } from './probe-sections.ts'

type Attributes = ReadonlyMap<string, readonly string[]>

export function parseNetwork(links: HardwareLinks, attributes: Attributes): NetworkDevice[] {
  const addresses = parseAddresses(attributes)
  return [...findMembers(links, 'net')].map(([name, path]) => {
    const read = (attribute: string): readonly string[] => attributes.get(`/sys/class/net/${name}/${attribute}`) ?? []
    const type = read('uevent').find((line) => line.startsWith('DEVTYPE='))
    return {
      name,
      path,
      kind: type?.slice('DEVTYPE='.length) ?? guessKind(name, path),
      master: findTargets(links, `/class/net/${name}/master`)[0] ?? null,
      lowers: findTargets(links, `/class/net/${name}/lower_`),
      addresses: addresses.get(name) ?? [],
      // Virtual devices without a notion of a carrier read `unknown`.
      up: ['up', 'unknown'].includes(read('operstate')[0] ?? ''),
    }
  })
}

function guessKind(name: string, path: string): string {
  if (name === 'lo') return 'loopback'
  // The datapath device that the kernel module makes (net/openvswitch/vport-internal_dev.c has no DEVTYPE).
  if (name === 'ovs-system') return 'openvswitch'
  return path.startsWith('/devices/virtual/') ? 'virtual' : 'physical'
}

/** /proc/net/if_inet6: address, index, prefix, scope, flags, name. */
function parseAddresses(attributes: Attributes): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const line of attributes.get('/proc/net/if_inet6') ?? []) {
    const fields = line.trim().split(/\s+/)
    const [address = '', name = ''] = [fields[0], fields[5]]
    if (!/^[0-9a-f]{32}$/.test(address)) continue
    found.set(name, [...(found.get(name) ?? []), (address.match(/.{4}/g) ?? []).join(':')])
  }
  return found
}

/** As many lines of a table as the probe reads; beyond, the table is not known. */
const routeLimit = 4000

/** RTF_UP, RTF_GATEWAY, RTF_REJECT (include/uapi/linux/route.h). */
const [flagUp, flagGateway, flagReject] = [0x1, 0x2, 0x200]

export function parseRoutes(output: ProbeOutput): HostHardware['routes'] {
  if (!sectionLines(output, 'hardware').includes('routes')) return null
  const v4 = grepLines(output, 'hardware-lines', /^\.\/proc\/net\/route(?=:)/)
  const v6 = grepLines(output, 'hardware-lines', /^\.\/proc\/net\/ipv6_route(?=:)/)
  if (v4.length > routeLimit || v6.length > routeLimit) return null
  return [...v4.flatMap(({ text }) => parseRoute4(text) ?? []), ...v6.flatMap(({ text }) => parseRoute6(text) ?? [])]
}

/** `eth0 000200C0 00000000 0001 0 0 0 00FFFFFF …`: addresses are numbers of a little-endian machine (fib_route_seq_show). */
function parseRoute4(text: string): Route | undefined {
  const [name = '', destination = '', , flags = '0', , , metric, mask = ''] = text.trim().split(/\s+/)
  if (!isUsable(flags) || !/^[0-9A-F]{8}$/.test(destination) || !/^[0-9A-F]{8}$/.test(mask)) return undefined
  return {
    interface: name,
    destination: swapBytes(destination),
    prefix: Number.parseInt(mask, 16).toString(2).replaceAll('0', '').length,
    gateway: (Number.parseInt(flags, 16) & flagGateway) !== 0,
    metric: Number(metric),
  }
}

/** `DESTINATION PREFIX SOURCE PREFIX GATEWAY METRIC REFERENCES USE FLAGS NAME` (rt6_fill_node's /proc form). */
function parseRoute6(text: string): Route | undefined {
  const [destination = '', prefix = '', , , , metric = '0', , , flags = '0', name = ''] = text.trim().split(/\s+/)
  if (!isUsable(flags) || name === 'lo' || !/^[0-9a-f]{32}$/.test(destination)) return undefined
  return {
    interface: name,
    destination,
    prefix: Number.parseInt(prefix, 16),
    gateway: (Number.parseInt(flags, 16) & flagGateway) !== 0,
    metric: Number.parseInt(metric, 16),
  }
}

function isUsable(flags: string): boolean {
  const bits = Number.parseInt(flags, 16)
  return (bits & flagUp) !== 0 && (bits & flagReject) === 0
}

function swapBytes(hex: string): string {
  return (hex.match(/../g) ?? []).toReversed().join('').toLowerCase()
}

/** Sessions with the portal of one of their connections (`connection1:0` belongs to session1). */
export function parseIscsi(links: HardwareLinks, attributes: Attributes): IscsiSession[] {
  const connections = [...findMembers(links, 'iscsi_connection')]
  return [...findMembers(links, 'iscsi_session').keys()].map((name) => {
    const connection = connections.find(([, path]) => path.includes(`/${name}/`))?.[0] ?? ''
    const address = attributes.get(`/sys/class/iscsi_connection/${connection}/persistent_address`)?.[0]
    return {
      name,
      target: attributes.get(`/sys/class/iscsi_session/${name}/targetname`)?.[0] ?? '',
      address: address ?? null,
    }
  })
}
