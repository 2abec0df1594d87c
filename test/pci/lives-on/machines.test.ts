import test from 'ava'
import { pciFunction } from '../../boot/snapshots.ts'
import { below, device, disk, machine, mapped, mount, nic, route, tell } from './parts.ts'

test('an emulated PC: virtio disk, two cards of one id, serial console', (t) => {
  const root = '/devices/pci0000:00/0000:00:02.0/virtio0/block/vda'
  const host = machine({
    pci: [
      { address: '0000:00:01.0', class: '030000', vendor: '1234', device: '1111', bootVga: true },
      { address: '0000:00:02.0', class: '010000', vendor: '1af4', device: '1042' },
      { address: '0000:00:03.0', class: '020000' },
      { address: '0000:00:05.0', class: '060400', headerType: 1 },
      { address: '0000:02:00.0', class: '020000' },
      { address: '0000:01:00.0', class: '0c0330' },
      { address: '0000:00:1f.2', class: '010601' },
    ].map((given) => pciFunction(given)),
    blockDevices: disk('vda', '0000:00:02.0', { n: 1, number: '254:1' }, { n: 15 }).map((each) => ({
      ...each,
      path: each.partitionOf === null ? root : `${root}/${each.name}`,
    })),
    mounts: [mount('/dev/vda1', '/', 'ext4', { device: '254:1' }), mount('/dev/vda15', '/boot/efi', 'vfat')],
    sshConnection: '10.0.2.2 41234 10.0.2.15 22',
    network: [nic('enp0s3', '0000:00:03.0'), nic('enp2s0', '0000:02:00.0', { up: false }), device('lo')],
    routes: [route('enp0s3 default'), route('enp0s3 10.0.2.0/24'), route('enp0s3 10.0.2.2/32')],
    consoles: ['ttyS0', 'tty0'],
    inputs: [{ name: 'AT keyboard', path: '/devices/platform/i8042/serio0/input/input0', isKeyboard: true }],
  })
  t.deepEqual(tell(host), [
    'root: / < vda1 < 0000:00:02.0',
    'esp: /boot/efi < vda15 < 0000:00:02.0',
    'session-nic: ssh from 10.0.2.2 < enp0s3 < 0000:00:03.0',
    'default-route: default route < enp0s3 < 0000:00:03.0',
  ])
})

test('a hypervisor: mirrored ZFS, bonded bridge, management controller, a guest with a card', (t) => {
  const functions = [
    { address: '0000:03:00.0', class: '030000', vendor: '1a03', device: '2000', bootVga: true },
    { address: '0000:04:00.0', class: '010802', iommuGroup: 20 },
    { address: '0000:05:00.0', class: '010802', iommuGroup: 21 },
    { address: '0000:06:00.0', class: '020000' },
    { address: '0000:07:00.0', class: '020000' },
    { address: '0000:01:00.0', class: '030000', driver: 'vfio-pci', iommuGroup: 16 },
    { address: '0000:01:00.1', class: '040300', driver: 'vfio-pci', iommuGroup: 16 },
    { address: '0000:00:17.0', class: '010601' },
  ].map((given) => pciFunction(given))
  const host = machine({
    pci: functions,
    blockDevices: [
      ...disk('nvme0n1', '0000:04:00.0', { n: 2, fsUuid: 'AAAA-0001' }, { n: 3, fsType: 'zfs_member' }),
      ...disk('nvme1n1', '0000:05:00.0', { n: 2, fsUuid: 'AAAA-0002' }, { n: 3, fsType: 'zfs_member' }),
      ...disk('sda', '0000:00:17.0', { n: 1 }),
      mapped('dm-0', 'data-vm--101--disk--0', ['sda1']),
    ],
    zfs: [{ name: 'rpool', members: ['nvme0n1p3', 'nvme1n1p3'] }],
    mounts: [mount('rpool/ROOT/pve-1', '/', 'zfs'), mount('rpool/data', '/rpool/data', 'zfs')],
    files: { '/etc/kernel/proxmox-boot-uuids': 'AAAA-0001\nAAAA-0002\n' },
    sshConnection: '192.0.2.7 50022 192.0.2.10 22',
    network: [
      nic('eno1', '0000:06:00.0', { master: 'bond0' }),
      nic('eno2', '0000:07:00.0', { master: 'bond0' }),
      device('bond0', { kind: 'bond', lowers: ['eno1', 'eno2'], master: 'vmbr0' }),
      device('vmbr0', { kind: 'bridge', lowers: ['bond0', 'tap101i0'] }),
      device('tap101i0', { master: 'vmbr0' }),
    ],
    routes: [route('vmbr0 192.0.2.0/24'), route('vmbr0 default')],
    consoles: ['tty0'],
    ipmi: true,
    watchdogs: [{ name: 'watchdog0', path: below('0000:00:17.0', 'x/watchdog/watchdog0'), state: 'active' }],
    vfioHolders: [{ group: 16, address: null, pid: 812, command: 'qemu-system-x86' }],
  })
  t.deepEqual(tell(host), [
    'root: / < rpool < nvme0n1p3 < 0000:04:00.0',
    'root: / < rpool < nvme1n1p3 < 0000:05:00.0',
    'esp: ESP AAAA-0001 < nvme0n1p2 < 0000:04:00.0',
    'esp: ESP AAAA-0002 < nvme1n1p2 < 0000:05:00.0',
    'pool: dm-0 < sda1 < 0000:00:17.0',
    'session-nic: ssh from 192.0.2.7 < vmbr0 < bond0 < eno1 < 0000:06:00.0',
    'session-nic: ssh from 192.0.2.7 < vmbr0 < bond0 < eno2 < 0000:07:00.0',
    'default-route: default route < vmbr0 < bond0 < eno1 < 0000:06:00.0',
    'default-route: default route < vmbr0 < bond0 < eno2 < 0000:07:00.0',
    'bmc-vga: management controller < 0000:03:00.0',
    'watchdog: watchdog0 < 0000:00:17.0',
    'guest: qemu-system-x86 (pid 812) < /dev/vfio/16 < 0000:01:00.0',
    'guest: qemu-system-x86 (pid 812) < /dev/vfio/16 < 0000:01:00.1',
  ])
})
