import test from 'ava'
import { findRescuePlaces, rescueLines } from '../../src/commands/rescue-lines.ts'
import type { BlockDevice } from '../../src/core/host-hardware.ts'
import type { Mount, Snapshot } from '../../src/core/snapshot.ts'

function device(name: string, rest: Partial<BlockDevice> = {}): BlockDevice {
  const none = { path: null, number: null, partitionOf: null, dm: null, md: null, serial: null, fsType: null }
  return { ...none, name, parents: [], size: 0, fsLabel: null, fsUuid: null, partUuid: null, ...rest }
}

function mount(source: string, target: string, type: string, options: readonly string[] = []): Mount {
  return { source, target, type, options }
}

function linesOf(mounts: readonly Mount[], blockDevices: readonly BlockDevice[] = []): Record<string, string> {
  const places = findRescuePlaces({ mounts, blockDevices, stateDirectory: '/var/lib/passway' } as unknown as Snapshot)
  const lines = rescueLines('ID', places, { trial: false })
  return Object.fromEntries(lines.map((line) => [/^(.*?)[:,]/.exec(line)?.[1] ?? '', line.replace(/^.*?: /, '')]))
}

const agent = 'sh /mnt/var/lib/passway/agent.sh rollback ID --root /mnt'

test('one disk', (t) => {
  const lines = linesOf([mount('/dev/vda2', '/', 'ext4'), mount('/dev/vda1', '/boot/efi', 'vfat')])
  t.is(lines['from a rescue system'], `mount -t ext4 /dev/vda2 /mnt; mount -t vfat /dev/vda1 /mnt/boot/efi; ${agent}`)
  t.is(
    lines['from the shell of its initramfs'],
    'mount -o remount,rw /dev/vda2 /root || mount -t ext4 /dev/vda2 /root; ' +
      'for d in dev proc sys; do mount -o bind /$d /root/$d; done; chroot /root mount /boot/efi; ' +
      'chroot /root sh /var/lib/passway/agent.sh rollback ID',
  )
})

test('a subvolume of btrfs, not the top of the device', (t) => {
  const lines = linesOf([mount('/dev/sda2', '/', 'btrfs', ['rw', 'subvolid=256', 'subvol=/@rootfs'])])
  t.is(lines['from a rescue system'], `mount -t btrfs -o subvol=/@rootfs /dev/sda2 /mnt; ${agent}`)
  const top = linesOf([mount('/dev/sda2', '/', 'btrfs', ['rw', 'subvol=/'])])
  t.is(top['from a rescue system'], `mount -t btrfs /dev/sda2 /mnt; ${agent}`)
})

test('volumes in an encrypted array are made available from the bottom, once', (t) => {
  const devices = [
    device('sda1', { partitionOf: 'sda' }),
    device('md0', { parents: ['sda1'], md: { level: 'raid1' } }),
    device('dm-0', { parents: ['md0'], dm: { name: 'md0_crypt', uuid: 'CRYPT-LUKS2-x' } }),
    device('dm-1', { parents: ['dm-0'], number: '254:1', dm: { name: 'vg-root', uuid: 'LVM-x' } }),
    device('dm-2', { parents: ['dm-0'], dm: { name: 'vg-var', uuid: 'LVM-y' } }),
  ]
  const mounts = [mount('/dev/mapper/vg-root', '/', 'ext4'), mount('/dev/mapper/vg-var', '/var', 'ext4')]
  t.is(
    linesOf(mounts, devices)['from a rescue system'],
    `mdadm --assemble --scan; cryptsetup open /dev/md0 md0_crypt; vgchange -ay; mount -t ext4 /dev/mapper/vg-root /mnt; ` +
      `mount -t ext4 /dev/mapper/vg-var /mnt/var; ${agent}`,
  )
})

test('a root that is no device has to be named by whoever stands there', (t) => {
  const lines = linesOf([mount('rpool/ROOT', '/', 'zfs'), mount('/dev/sda1', '/boot/efi', 'vfat')])
  t.is(lines['from a rescue system'], `mount ITS-ROOT-DEVICE /mnt; mount -t vfat /dev/sda1 /mnt/boot/efi; ${agent}`)
})
