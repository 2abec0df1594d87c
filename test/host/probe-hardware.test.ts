import test from 'ava'
import { findLivesOn } from '../../src/pci/lives-on/find-lives-on.ts'
import { hardwareTree, textFiles } from '../host-trees/hardware-tree.ts'
import { demoTree, makeTree, snapshotOf } from '../host-trees/open-tree.ts'
import { pciTree } from '../host-trees/pci-tree.ts'

const port = '/devices/pci0000:00/0000:00:01.0'
const nvme = `${port}/0000:01:00.0/nvme/nvme0`
const network = '/devices/pci0000:00/0000:00:19.0/net/eno1'

const functions = pciTree([
  { address: '0000:00:01.0', class: '060400', id: '8086:1901', driver: 'pcieport', group: 1, msi: true },
  {
    address: '0000:01:00.0',
    class: '010802',
    id: '144d:a808',
    driver: 'nvme',
    parent: '0000:00:01.0',
    group: 1,
    link: '8.0 GT/s PCIe x2, 8.0 GT/s PCIe x4',
    resetMethods: 'flr bus',
    msi: true,
  },
  { address: '0000:00:02.0', class: '030000', id: '8086:5912', driver: 'i915', group: 2, bootVga: true },
  {
    address: '0000:00:14.0',
    class: '0c0330',
    id: '8086:a36d',
    driver: 'xhci_hcd',
    group: 3,
    reservedRegions: ['0x000000008f7c3000 0x000000008f7e2fff direct'],
  },
  { address: '0000:00:14.2', class: '050000', id: '8086:a36f', group: 3, revision: '10' },
  { address: '0000:00:19.0', class: '020000', id: '8086:15bc', driver: 'e1000e', group: 4 },
  { address: '0000:00:1f.0', class: '068000', id: '10de:1af1', headerType: 0, group: 5 },
])

const classes = hardwareTree([
  { class: 'nvme', name: 'nvme0', path: nvme, attributes: { serial: 'S4EVNF0M123456      ' } },
  { class: 'block', name: 'nvme0n1', path: `${nvme}/nvme0n1`, attributes: { dev: '259:0', size: '1000215216' } },
  {
    class: 'block',
    name: 'nvme0n1p3',
    path: `${nvme}/nvme0n1/nvme0n1p3`,
    attributes: { dev: '259:3', size: '2048', partition: '3' },
  },
  {
    class: 'block',
    name: 'dm-0',
    path: '/devices/virtual/block/dm-0',
    attributes: { dev: '254:0', 'dm/name': 'vg-root', 'dm/uuid': 'LVM-abc' },
    links: { 'slaves/nvme0n1p3': 'nvme0n1p3' },
  },
  {
    class: 'block',
    name: 'md127',
    path: '/devices/virtual/block/md127',
    attributes: { dev: '9:127', 'md/level': 'raid1' },
  },
  {
    class: 'net',
    name: 'eno1',
    path: network,
    attributes: { operstate: 'up', uevent: 'INTERFACE=eno1\nIFINDEX=2' },
    links: { master: 'br0' },
  },
  {
    class: 'net',
    name: 'br0',
    path: '/devices/virtual/net/br0',
    attributes: { operstate: 'up', uevent: 'DEVTYPE=bridge\nINTERFACE=br0' },
    links: { lower_eno1: 'eno1' },
  },
  { class: 'net', name: 'lo', path: '/devices/virtual/net/lo', attributes: { operstate: 'unknown' } },
  {
    class: 'drm',
    name: 'card0-HDMI-A-1',
    path: '/devices/pci0000:00/0000:00:02.0/drm/card0/card0-HDMI-A-1',
    attributes: { status: 'connected' },
  },
  { class: 'iommu', name: 'dmar0', path: '/devices/virtual/iommu/dmar0' },
  {
    class: 'watchdog',
    name: 'watchdog0',
    path: '/devices/pci0000:00/0000:00:1f.0/iTCO_wdt/watchdog/watchdog0',
    attributes: { state: 'inactive' },
  },
  { class: 'fc_host', name: 'host5', path: '/devices/pci0000:00/0000:00:1f.0/host5/fc_host/host5' },
  {
    class: 'iscsi_session',
    name: 'session1',
    path: '/devices/platform/host3/session1/iscsi_session/session1',
    attributes: { targetname: 'iqn.2020-01.org.example:a' },
  },
  {
    class: 'iscsi_connection',
    name: 'connection1:0',
    path: '/devices/platform/host3/session1/connection1:0/iscsi_connection/connection1:0',
    attributes: { persistent_address: '198.51.100.9' },
  },
])

const files = textFiles({
  '/proc/self/status': 'Name:\tgrep\nUid:\t0\t0\t0\t0\n',
  '/proc/mounts': '/dev/mapper/vg-root / ext4 rw,relatime 0 0\ntmpfs /run tmpfs rw 0 0\n',
  '/proc/self/mountinfo': [
    '21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/mapper/vg-root rw',
    '22 21 0:19 / /run rw - tmpfs tmpfs rw\n',
  ].join('\n'),
  '/proc/swaps': `Filename\t\t\t\tType\t\tSize\n/dev/dm-0                               partition\t1\n/swap\\040file   file\t1\n`,
  '/proc/consoles': 'tty0                 -WU (EC p  )    4:7\nttyS0                -W- (E  p a)    4:64\n',
  '/proc/bus/input/devices': `I: Bus=0019 Vendor=0000 Product=0001 Version=0000
N: Name="Power Button"
P: Phys=PNP0C0C/button/input0
S: Sysfs=/devices/LNXSYSTM:00/LNXPWRBN:00/input/input0
H: Handlers=kbd event0
B: EV=3
B: KEY=8000 10000000000000 0

I: Bus=0003 Vendor=046d Product=c31c Version=0110
N: Name="Logitech USB Keyboard"
P: Phys=usb-0000:00:14.0-2/input0
S: Sysfs=/devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/0003:046D:C31C.0001/input/input3
H: Handlers=sysrq kbd event3 leds
B: EV=120013
B: KEY=1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe

`,
  '/proc/net/route': `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
br0\t00000000\t010200C0\t0003\t0\t0\t425\t00000000\t0\t0\t0
br0\t000200C0\t00000000\t0001\t0\t0\t425\t00FFFFFF\t0\t0\t0
eno1\t0000FEA9\t00000000\t0201\t0\t0\t0\t0000FFFF\t0\t0\t0
`,
  '/proc/net/if_inet6': '20010db8000000010000000000000010 03 40 00 80      br0\n',
  '/proc/net/ipv6_route': [
    '20010db8000000010000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001      br0',
    '00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n',
  ].join('\n'),
  '/proc/interrupts':
    '            CPU0\n   8:          0  IR-IO-APIC    8-edge      rtc0\n  40:  1  IR-PCI-MSI-0000:01:00.0   0-edge  nvme\n',
  '/run/udev/data/b259:3':
    'S:disk/by-id/x\nE:ID_FS_TYPE=LVM2_member\nE:ID_FS_UUID=abc-def\nE:ID_PART_ENTRY_UUID=11-22\nE:ID_BUS=nvme\n',
  '/var/log/dmesg': [
    '[    0.000000] Linux version 6.1.0-32-amd64',
    '[    0.102938] DMAR-IR: Enabled IRQ remapping in x2apic mode',
    '[    0.202938] usb 1-2: new device',
    "[    1.302938] vfio-pci 0000:01:00.0: BAR 3: can't reserve [mem 0x60000000-0x61ffffff 64bit pref]\n",
  ].join('\n'),
  '/usr/share/misc/pci.ids': [
    '# a comment',
    '1022  Advanced Micro Devices, Inc. [AMD]',
    '\ta808  Of another vendor',
    '144d  Samsung Electronics Co Ltd',
    '\ta800  XP941 PCIe SSD',
    '\ta808  NVMe SSD Controller SM981/PM981/PM983',
    '\t\t144d a801  SSD 970 EVO',
    '8086  Intel Corporation',
    '\t1901  6th-10th Gen Core Processor PCIe Controller (x16)',
    'C 03  Display controller',
    '\t00  VGA compatible controller\n',
  ].join('\n'),
  '/lib/modules/6.1.0-32-amd64/modules.dep': 'kernel/a.ko:\n',
  '/lib/modules/6.1.0-32-amd64/modules.alias': 'alias pci:v0000144Dd0000A808sv*sd*bc*sc*i* nvme\n',
  '/lib/modules/6.1.0-32-amd64/modules.softdep': '# Soft dependencies\nsoftdep nvme pre: crc_t10dif\n',
})

const tree = [...functions, ...classes, ...files]

for (const shell of [['dash'], ['bash'], ['busybox', 'sh']]) {
  test(`hardware of a tree under ${shell.join(' ')}`, async (t) => {
    const host = await snapshotOf(makeTree(t, tree), {}, { shell })
    t.like(
      host.pci.find(({ address }) => address === '0000:01:00.0'),
      {
        headerType: 0,
        multifunction: false,
        link: { currentSpeed: '8.0 GT/s PCIe', maxSpeed: '8.0 GT/s PCIe', currentWidth: 2, maxWidth: 4 },
        hasReset: true,
        msi: true,
        path: ['pci0000:00', '0000:00:01.0'],
        serial: 'S4EVNF0M123456',
      },
    )
    t.deepEqual(
      host.pci.map(({ address, headerType, multifunction, hasReset, revision, link }) => {
        return [address, headerType, multifunction, hasReset, revision, link === null].join(' ')
      }),
      [
        '0000:00:01.0 1 false false 00 true',
        '0000:00:02.0 0 false false 00 true',
        '0000:00:14.0 0 true false 00 true',
        '0000:00:14.2 0 true false 10 true',
        '0000:00:19.0 0 false false 00 true',
        '0000:00:1f.0 0 false false 00 true',
        '0000:01:00.0 0 false true 00 false',
      ],
    )
    t.deepEqual(host.iommuGroups[2], {
      id: 3,
      type: 'DMA-FQ',
      reservedRegions: [
        { start: '0x000000008f7c3000', end: '0x000000008f7e2fff', type: 'direct' },
        { start: '0x00000000fee00000', end: '0x00000000feefffff', type: 'msi' },
      ],
    })
    t.deepEqual(host.iommus, ['dmar0'])
    t.deepEqual(
      [...host.pciNames],
      [
        ['144d', 'Samsung Electronics Co Ltd'],
        ['144d:a808', 'NVMe SSD Controller SM981/PM981/PM983'],
        ['8086', 'Intel Corporation'],
        ['8086:1901', '6th-10th Gen Core Processor PCIe Controller (x16)'],
      ],
    )
    t.deepEqual(
      host.blockDevices.map(({ name, number, parents, partitionOf }) => [name, number, parents, partitionOf]),
      [
        ['dm-0', '254:0', ['nvme0n1p3'], null],
        ['md127', '9:127', [], null],
        ['nvme0n1', '259:0', [], null],
        ['nvme0n1p3', '259:3', [], 'nvme0n1'],
      ],
    )
    t.like(host.blockDevices[0], { dm: { name: 'vg-root', uuid: 'LVM-abc' }, path: '/devices/virtual/block/dm-0' })
    t.like(host.blockDevices[1], { md: { level: 'raid1' } })
    t.like(host.blockDevices[2], { size: 1_000_215_216 * 512, serial: 'S4EVNF0M123456', fsType: null })
    t.like(host.blockDevices[3], { fsType: 'LVM2_member', fsUuid: 'abc-def', partUuid: '11-22', fsLabel: null })
    t.deepEqual(
      host.mounts.map(({ target, device }) => [target, device]),
      [
        ['/', '254:0'],
        ['/run', '0:19'],
      ],
    )
    t.deepEqual(host.swaps, ['/dev/dm-0', '/swap file'])
    t.deepEqual(
      host.network.map(({ name, kind, master, lowers, up }) => [name, kind, master, lowers, up]),
      [
        ['br0', 'bridge', null, ['eno1'], true],
        ['eno1', 'physical', 'br0', [], true],
        ['lo', 'loopback', null, [], true],
      ],
    )
    t.deepEqual(host.network[0]?.addresses, ['2001:0db8:0000:0001:0000:0000:0000:0010'])
    t.deepEqual(host.routes, [
      { interface: 'br0', destination: '00000000', prefix: 0, gateway: true, metric: 425 },
      { interface: 'br0', destination: 'c0000200', prefix: 24, gateway: false, metric: 425 },
      { interface: 'br0', destination: '20010db8000000010000000000000000', prefix: 64, gateway: false, metric: 256 },
    ])
    t.deepEqual(host.displays, [{ address: '0000:00:02.0', connector: 'HDMI-A-1', status: 'connected' }])
    t.deepEqual(host.consoles, ['tty0', 'ttyS0'])
    t.deepEqual(
      host.inputs.map(({ name, isKeyboard }) => [name, isKeyboard]),
      [
        ['Power Button', false],
        ['Logitech USB Keyboard', true],
      ],
    )
    t.deepEqual(
      host.watchdogs.map(({ name, state }) => [name, state]),
      [['watchdog0', 'inactive']],
    )
    t.is(host.fcHosts[0]?.name, 'host5')
    t.deepEqual(host.iscsiSessions, [
      { name: 'session1', target: 'iqn.2020-01.org.example:a', address: '198.51.100.9' },
    ])
    t.is(host.kernelLog.length, 2)
    t.true(host.kernelLogReadable)
    t.is(host.remappedChip, 'IR-IO-APIC')
    t.deepEqual(host.kernels[0]?.softdeps, ['softdep nvme pre: crc_t10dif'])
    t.deepEqual([host.ipmi, host.zfs, host.vfioHolders], [false, null, []])
    t.deepEqual(
      findLivesOn(host).uses.map(({ what, chain }) => `${what}: ${chain.join(' < ')}`),
      [
        'root: / < dm-0 < nvme0n1p3 < 0000:01:00.0',
        'swap: swap < dm-0 < nvme0n1p3 < 0000:01:00.0',
        'default-route: default route < br0 < eno1 < 0000:00:19.0',
        'keyboard: keyboard Logitech USB Keyboard < 0000:00:14.0',
        'watchdog: watchdog0 < 0000:00:1f.0',
      ],
    )
  })
}

test('links of a tree are followed inside it', async (t) => {
  const names = [
    { type: 'link' as const, uid: 0, gid: 0, path: '/usr/share/misc/pci.ids', to: '/usr/share/hwdata/pci.ids' },
    { type: 'link' as const, uid: 0, gid: 0, path: '/var/log/dmesg', to: '/../../etc/hostname' },
  ]
  const ids = textFiles({ '/usr/share/hwdata/pci.ids': '8086  Of the tree\n' })
  const host = await snapshotOf(makeTree(t, [...functions, ...names, ...ids]))
  t.is(host.pciNames.get('8086'), 'Of the tree')
  t.false(host.kernelLogReadable)
})

test('pools and who holds groups', async (t) => {
  const entries = [
    ...functions,
    ...hardwareTree([
      { class: 'block', name: 'sda', path: '/devices/pci0000:00/0000:00:1f.0/block/sda', attributes: { dev: '8:0' } },
    ]),
    ...textFiles({
      '/proc/spl/kstat/zfs/tank/state': 'ONLINE\n',
      '/proc/spl/kstat/zfs/arcstats': '1\n',
      '/run/udev/data/b8:0': 'E:ID_FS_TYPE=zfs_member\nE:ID_FS_LABEL=tank\n',
      '/sys/fs/btrfs/1234-abcd/features/x': '',
      '/dev/vfio/3': '',
      '/dev/ipmi0': '',
      '/proc/812/comm': 'qemu-system-x86\n',
    }),
    { type: 'link' as const, uid: 0, gid: 0, path: '/proc/812/fd/23', to: '/dev/vfio/3' },
    { type: 'link' as const, uid: 0, gid: 0, path: '/proc/812/fd/24', to: '/dev/vfio/vfio' },
    { type: 'link' as const, uid: 0, gid: 0, path: '/sys/fs/btrfs/1234-abcd/devices/sda', to: '../../../../x/sda' },
  ]
  const host = await snapshotOf(makeTree(t, entries))
  t.deepEqual(host.zfs, [{ name: 'tank', members: ['sda'] }])
  t.deepEqual(host.btrfs, [{ uuid: '1234-abcd', members: ['sda'] }])
  t.true(host.ipmi)
  const holder = { group: 3, address: null, pid: 812, command: 'qemu-system-x86' }
  t.deepEqual(host.vfioHolders, process.getuid?.() === 0 ? [holder] : null)
})

test('a tree without any of it: nothing is taken for known', async (t) => {
  const host = await snapshotOf(makeTree(t, functions))
  t.deepEqual([host.routes, host.consoles, host.kernelLogReadable], [null, null, false])
  const told = findLivesOn(host).cannotTell.map(({ what }) => what)
  t.true(told.includes('default-route'))
  t.true(told.includes('display'))
})

test('the demo host', async (t) => {
  const host = await snapshotOf(makeTree(t, demoTree))
  const { uses, cannotTell } = findLivesOn(host)
  t.deepEqual(
    uses.map(({ what, chain }) => `${what}: ${chain.join(' < ')}`),
    [
      'root: / < nvme0n1p2 < 0000:01:00.0',
      'esp: /boot/efi < nvme0n1p1 < 0000:01:00.0',
      'default-route: default route < vmbr0 < enp34s0 < 0000:22:00.0',
      'bmc-vga: management controller < 0000:25:00.0',
    ],
  )
  t.deepEqual(cannotTell, [])
  t.is(host.pci.filter(({ headerType }) => headerType === null).length, 0)
  t.is(host.pciNames.get('10de:1c82'), 'GP107 [GeForce GTX 1050 Ti]')
})
