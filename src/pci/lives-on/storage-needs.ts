import type { Mount, Snapshot } from '../../core/snapshot.ts'
import { findContent } from '../../core/snapshot.ts'
import { findByNumber, findBySource } from './find-block-device.ts'
import { traceBlock, traceBtrfs, traceZfs } from './trace-block.ts'
import { traceRemote } from './trace-network.ts'
import { extendTrace, joinTraces, lost, nowhere, type Trace } from './trace.ts'
import type { UseOf } from './use.ts'

/** Something that the host keeps on a disk, and where that is. */
export type Need = { readonly what: UseOf; readonly trace: Trace }

const espTargets: ReadonlySet<string> = new Set(['/boot/efi', '/efi', '/boot/EFI'])

function whatOf(target: string): UseOf {
  if (target === '/' || target === '/usr' || target === '/sysroot') return 'root'
  if (target === '/boot') return 'boot'
  return espTargets.has(target) ? 'esp' : 'mount'
}

/** Mounted file systems, the innermost of what is mounted over each other included. */
export function findMountNeeds(snapshot: Snapshot): Need[] {
  return snapshot.mounts
    .filter((mount) => !isInitial(snapshot, mount))
    .map((mount) => ({
      what: whatOf(mount.target),
      trace: extendTrace(mount.target, traceMount(snapshot, mount)),
    }))
}

/** Old kernels list the memory that they began with, below the root that was mounted over it. */
function isInitial(snapshot: Snapshot, { target, type }: Mount): boolean {
  return type === 'rootfs' && snapshot.mounts.findLast((mount) => mount.target === target)?.type !== 'rootfs'
}

function traceMount(snapshot: Snapshot, mount: Mount): Trace {
  const { source, target, type, options } = mount
  if (type === 'zfs') return traceZfs(snapshot, source.split('/', 1)[0] ?? '')
  if (/^(?:nfs4?|cifs|smb3)$/.test(type)) return traceShare(snapshot, source, options)
  if (type === 'bcachefs') return joinTraces(source.split(':').map((member) => traceSource(snapshot, member)))
  const device = findByNumber(snapshot, mount.device) ?? findBySource(snapshot, source) ?? findRoot(snapshot, source)
  if (device) return type === 'btrfs' ? traceBtrfs(snapshot, device) : traceBlock(snapshot, device.name)
  if (source.startsWith('/dev/')) return lost(`${source} is not in /sys/class/block`, 'storage')
  if (/^(?:9p|virtiofs|ceph|lustre|afs|orangefs|fuse\.(?:glusterfs|sshfs|ceph.*|s3fs))$/.test(type)) {
    return lost(`${target} comes from another machine (${type})`, 'network')
  }
  return target === '/' ? lost(`/ is ${type}: what is below it is not known`, 'storage') : nowhere
}

/** `/dev/root` is what the kernel mounted itself, by `root=`. */
function findRoot(snapshot: Snapshot, source: string): ReturnType<typeof findBySource> {
  if (source !== '/dev/root' && source !== 'rootfs') return undefined
  return findBySource(snapshot, /(?:^|\s)root=(\S+)/.exec(snapshot.commandLine)?.[1] ?? '')
}

function traceShare(snapshot: Snapshot, source: string, options: readonly string[]): Trace {
  const address = options.find((option) => option.startsWith('addr='))?.slice('addr='.length)
  if (address === undefined) return lost(`the address of ${source} is not known`, 'network')
  return extendTrace(source, traceRemote(snapshot, address), { via: 'nfs' })
}

function traceSource(snapshot: Snapshot, source: string): Trace {
  const device = findBySource(snapshot, source)
  return device ? traceBlock(snapshot, device.name) : lost(`${source} is not in /sys/class/block`, 'storage')
}

/** Swap on a file lies on what is mounted. */
export function findSwapNeeds(snapshot: Snapshot): Need[] {
  return snapshot.swaps
    .filter((source) => source.startsWith('/dev/'))
    .map((source) => ({ what: 'swap', trace: extendTrace('swap', traceSource(snapshot, source)) }))
}

/** File systems that the next boot mounts and waits for, and boot file systems that are mounted on demand (fstab(5)). */
export function findTableNeeds(snapshot: Snapshot): Need[] {
  const mounted = new Set(snapshot.mounts.filter(({ type }) => type !== 'autofs').map(({ target }) => target))
  const lines = (findContent(snapshot, '/etc/fstab') ?? '').split('\n').map((line) => line.trim())
  return lines.flatMap((line) => {
    const [source = '', target = '', type = '', options = ''] = line.split(/\s+/)
    const isSwap = type === 'swap'
    if (line.startsWith('#') || !/^(?:\/dev\/|(?:PARTUUID|UUID|LABEL)=)/.test(source) || mounted.has(target)) return []
    const what = isSwap ? 'swap' : whatOf(target)
    const device = findBySource(snapshot, source)
    const isOptional = isSwap || (what === 'mount' && /(?:^|,)(?:noauto|nofail)(?:,|$)/.test(options))
    if (isOptional && (!device || /(?:^|,)noauto(?:,|$)/.test(options))) return []
    const label = isSwap ? 'swap (fstab)' : `${target} (fstab)`
    return [{ what, trace: extendTrace(label, traceSource(snapshot, source)) }]
  })
}

/** ESPs that proxmox-boot-tool fills are not mounted; it lists their UUIDs. */
export function findProxmoxNeeds(snapshot: Snapshot): Need[] {
  const uuids = (findContent(snapshot, '/etc/kernel/proxmox-boot-uuids') ?? '').split('\n').map((line) => line.trim())
  return uuids
    .filter((uuid) => /^[\w-]+$/.test(uuid))
    .map((uuid) => ({ what: 'esp', trace: extendTrace(`ESP ${uuid}`, traceSource(snapshot, `UUID=${uuid}`)) }))
}

/** Arrays, volume groups, caches and pools that are assembled, mounted or not: guests may have what is on them. */
export function findPoolNeeds(snapshot: Snapshot): Need[] {
  const carried = new Set(snapshot.blockDevices.flatMap(({ parents }) => parents))
  const tops = snapshot.blockDevices.filter(({ name, parents }) => parents.length > 0 && !carried.has(name))
  const assembled = tops.map(({ name }) => traceBlock(snapshot, name))
  const { zfs } = snapshot
  return [...assembled, ...(zfs === null ? [] : [traceZfs(snapshot, null)])].map((trace) => ({ what: 'pool', trace }))
}
