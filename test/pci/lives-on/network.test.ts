import test from 'ava'
import { device, machine, nic, route, tell } from './parts.ts'

type Row = { readonly given: Parameters<typeof machine>[0]; readonly told: readonly string[] }

const eth0 = nic('eth0', '0000:06:00.0')
const eth1 = nic('eth1', '0000:07:00.0')
const sshConnection = '192.0.2.7 50022 192.0.2.10 22'
const cards = '0000:06:00.0 0000:07:00.0 0000:09:00.0 0000:09:10.0'

const rows: Readonly<Record<string, Row>> = {
  'the card of the session and the one of the default route': {
    given: { sshConnection, network: [eth0, eth1], routes: [route('eth0 192.0.2.0/24'), route('eth1 default')] },
    told: [
      'session-nic: ssh from 192.0.2.7 < eth0 < 0000:06:00.0',
      'default-route: default route < eth1 < 0000:07:00.0',
    ],
  },
  'VLAN on a bond on two cards, below a bridge with guests': {
    given: {
      sshConnection,
      network: [
        eth0,
        eth1,
        device('bond0', { kind: 'bond', lowers: ['eth0', 'eth1'] }),
        device('bond0.5', { kind: 'vlan', lowers: ['bond0'] }),
        device('vmbr0', { kind: 'bridge', lowers: ['bond0.5', 'tap100i0'] }),
        device('tap100i0', { master: 'vmbr0' }),
      ],
      routes: [route('vmbr0 192.0.2.0/24')],
    },
    told: [
      'session-nic: ssh from 192.0.2.7 < vmbr0 < bond0.5 < bond0 < eth0 < 0000:06:00.0',
      'session-nic: ssh from 192.0.2.7 < vmbr0 < bond0.5 < bond0 < eth1 < 0000:07:00.0',
    ],
  },
  'team and macvlan': {
    given: {
      sshConnection,
      network: [eth0, device('team0', { lowers: ['eth0'] }), device('mac0', { kind: 'macvlan', lowers: ['team0'] })],
      routes: [route('mac0 192.0.2.0/24')],
    },
    told: ['session-nic: ssh from 192.0.2.7 < mac0 < team0 < eth0 < 0000:06:00.0'],
  },
  'Open vSwitch: likely, for flows decide': {
    given: {
      sshConnection,
      network: [
        { ...eth0, master: 'ovs-system' },
        eth1,
        device('ovs-system', { kind: 'openvswitch', lowers: ['eth0'] }),
        device('br-ex', {}),
      ],
      routes: [route('br-ex 192.0.2.0/24')],
    },
    told: ['session-nic: ssh from 192.0.2.7 < br-ex < Open vSwitch < eth0 < 0000:06:00.0 ?'],
  },
  'a virtual function stands on its physical one': {
    given: { sshConnection, network: [nic('eth9', '0000:09:10.0')], routes: [route('eth9 192.0.2.0/24')] },
    told: [
      'session-nic: ssh from 192.0.2.7 < eth9 < 0000:09:10.0 < 0000:09:00.0',
      'session-nic: ssh from 192.0.2.7 < eth9 < 0000:09:10.0',
    ],
  },
  'a USB card stands on its controller': {
    given: { sshConnection, network: [nic('usb0', '0000:00:14.0')], routes: [route('usb0 192.0.2.0/24')] },
    told: ['session-nic: ssh from 192.0.2.7 < usb0 < 0000:00:14.0'],
  },
  'an address of its own (/32): by the way back to the client': {
    given: { sshConnection, network: [eth0], routes: [route('eth0 default')] },
    told: [
      'session-nic: ssh from 192.0.2.7 < eth0 < 0000:06:00.0',
      'default-route: default route < eth0 < 0000:06:00.0',
    ],
  },
  'two ways: where it came in, and where answers go': {
    given: {
      sshConnection: '198.51.100.7 50022 192.0.2.10 22',
      network: [eth0, eth1],
      routes: [route('eth0 192.0.2.0/24'), route('eth1 198.51.100.0/24')],
    },
    told: [
      'session-nic: ssh from 198.51.100.7 < eth0 < 0000:06:00.0',
      'session-nic: ssh from 198.51.100.7 < eth1 < 0000:07:00.0 ?',
    ],
  },
  'one network on two cards': {
    given: {
      sshConnection,
      network: [eth0, eth1],
      routes: [route('eth0 192.0.2.0/24'), route('eth1 192.0.2.0/24')],
    },
    told: [
      'session-nic: ssh from 192.0.2.7 < eth0 < 0000:06:00.0 ?',
      'session-nic: ssh from 192.0.2.7 < eth1 < 0000:07:00.0 ?',
    ],
  },
  'IPv6: the interface that has the address': {
    given: {
      sshConnection: '2001:db8::7 50022 2001:db8:0:1::10 22',
      network: [{ ...eth0, addresses: ['2001:0db8:0000:0001:0000:0000:0000:0010'] }, eth1],
      routes: [route('eth0 20010db8/32')].map((each) => ({ ...each, destination: '20010db8'.padEnd(32, '0') })),
    },
    told: ['session-nic: ssh from 2001:db8::7 < eth0 < 0000:06:00.0'],
  },
  'a link-local address names its interface': {
    given: { sshConnection: 'fe80::7%eth1 50022 fe80::1%eth1 22', network: [eth0, eth1] },
    told: ['session-nic: ssh from fe80::7%eth1 < eth1 < 0000:07:00.0'],
  },
  'IPv4 in IPv6': {
    given: {
      sshConnection: '::ffff:192.0.2.7 50022 ::ffff:192.0.2.10 22',
      network: [eth0],
      routes: [route('eth0 192.0.2.0/24')],
    },
    told: ['session-nic: ssh from ::ffff:192.0.2.7 < eth0 < 0000:06:00.0'],
  },
  'a session from the host itself': {
    given: { sshConnection: '127.0.0.1 50022 127.0.0.1 22', network: [eth0] },
    told: [],
  },
  'through a tunnel': {
    given: { sshConnection, network: [eth0, device('wg0')], routes: [route('wg0 192.0.2.0/24')] },
    told: [`cannot tell session-nic: ${cards}`],
  },
  'no route, no network': {
    given: { sshConnection, network: [eth0], routes: [] },
    told: [`cannot tell session-nic: ${cards}`],
  },
  'a routing table that cannot be read': {
    given: { sshConnection, network: [eth0], routes: null },
    told: [`cannot tell session-nic: ${cards}`, `cannot tell default-route: ${cards}`],
  },
  'a card that is not on PCI': {
    given: {
      sshConnection,
      network: [device('eth0', { path: '/devices/platform/soc/1c30000.ethernet/net/eth0', kind: 'physical' })],
      routes: [route('eth0 192.0.2.0/24')],
    },
    told: [],
  },
}

for (const [name, { given, told }] of Object.entries(rows)) {
  test(name, (t) => t.deepEqual(tell(machine(given)).toSorted(), [...told].toSorted()))
}
