import type { BlockDevice } from '../../core/host-hardware.ts'
import type { Snapshot } from '../../core/snapshot.ts'

/** Device numbers with major 0 are made up for file systems without a device of their own (btrfs, tmpfs). */
export function findByNumber(snapshot: Snapshot, number: string | undefined): BlockDevice | undefined {
  if (number === undefined || number.startsWith('0:')) return undefined
  return snapshot.blockDevices.find((device) => device.number === number)
}

/** A block device as /proc/mounts, /proc/swaps, fstab(5) or `root=` name it. */
export function findBySource(snapshot: Snapshot, source: string): BlockDevice | undefined {
  const tag = /^(?:(PARTUUID|UUID|LABEL)=|\/dev\/disk\/by-(partuuid|uuid|label)\/)"?([^"]*)"?$/.exec(source)
  if (tag) return findByTag(snapshot, (tag[1] ?? tag[2] ?? '').toLowerCase(), tag[3] ?? '')
  if (!source.startsWith('/dev/')) return undefined
  const name = source.slice('/dev/'.length)
  const mapped = name.startsWith('mapper/') ? name.slice('mapper/'.length) : formatMapped(name)
  // sysfs writes `!` where a device name has a slash (/dev/cciss/c0d0).
  const kernelName = name.replaceAll('/', '!')
  return snapshot.blockDevices.find(({ name: own, dm }) => own === kernelName || (dm !== null && dm.name === mapped))
}

/** /dev/VG/LV is VG-LV in /dev/mapper, with the hyphens of both doubled (lvm2 libdm/libdm-string.c). */
function formatMapped(name: string): string | undefined {
  const parts = name.split('/')
  return parts.length === 2 ? parts.map((part) => part.replaceAll('-', '--')).join('-') : undefined
}

/** Members of an array may carry the UUID of the file system too: the array itself is meant. */
function findByTag(snapshot: Snapshot, tag: string, value: string): BlockDevice | undefined {
  const wanted = value.toLowerCase()
  const found = snapshot.blockDevices.filter((device) => {
    if (tag === 'partuuid') return device.partUuid?.toLowerCase() === wanted
    return tag === 'uuid' ? device.fsUuid?.toLowerCase() === wanted : device.fsLabel === value
  })
  return found.find(({ fsType }) => fsType?.endsWith('_member') !== true) ?? found[0]
}
