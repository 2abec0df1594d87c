import test from 'ava'
import type { Snapshot } from '../../../src/core/snapshot.ts'
import { blockDevice } from '../../boot/snapshots.ts'
import { below, device, disk, machine, made, mapped, mount, nic, route, tell } from './parts.ts'

type Row = { readonly given: Parameters<typeof machine>[0]; readonly told: readonly string[] }

const storage = '0000:00:0e.0 0000:00:17.0 0000:04:00.0 0000:05:00.0 10000:e1:00.0'
const nvme = disk('nvme0n1', '0000:04:00.0', { n: 1 }, { n: 2 }, { n: 3 })
const second = disk('nvme1n1', '0000:05:00.0', { n: 1 })
const sata = disk('sda', '0000:00:17.0', { n: 1 })

const rows: Readonly<Record<string, Row>> = {
  'partitions of one disk': {
    given: {
      blockDevices: nvme,
      mounts: [
        mount('/dev/nvme0n1p3', '/'),
        mount('/dev/nvme0n1p2', '/boot'),
        mount('/dev/nvme0n1p1', '/boot/efi', 'vfat'),
      ],
    },
    told: [
      'root: / < nvme0n1p3 < 0000:04:00.0',
      'boot: /boot < nvme0n1p2 < 0000:04:00.0',
      'esp: /boot/efi < nvme0n1p1 < 0000:04:00.0',
    ],
  },
  'LVM on LUKS, with swap': {
    given: {
      blockDevices: [
        ...nvme,
        mapped('dm-0', 'crypt', ['nvme0n1p3'], 'CRYPT-LUKS2-x'),
        mapped('dm-1', 'vg-root', ['dm-0']),
        mapped('dm-2', 'vg-swap_1', ['dm-0']),
      ],
      mounts: [mount('/dev/mapper/vg-root', '/')],
      swaps: ['/dev/dm-2', '/swap.img'],
    },
    told: ['root: / < dm-1 < dm-0 < nvme0n1p3 < 0000:04:00.0', 'swap: swap < dm-2 < dm-0 < nvme0n1p3 < 0000:04:00.0'],
  },
  'a volume by its own name, hyphens doubled': {
    given: {
      blockDevices: [...sata, mapped('dm-0', 'my--vg-my--lv', ['sda1'])],
      mounts: [mount('/dev/my-vg/my-lv', '/data')],
    },
    told: ['mount: /data < dm-0 < sda1 < 0000:00:17.0'],
  },
  'md RAID over two controllers': {
    given: {
      blockDevices: [...nvme, ...sata, made('md0', ['nvme0n1p3', 'sda1'], { md: { level: 'raid1' } })],
      mounts: [mount('/dev/md0', '/')],
    },
    told: ['root: / < md0 < sda1 < 0000:00:17.0', 'root: / < md0 < nvme0n1p3 < 0000:04:00.0'],
  },
  'a partition of an array': {
    given: {
      blockDevices: [
        ...sata,
        made('md0', ['sda1'], { md: { level: 'raid1' } }),
        blockDevice({ name: 'md0p1', partitionOf: 'md0', path: '/devices/virtual/block/md0/md0p1' }),
      ],
      mounts: [mount('/dev/md0p1', '/')],
    },
    told: ['root: / < md0p1 < sda1 < 0000:00:17.0'],
  },
  'btrfs of two devices, mounted twice, by number only': {
    given: {
      blockDevices: [...nvme, ...second],
      btrfs: [{ uuid: 'u', members: ['nvme0n1p3', 'nvme1n1p1'] }],
      mounts: [mount('/dev/nvme0n1p3', '/', 'btrfs', { device: '0:30' }), mount('/dev/nvme0n1p3', '/home', 'btrfs')],
    },
    told: ['root: / < nvme0n1p3 < 0000:04:00.0', 'root: / < nvme1n1p1 < 0000:05:00.0'],
  },
  'btrfs without /sys/fs/btrfs: udev knows the members': {
    given: {
      blockDevices: [
        ...disk('sda', '0000:00:17.0', { n: 1, fsType: 'btrfs', fsUuid: 'u' }),
        ...disk('nvme0n1', '0000:04:00.0', { n: 1, fsType: 'btrfs', fsUuid: 'u' }),
      ],
      mounts: [mount('/dev/sda1', '/', 'btrfs')],
    },
    told: ['root: / < sda1 < 0000:00:17.0', 'root: / < nvme0n1p1 < 0000:04:00.0'],
  },
  'ZFS root, and a pool that nothing mounts': {
    given: {
      blockDevices: [...nvme, ...second, ...sata],
      zfs: [
        { name: 'rpool', members: ['nvme0n1p3', 'nvme1n1p1'] },
        { name: 'tank', members: ['sda1'] },
      ],
      mounts: [mount('rpool/ROOT/pve-1', '/', 'zfs')],
    },
    told: [
      'root: / < rpool < nvme0n1p3 < 0000:04:00.0',
      'root: / < rpool < nvme1n1p1 < 0000:05:00.0',
      'pool: tank < sda1 < 0000:00:17.0',
    ],
  },
  'a ZFS pool that lies on a volume of its own': {
    given: {
      blockDevices: [made('zd0', []), made('dm-0', ['zd0'])],
      zfs: [{ name: 'tank', members: ['dm-0'] }],
      mounts: [mount('/dev/dm-0', '/data')],
    },
    told: [`cannot tell mount: ${storage}`, `cannot tell pool: ${storage}`],
  },
  'ZFS whose members nobody tells': {
    given: { zfs: 'unknown', mounts: [mount('rpool/ROOT/pve-1', '/', 'zfs')] },
    told: [`cannot tell root: ${storage}`, `cannot tell pool: ${storage}`],
  },
  'a mounted ZFS without its kernel files': {
    given: { zfs: null, mounts: [mount('tank/data', '/data', 'zfs')] },
    told: [`cannot tell mount: ${storage}`],
  },
  'volumes of guests make a pool': {
    given: {
      blockDevices: [
        ...sata,
        mapped('dm-5', 'pve-vm--100--disk--0', ['sda1']),
        mapped('dm-6', 'pve-vm--101', ['sda1']),
      ],
    },
    told: ['pool: dm-5 < sda1 < 0000:00:17.0'],
  },
  'multipath over Fibre Channel': {
    given: {
      blockDevices: [
        blockDevice({ name: 'sdb', path: below('0000:08:00.0', 'host5/rport-5:0-0/target5:0:0/5:0:0:1/block/sdb') }),
        mapped('dm-0', 'mpatha', ['sdb'], 'mpath-x'),
      ],
      mounts: [mount('/dev/mapper/mpatha', '/')],
    },
    told: ['root: / < dm-0 < sdb < 0000:08:00.0', 'fc: / < dm-0 < sdb < 0000:08:00.0'],
  },
  'iSCSI root': {
    given: {
      blockDevices: [
        blockDevice({ name: 'sdb', path: '/devices/platform/host3/session1/target3:0:0/3:0:0:0/block/sdb' }),
      ],
      iscsiSessions: [{ name: 'session1', target: 'iqn.2020-01.org.example:a', address: '198.51.100.9' }],
      mounts: [mount('/dev/sdb', '/')],
      network: [nic('eth1', '0000:07:00.0')],
      routes: [route('eth1 198.51.100.0/24')],
    },
    told: [
      'root: / < sdb < session1 198.51.100.9 < eth1 < 0000:07:00.0',
      'iscsi: / < sdb < session1 198.51.100.9 < eth1 < 0000:07:00.0',
    ],
  },
  'NFS root behind a gateway, NFS home': {
    given: {
      mounts: [
        mount('203.0.113.5:/srv/root', '/', 'nfs', { options: ['rw', 'addr=203.0.113.5'] }),
        mount('nas:/home', '/home', 'nfs4', { options: ['rw', 'addr=198.51.100.3'] }),
      ],
      network: [nic('eth0', '0000:06:00.0'), nic('eth1', '0000:07:00.0')],
      routes: [route('eth0 203.0.113.0/24 via'), route('eth1 198.51.100.0/24')],
    },
    told: [
      'root: / < 203.0.113.5:/srv/root < eth0 < 0000:06:00.0',
      'nfs: / < 203.0.113.5:/srv/root < eth0 < 0000:06:00.0',
      'nfs: /home < nas:/home < eth1 < 0000:07:00.0',
    ],
  },
  'a VMD controller has its disk with it': {
    given: { blockDevices: disk('nvme0n1', '10000:e1:00.0', { n: 1 }), mounts: [mount('/dev/nvme0n1p1', '/')] },
    told: ['root: / < nvme0n1p1 < 10000:e1:00.0 < 0000:00:0e.0', 'root: / < nvme0n1p1 < 10000:e1:00.0'],
  },
  'NVMe with two paths': {
    given: {
      blockDevices: [
        blockDevice({ name: 'nvme0n1', path: '/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1' }),
        blockDevice({ name: 'nvme0c0n1', path: below('0000:04:00.0', 'nvme/nvme0/nvme0c0n1') }),
        blockDevice({ name: 'nvme0c1n1', path: below('0000:05:00.0', 'nvme/nvme1/nvme0c1n1') }),
      ],
      mounts: [mount('/dev/nvme0n1', '/')],
    },
    told: ['root: / < nvme0n1 < nvme0c0n1 < 0000:04:00.0', 'root: / < nvme0n1 < nvme0c1n1 < 0000:05:00.0'],
  },
  '/dev/root by its number, else by root=': {
    given: {
      blockDevices: disk('sda', '0000:00:17.0', { n: 1, number: '8:1' }, { n: 2, partUuid: 'abc-02' }),
      commandLine: 'quiet root=PARTUUID=ABC-02 ro',
      mounts: [
        mount('rootfs', '/', 'rootfs'),
        mount('/dev/root', '/'),
        mount('/dev/root', '/old', 'ext4', { device: '8:1' }),
      ],
    },
    told: ['root: / < sda2 < 0000:00:17.0', 'mount: /old < sda1 < 0000:00:17.0'],
  },
  'fstab: what the next boot waits for': {
    given: {
      blockDevices: disk(
        'sda',
        '0000:00:17.0',
        { n: 1, fsUuid: '4C1A-9F02' },
        { n: 2, fsUuid: 'data' },
        { n: 3, fsUuid: 'usb' },
      ),
      mounts: [mount('systemd-1', '/boot/efi', 'autofs')],
      files: {
        '/etc/fstab': [
          '# a comment',
          'UUID=4c1a-9f02 /boot/efi vfat umask=0077 0 1',
          'UUID=data /data ext4 defaults 0 2',
          'UUID=usb /media/usb ext4 noauto 0 0',
          'UUID=gone /media/gone ext4 nofail 0 0',
          'tmpfs /tmp tmpfs defaults 0 0',
        ].join('\n'),
      },
    },
    told: ['esp: /boot/efi (fstab) < sda1 < 0000:00:17.0', 'mount: /data (fstab) < sda2 < 0000:00:17.0'],
  },
  'ESPs of proxmox-boot-tool': {
    given: {
      blockDevices: disk('sda', '0000:00:17.0', { n: 2, fsUuid: 'AAAA-0001' }),
      files: { '/etc/kernel/proxmox-boot-uuids': 'AAAA-0001\nBBBB-0002\n' },
    },
    told: ['esp: ESP AAAA-0001 < sda2 < 0000:00:17.0', `cannot tell esp: ${storage}`],
  },
  'memory and files are nothing': {
    given: {
      blockDevices: ['zram0', 'loop3'].map((name) => made(name, [])),
      swaps: ['/dev/zram0'],
      mounts: [
        mount('/dev/loop3', '/snap/x/1', 'squashfs'),
        mount('tmpfs', '/run', 'tmpfs'),
        mount('proc', '/proc', 'proc'),
      ],
    },
    told: [],
  },
  'DRBD and a live system do not say': {
    given: {
      blockDevices: [made('drbd0', [])],
      mounts: [mount('/dev/drbd0', '/data'), mount('overlay', '/', 'overlay')],
    },
    told: [`cannot tell mount: ${storage}`, `cannot tell root: ${storage}`],
  },
  'a disk on another machine': {
    given: {
      blockDevices: [made('rbd0', [])],
      mounts: [mount('/dev/rbd0', '/data')],
      network: [nic('eth0', '0000:06:00.0'), device('wg0')],
    },
    told: ['cannot tell mount: 0000:06:00.0 0000:07:00.0 0000:09:00.0 0000:09:10.0'],
  },
  'a mount of what sysfs lacks': {
    given: { mounts: [mount('/dev/nvme9n1p1', '/')] },
    told: [`cannot tell root: ${storage}`],
  },
  'a link that cannot be read, and a ring': {
    given: {
      blockDevices: [blockDevice({ name: 'sda' }), made('dm-0', ['dm-1']), made('dm-1', ['dm-0'])],
      mounts: [mount('/dev/sda', '/'), mount('/dev/dm-0', '/data')],
    },
    told: [`cannot tell root: ${storage}`, `cannot tell mount: ${storage}`],
  },
  'a disk that is not on PCI': {
    given: {
      blockDevices: [blockDevice({ name: 'mmcblk0', path: '/devices/platform/soc/mmc0/mmc0:0001/block/mmcblk0' })],
      mounts: [mount('/dev/mmcblk0', '/')],
    },
    told: [],
  },
}

for (const [name, { given, told }] of Object.entries(rows)) {
  test(name, (t) => {
    const host: Snapshot = machine(given)
    t.deepEqual(tell(host).toSorted(), [...told].toSorted())
  })
}
