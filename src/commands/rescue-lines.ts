import type { BlockDevice } from '../core/host-hardware.ts'
import type { Mount, Snapshot } from '../core/snapshot.ts'
import { quoteWord } from './next-commands.ts'

/** Where a host keeps what its way back needs. */
export type RescuePlaces = {
  readonly stateDirectory: string
  /** What is mounted at /; null where that is no device. */
  readonly root: RescueMount | null
  /** File systems of their own that a rollback writes to or runs from, in the order in which they are mounted. */
  readonly mounts: readonly RescueMount[]
  /** What another system runs before their devices are there, in order. */
  readonly unlocking: readonly string[]
}

type RescueMount = {
  readonly device: string
  readonly target: string
  readonly type: string
  /** Of btrfs, `/@rootfs`; null where the device’s own top is mounted. */
  readonly subvolume: string | null
}

export function findRescuePlaces({ mounts, stateDirectory, blockDevices }: Snapshot): RescuePlaces {
  const last = new Map(mounts.map((mount) => [mount.target, mount]))
  const found = ['/', '/usr', '/var', '/boot', '/boot/efi'].flatMap((target) => last.get(target) ?? [])
  const onDevices = found.filter(({ source }) => source.startsWith('/dev/'))
  const places = onDevices.map(toRescueMount)
  return {
    stateDirectory,
    root: places.find(({ target }) => target === '/') ?? null,
    mounts: places.filter(({ target }) => target !== '/'),
    unlocking: [...new Set(onDevices.flatMap((mount) => listUnlocking(findDevice(mount, blockDevices), blockDevices)))],
  }
}

function toRescueMount({ source, target, type, options }: Mount): RescueMount {
  const subvolume = options.find((option) => option.startsWith('subvol='))?.slice('subvol='.length) ?? null
  return { device: source, target, type, subvolume: subvolume === '/' ? null : subvolume }
}

function findDevice({ source, device }: Mount, all: readonly BlockDevice[]): BlockDevice | undefined {
  return all.find(
    ({ number, name, dm }) =>
      (number !== null && number === device) || source === `/dev/${name}` || source === `/dev/mapper/${dm?.name}`,
  )
}

/** Arrays, encrypted devices and volume groups below a device, lowest first. `dm` has UUIDs like `LVM-…` and `CRYPT-LUKS2-…`. */
function listUnlocking(device: BlockDevice | undefined, all: readonly BlockDevice[]): string[] {
  if (device === undefined) return []
  const names = [...device.parents, ...(device.partitionOf === null ? [] : [device.partitionOf])]
  const below = names.flatMap((name) =>
    listUnlocking(
      all.find((each) => each.name === name),
      all,
    ),
  )
  if (device.md !== null) return [...below, 'mdadm --assemble --scan']
  if (device.dm?.uuid.startsWith('LVM-') === true) return [...below, 'vgchange -ay']
  const [parent] = device.parents
  if (device.dm?.uuid.startsWith('CRYPT-') !== true || parent === undefined) return below
  return [...below, `cryptsetup open ${quoteWord(`/dev/${parent}`)} ${quoteWord(device.dm.name)}`]
}

/**
 * The way back for a person at the console of a host that does not answer: shown before a reboot, and kept in the
 * record on the host and in the controller’s copy. `trial`: the loader boots the old configuration by itself again.
 */
export function rescueLines(record: string, places: RescuePlaces, { trial }: { readonly trial: boolean }): string[] {
  const agent = quoteWord(`${places.stateDirectory}/agent.sh`)
  const rollback = `sh ${agent} rollback ${record}`
  const menu = `in the loader’s menu choose "passway: before ${record}"`
  return [
    trial ? `switch it off and on: its loader tries the trial once only; or ${menu}` : menu,
    `then, as root: ${rollback}`,
    `from the shell of its initramfs: ${initramfsLine(places, rollback)}`,
    `from a rescue system: ${rescueLine(places)}; sh /mnt${agent} rollback ${record} --root /mnt`,
  ]
}

/**
 * The host’s own tools run in its own root; initramfs-tools mounts that at /root. Its mount may be that of klibc, which
 * wants device and type (usr/utils/mount.c).
 */
function initramfsLine({ root, mounts }: RescuePlaces, rollback: string): string {
  return [
    `mount -o remount,rw ${root === null ? 'ITS-ROOT-DEVICE' : quoteWord(root.device)} /root || ${mountLine(root, '/root')}`,
    'for d in dev proc sys; do mount -o bind /$d /root/$d; done',
    ...mounts.map(({ target }) => `chroot /root mount ${target}`),
    `chroot /root ${rollback}`,
  ].join('; ')
}

function rescueLine({ root, mounts, unlocking }: RescuePlaces): string {
  return [
    ...unlocking,
    mountLine(root, '/mnt'),
    ...mounts.map((mount) => mountLine(mount, `/mnt${mount.target}`)),
  ].join('; ')
}

function mountLine(mount: RescueMount | null, at: string): string {
  if (mount === null) return `mount ITS-ROOT-DEVICE ${at}`
  const options = mount.subvolume === null ? '' : `-o ${quoteWord(`subvol=${mount.subvolume}`)} `
  return `mount -t ${quoteWord(mount.type)} ${options}${quoteWord(mount.device)} ${at}`
}
