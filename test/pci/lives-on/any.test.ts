import test from 'ava'
import * as fc from 'fast-check'
import type { HostHardware } from '../../../src/core/host-hardware.ts'
import { findLivesOn } from '../../../src/pci/lives-on/find-lives-on.ts'
import { parseIpAddress } from '../../../src/pci/lives-on/routes.ts'
import { blockDevice } from '../../boot/snapshots.ts'
import { device, disk, functions, machine, made, mount, route } from './parts.ts'

const names = fc.constantFrom('sda', 'sda1', 'dm-0', 'dm-1', 'md0', 'zd0', 'nvme0n1', 'nvme0c0n1', 'rbd0', 'loop0', '')
const paths = fc.constantFrom(
  null,
  '',
  '/devices/pci0000:00/0000:04:00.0/nvme/nvme0/nvme0n1',
  '/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1',
  '/devices/virtual/block/x',
  '/devices/platform/host3/session1/block/sdb',
)
const interfaces = fc.constantFrom('eth0', 'bond0', 'br0', 'ovs-system', 'lo')
const text = fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom('192.0.2.1', '::1', 'fe80::1%eth0', '/dev/sda1'))

const blockDevices = fc.array(
  fc
    .record({
      name: names,
      path: paths,
      parents: fc.array(names, { maxLength: 3 }),
      partitionOf: fc.option(names),
      fsType: fc.constantFrom(null, 'btrfs', 'zfs_member'),
      fsUuid: fc.constantFrom(null, 'u'),
      number: fc.constantFrom(null, '8:1'),
    })
    .map(blockDevice),
  { maxLength: 8 },
)
const network = fc.array(
  fc.record({
    name: interfaces,
    path: paths,
    kind: fc.constantFrom('virtual', 'loopback', 'bridge'),
    master: fc.option(interfaces),
    lowers: fc.array(interfaces, { maxLength: 3 }),
    addresses: fc.array(text, { maxLength: 2 }),
    up: fc.boolean(),
  }),
  { maxLength: 6 },
)
const routes = fc.option(
  fc.array(
    fc.record({
      interface: interfaces,
      destination: fc.constantFrom('00000000', 'c0000200', '0'.repeat(32)),
      prefix: fc.integer({ min: 0, max: 32 }),
      gateway: fc.boolean(),
      metric: fc.integer({ min: 0, max: 3 }),
    }),
    { maxLength: 5 },
  ),
)
const mounts = fc.array(
  fc.record({
    source: fc.oneof(
      text,
      names.map((name) => `/dev/${name}`),
    ),
    target: fc.constantFrom('/', '/boot', '/data', ''),
    type: fc.constantFrom('ext4', 'btrfs', 'zfs', 'nfs', 'overlay', 'bcachefs', 'ceph', 'tmpfs'),
    options: fc.array(
      text.map((value) => `addr=${value}`),
      { maxLength: 1 },
    ),
  }),
  { maxLength: 5 },
)
const hardware: fc.Arbitrary<Partial<HostHardware>> = fc.record({
  blockDevices,
  network,
  routes,
  swaps: fc.array(text, { maxLength: 2 }),
  btrfs: fc.array(fc.record({ uuid: text, members: fc.array(names, { maxLength: 3 }) }), { maxLength: 2 }),
  zfs: fc.oneof(
    fc.constantFrom(null, 'unknown' as const),
    fc.array(fc.record({ name: text, members: fc.array(names, { maxLength: 2 }) }), { maxLength: 2 }),
  ),
  iscsiSessions: fc.array(fc.record({ name: fc.constant('session1'), target: text, address: fc.option(text) }), {
    maxLength: 1,
  }),
})

test('whatever a host holds: no exception, no end without evidence', (t) => {
  fc.assert(
    fc.property(hardware, mounts, fc.option(fc.array(text, { maxLength: 4 })), text, (given, mounted, ssh, fstab) => {
      const files = { '/etc/fstab': `${fstab} ${fstab} x`, '/etc/kernel/proxmox-boot-uuids': fstab }
      const host = machine({ ...given, mounts: mounted, sshConnection: ssh?.join(' ') ?? null, files })
      const { uses, cannotTell } = findLivesOn(host)
      for (const { address, chain } of uses) t.true(chain.length > 1 && chain.at(-1) === address)
      for (const { why } of cannotTell) t.not(why, '')
    }),
    { numRuns: 300 },
  )
})

test('a root that is mounted is found, or it is said that it cannot be', (t) => {
  fc.assert(
    fc.property(blockDevices, (devices) => {
      const host = machine({ blockDevices: [...devices], mounts: [mount('/dev/sda1', '/')] })
      const found = devices.find(({ name }) => name === 'sda1')
      if (found) return
      t.true(findLivesOn(host).cannotTell.some(({ what }) => what === 'root'))
    }),
  )
})

test('order of devices in the snapshot does not matter', (t) => {
  const given = [...disk('sda', '0000:00:17.0', { n: 1 }), ...disk('nvme0n1', '0000:04:00.0', { n: 1 })]
  const mounted = [mount('/dev/sda1', '/'), mount('/dev/nvme0n1p1', '/data')]
  const one = findLivesOn(machine({ blockDevices: given, mounts: mounted, network: [device('lo')] }))
  const other = machine({ blockDevices: given.toReversed(), mounts: mounted, pci: functions.toReversed() })
  t.deepEqual(findLivesOn(other), one)
})

test('a host that is stacked without end is answered all the same', (t) => {
  const names = Array.from({ length: 300 }, (_, n) => `dm-${n}`)
  const stacked = names.map((name) => made(name, names))
  const bridges = names.map((name) => device(name, { lowers: names }))
  const given = { blockDevices: stacked, mounts: [mount('/dev/dm-0', '/')], network: bridges }
  const { uses, cannotTell } = findLivesOn(machine({ ...given, routes: [route('dm-0 default')] }))
  t.deepEqual(uses, [])
  t.deepEqual(new Set(cannotTell.map(({ what }) => what)), new Set(['root', 'default-route']))
})

test('addresses', (t) => {
  t.is(parseIpAddress('192.0.2.10'), 'c000020a')
  t.is(parseIpAddress('::ffff:192.0.2.10'), 'c000020a')
  t.is(parseIpAddress('[2001:db8::1]'), `20010db8${'0'.repeat(23)}1`)
  t.is(parseIpAddress('fe80::1%eth0'), `fe80${'0'.repeat(27)}1`)
  t.is(parseIpAddress('nas.example.org'), undefined)
  fc.assert(
    fc.property(fc.ipV6(), (address) => {
      const parsed = parseIpAddress(address)
      t.true(parsed === undefined || parsed.length === 32 || parsed.length === 8)
    }),
  )
})
