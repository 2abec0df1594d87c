import type { BlockDevice } from '../../core/host-hardware.ts'
import type { Snapshot } from '../../core/snapshot.ts'
import { findBySource } from './find-block-device.ts'
import { traceRemote } from './trace-network.ts'
import { extendTrace, findFunctionsAbove, joinTraces, lost, nowhere, startWalk, stepDown } from './trace.ts'
import type { Trace, Walk } from './trace.ts'

/** What a block device stands on, through partitions, device mapper, md, bcache, multipath and zvols. */
export function traceBlock(snapshot: Snapshot, name: string, walk: Walk = startWalk()): Trace {
  const device = snapshot.blockDevices.find((each) => each.name === name)
  if (!device) return lost(`${name} is not in /sys/class/block`, 'storage')
  if (walk.above.includes(name)) return lost(`${name} stands on itself`, 'storage')
  if (walk.done.has(name)) return nowhere
  const further = stepDown(walk, name)
  // The partition's name says which disk it is: the disk is left out of the chain.
  if (device.partitionOf !== null) return renameStart(name, traceBlock(snapshot, device.partitionOf, further))
  if (device.parents.length > 0) {
    return extendTrace(name, joinTraces(device.parents.map((parent) => traceBlock(snapshot, parent, further))))
  }
  return extendTrace(name, traceDisk(snapshot, device, further))
}

function renameStart(name: string, { ends, losses }: Trace): Trace {
  return { ends: ends.map((end) => ({ ...end, chain: [name, ...end.chain.slice(1)] })), losses }
}

function traceDisk(snapshot: Snapshot, device: BlockDevice, walk: Walk): Trace {
  const { name, path } = device
  if (path === null) return lost(`/sys/class/block/${name} cannot be read`, 'storage')
  const ends = findFunctionsAbove(snapshot, path)
  if (ends.length > 0) {
    return { ends: path.includes('/rport-') ? ends.map((end) => ({ ...end, via: 'fc' })) : ends, losses: [] }
  }
  const session = /\/(session\d+)\//.exec(path)?.[1]
  if (session !== undefined) return traceSession(snapshot, session)
  return path.startsWith('/devices/virtual/') ? traceVirtual(snapshot, device, walk) : nowhere
}

function traceSession(snapshot: Snapshot, name: string): Trace {
  const session = snapshot.iscsiSessions.find((each) => each.name === name)
  const address = session?.address ?? null
  if (address === null) return lost(`the portal of iSCSI ${name} is not known`, 'network')
  return extendTrace(`${name} ${address}`, traceRemote(snapshot, address), { via: 'iscsi' })
}

function traceVirtual(snapshot: Snapshot, { name, path }: BlockDevice, walk: Walk): Trace {
  // Memory; and files, which lie on what is mounted and told of anyway.
  if (/^(?:loop|ram|zram|fd|pmem)\d/.test(name)) return nowhere
  if (/^zd\d/.test(name)) return traceZfs(snapshot, null, walk)
  if (path?.includes('/nvme-subsystem/') === true) return tracePaths(snapshot, name, walk)
  if (/^(?:nbd|rbd)\d/.test(name) || path?.includes('/nvme-fabrics/') === true) {
    return lost(`${name} lies on another machine`, 'network')
  }
  return lost(`${name} does not say what it is made of`, 'storage')
}

/** NVMe with several paths: nvme0n1 of the subsystem, nvme0c1n1 of its controllers (drivers/nvme/host/multipath.c). */
function tracePaths(snapshot: Snapshot, name: string, walk: Walk): Trace {
  const [, subsystem, namespace] = /^nvme(\d+)n(\d+)$/.exec(name) ?? []
  const path = new RegExp(`^nvme${subsystem}c\\d+n${namespace}$`)
  const paths = snapshot.blockDevices.filter((device) => path.test(device.name))
  if (paths.length === 0) return lost(`the controllers of ${name} are not known`, 'storage')
  return joinTraces(paths.map((device) => extendTrace(device.name, traceDisk(snapshot, device, walk))))
}

/** Members of an imported pool; null: of all of them. A pool may lie on a volume of its own. */
export function traceZfs(snapshot: Snapshot, pool: string | null, walk: Walk = startWalk()): Trace {
  const { zfs } = snapshot
  if (zfs === null || zfs === 'unknown') return lost('what ZFS pools stand on only its tools can say', 'storage')
  const pools = zfs.filter(({ name }) => pool === null || name === pool)
  if (pools.length === 0) return lost(`the ZFS pool ${pool ?? ''} is not among the imported ones`, 'storage')
  return joinTraces(pools.map(({ name, members }) => extendTrace(name, traceMembers(snapshot, members, walk))))
}

function traceMembers(snapshot: Snapshot, members: readonly string[], walk: Walk): Trace {
  return joinTraces(
    members.map((member) => traceBlock(snapshot, findBySource(snapshot, `/dev/${member}`)?.name ?? member, walk)),
  )
}

/** Every member of a btrfs that has this device: mounted ones are in /sys/fs/btrfs, else udev knows the UUID. */
export function traceBtrfs(snapshot: Snapshot, device: BlockDevice): Trace {
  const mounted = snapshot.btrfs.find(({ members }) => members.includes(device.name))
  const same = snapshot.blockDevices.filter(
    ({ fsType, fsUuid }) => fsType === 'btrfs' && fsUuid !== null && fsUuid === device.fsUuid,
  )
  const members = mounted?.members ?? [device.name, ...same.map(({ name }) => name)]
  return joinTraces([...new Set(members)].map((name) => traceBlock(snapshot, name)))
}
