import type { Snapshot } from '../core/snapshot.ts'
import { quoteWord } from './next-commands.ts'

/** Where a host keeps what its way back needs. */
export type RescuePlaces = {
  readonly stateDirectory: string
  /** What is mounted at /; null where that is no device. */
  readonly rootDevice: string | null
  /** File systems of their own that a rollback writes to or runs from, in the order in which they are mounted. */
  readonly mounts: readonly { readonly device: string; readonly target: string }[]
}

export function findRescuePlaces({ mounts, stateDirectory }: Snapshot): RescuePlaces {
  const last = new Map(mounts.map((mount) => [mount.target, mount]))
  const device = (target: string): string | null => {
    const source = last.get(target)?.source ?? ''
    return source.startsWith('/dev/') ? source : null
  }
  return {
    stateDirectory,
    rootDevice: device('/'),
    mounts: ['/usr', '/var', '/boot', '/boot/efi'].flatMap((target) => {
      const found = device(target)
      return found === null ? [] : [{ device: found, target }]
    }),
  }
}

/**
 * The way back for a person at the console of a host that does not answer: shown before a reboot, and kept in the
 * record on the host and in the controller\u2019s copy. `trial`: the loader boots the old configuration by itself again.
 */
export function rescueLines(record: string, places: RescuePlaces, { trial }: { readonly trial: boolean }): string[] {
  const agent = quoteWord(`${places.stateDirectory}/agent.sh`)
  const rollback = `sh ${agent} rollback ${record}`
  const menu = `in the loader\u2019s menu choose "passway: before ${record}"`
  return [
    trial ? `switch it off and on: its loader tries the trial once only; or ${menu}` : menu,
    `then, as root: ${rollback}`,
    `from the shell of its initramfs: ${initramfsLine(places, rollback)}`,
    `from a rescue system: ${mountLine(places, '/mnt')}; sh /mnt${agent} rollback ${record} --root /mnt`,
  ]
}

/** The host\u2019s own tools run in its own root; initramfs-tools mounts that at /root. */
function initramfsLine({ rootDevice, mounts }: RescuePlaces, rollback: string): string {
  return [
    `mount -o remount,rw /root || mount -o rw ${nameDevice(rootDevice)} /root`,
    'for d in dev proc sys; do mount -o bind /$d /root/$d; done',
    ...mounts.map(({ target }) => `chroot /root mount ${target}`),
    `chroot /root ${rollback}`,
  ].join('; ')
}

function mountLine({ rootDevice, mounts }: RescuePlaces, at: string): string {
  return [
    `mount ${nameDevice(rootDevice)} ${at}`,
    ...mounts.map(({ device, target }) => `mount ${quoteWord(device)} ${at}${target}`),
  ].join('; ')
}

function nameDevice(device: string | null): string {
  return device === null ? 'ITS-ROOT-DEVICE' : quoteWord(device)
}
