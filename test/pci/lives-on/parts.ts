import type { BlockDevice, NetworkDevice, Route } from '../../../src/core/host-hardware.ts'
import type { Mount, PciFunction, Snapshot } from '../../../src/core/snapshot.ts'
import { findLivesOn } from '../../../src/pci/lives-on/find-lives-on.ts'
import { blockDevice, pciFunction, snapshot } from '../../boot/snapshots.ts'

/** Functions of a machine with something of everything. */
export const functions: readonly PciFunction[] = [
  { address: '0000:00:01.0', class: '060400', headerType: 1 },
  { address: '0000:00:14.0', class: '0c0330' },
  { address: '0000:00:1a.0', class: '0c0320' },
  { address: '0000:00:17.0', class: '010601' },
  { address: '0000:00:0e.0', class: '010400', vendor: '8086', device: '467f' },
  { address: '0000:01:00.0', class: '030000', vendor: '10de', device: '1c82', iommuGroup: 16 },
  { address: '0000:01:00.1', class: '040300', vendor: '10de', device: '0fb9', iommuGroup: 16 },
  { address: '0000:04:00.0', class: '010802' },
  { address: '0000:05:00.0', class: '010802' },
  { address: '0000:06:00.0', class: '020000' },
  { address: '0000:07:00.0', class: '020000' },
  { address: '0000:08:00.0', class: '0c0400' },
  { address: '0000:09:00.0', class: '020000', sriov: { total: 8, enabled: 1 } },
  { address: '0000:09:10.0', class: '020000', physicalFunction: '0000:09:00.0' },
  { address: '10000:e1:00.0', class: '010802' },
].map((given) => pciFunction(given))

const places: Readonly<Record<string, string>> = {
  '0000:01': '0000:00:01.0/',
  '0000:04': '0000:00:1c.0/',
  '0000:05': '0000:00:1c.1/',
}

/** Directory of something below a function, as sysfs has it. */
export function below(address: string, rest: string): string {
  if (address.startsWith('10000:')) {
    return `/devices/pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:06.0/${address}/${rest}`
  }
  return `/devices/pci0000:00/${places[address.slice(0, 7)] ?? ''}${address}/${rest}`
}

/** An NVMe disk or a SATA one, with its partitions. */
export function disk(
  name: string,
  address: string,
  ...partitions: (Partial<BlockDevice> & { n: number })[]
): BlockDevice[] {
  const isNvme = name.startsWith('nvme')
  const path = below(
    address,
    isNvme ? `nvme/${name.slice(0, 5)}/${name}` : `ata1/host0/target0:0:0/0:0:0:0/block/${name}`,
  )
  return [
    blockDevice({ name, path }),
    ...partitions.map(({ n, ...given }) => {
      const partition = isNvme ? `${name}p${n}` : `${name}${n}`
      return blockDevice({ name: partition, path: `${path}/${partition}`, partitionOf: name, ...given })
    }),
  ]
}

/** Made of other block devices. */
export function made(name: string, parents: readonly string[], given: Partial<BlockDevice> = {}): BlockDevice {
  return blockDevice({ name, parents, path: `/devices/virtual/block/${name}`, ...given })
}

export function mapped(name: string, dmName: string, parents: readonly string[], uuid = 'LVM-x'): BlockDevice {
  return made(name, parents, { dm: { name: dmName, uuid } })
}

export function mount(source: string, target: string, type = 'ext4', more: Partial<Mount> = {}): Mount {
  return { source, target, type, options: ['rw'], ...more }
}

export function nic(name: string, address: string, given: Partial<NetworkDevice> = {}): NetworkDevice {
  return device(name, { path: below(address, `net/${name}`), kind: 'physical', ...given })
}

export function device(name: string, given: Partial<NetworkDevice> = {}): NetworkDevice {
  return {
    name,
    path: `/devices/virtual/net/${name}`,
    kind: 'virtual',
    master: null,
    lowers: [],
    addresses: [],
    up: true,
    ...given,
  }
}

/** `eth0 192.0.2.0/24`, `eth0 default`; `via` makes it one with a gateway. */
export function route(text: string): Route {
  const [name = '', network = '', via] = text.split(' ')
  const [address = '', prefix = '0'] = network === 'default' ? ['0.0.0.0'] : network.split('/')
  const hex = address.includes(':')
    ? address.replaceAll(':', '')
    : address.split('.').map((part) => Number(part).toString(16).padStart(2, '0'))
  const destination = typeof hex === 'string' ? hex.padEnd(32, '0') : hex.join('')
  const gateway = via === 'via' || network === 'default'
  return { interface: name, destination, prefix: Number(prefix), gateway, metric: 0 }
}

/** A machine of these functions whose root is told of nowhere else. */
export function machine(given: Parameters<typeof snapshot>[0] = {}): Snapshot {
  return snapshot({ pci: functions, mounts: [], blockDevices: [], routes: [], ...given })
}

/** One line for each use: `what: chain`, likely ones with a question mark; and for each unknown: `? what: candidates`. */
export function tell(host: Snapshot): string[] {
  const { uses, cannotTell } = findLivesOn(host)
  return [
    ...uses.map(({ what, chain, certain }) => `${what}: ${chain.join(' < ')}${certain ? '' : ' ?'}`),
    ...cannotTell.map(({ what, candidates }) => `cannot tell ${what}: ${candidates.join(' ')}`),
  ]
}
