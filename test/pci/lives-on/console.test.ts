import test from 'ava'
import type { InputDevice } from '../../../src/core/host-hardware.ts'
import { pciFunction } from '../../boot/snapshots.ts'
import { below, functions, machine, tell } from './parts.ts'

type Row = { readonly given: Parameters<typeof machine>[0]; readonly told: readonly string[] }

const aspeed = pciFunction({ address: '0000:0b:00.0', class: '030000', vendor: '1a03', device: '2000' })
const second = pciFunction({ address: '0000:0c:00.0', class: '030000', vendor: '10de', device: '1c82' })
const screen = ['tty0']

function keyboard(name: string, path: string): InputDevice {
  return { name, path, isKeyboard: true }
}

const usb = keyboard('Logitech', below('0000:00:14.0', 'usb1/1-2/1-2:1.0/0003:046D:C31C.0001/input/input3'))

const rows: Readonly<Record<string, Row>> = {
  'the only graphics card': {
    given: {
      consoles: screen,
      displays: [
        { address: '0000:01:00.0', connector: 'DVI-D-1', status: 'disconnected' },
        { address: '0000:01:00.0', connector: 'HDMI-A-1', status: 'connected' },
      ],
    },
    told: ['display: console < HDMI-A-1 < 0000:01:00.0'],
  },
  'a serial line': { given: { consoles: ['tty0', 'ttyS0'] }, told: [] },
  'a management controller': { given: { consoles: screen, ipmi: true }, told: [] },
  'its graphics are its own': {
    given: { consoles: screen, ipmi: true, pci: [...functions, aspeed] },
    told: ['bmc-vga: management controller < 0000:0b:00.0'],
  },
  'its graphics without an interface to it': {
    given: { consoles: screen, pci: [...functions, aspeed] },
    told: ['bmc-vga: management controller < 0000:0b:00.0 ?'],
  },
  'a second card': { given: { consoles: screen, pci: [...functions, second] }, told: [] },
  'a second card that the firmware did not set up and that no driver has': {
    given: { consoles: screen, pci: [...functions, { ...second, bootVga: false }] },
    told: ['display: console < 0000:01:00.0'],
  },
  'a 3D controller has no screen': {
    given: { consoles: screen, pci: [...functions, { ...second, class: '030200' }] },
    told: ['display: console < 0000:01:00.0'],
  },
  'a second card that is given away already': {
    given: { consoles: screen, pci: [...functions, { ...second, driver: 'vfio-pci' }] },
    told: ['display: console < 0000:01:00.0'],
  },
  'consoles that cannot be read': { given: { consoles: null }, told: ['cannot tell display: 0000:01:00.0'] },
  'the last keyboard': { given: { inputs: [usb] }, told: ['keyboard: keyboard Logitech < 0000:00:14.0'] },
  'two keyboards on one controller': {
    given: {
      inputs: [usb, { ...usb, name: 'Cherry' }, { name: 'Power Button', path: '/devices/x', isKeyboard: false }],
    },
    told: ['keyboard: keyboard Logitech < 0000:00:14.0'],
  },
  'keyboards on two controllers': {
    given: { inputs: [usb, keyboard('Cherry', below('0000:00:1a.0', 'usb2/2-1/input/input4'))] },
    told: [],
  },
  'a PS/2 keyboard stays': {
    given: { inputs: [usb, keyboard('AT Translated Set 2', '/devices/platform/i8042/serio0/input/input0')] },
    told: [],
  },
  'a keyboard of a program is none': {
    given: { inputs: [usb, keyboard('ydotool', '/devices/virtual/input/input9')] },
    told: ['keyboard: keyboard Logitech < 0000:00:14.0'],
  },
  'watchdogs on PCI': {
    given: {
      watchdogs: [
        { name: 'watchdog0', path: below('0000:00:17.0', 'iTCO_wdt/watchdog/watchdog0'), state: 'active' },
        { name: 'watchdog1', path: below('0000:00:14.0', 'x/watchdog/watchdog1'), state: 'inactive' },
        { name: 'watchdog2', path: '/devices/virtual/watchdog/watchdog2', state: 'active' },
      ],
    },
    told: ['watchdog: watchdog0 < 0000:00:17.0', 'watchdog: watchdog1 < 0000:00:14.0 ?'],
  },
  'an open group belongs to a guest': {
    given: { vfioHolders: [{ group: 16, address: null, pid: 812, command: 'qemu-system-x86' }] },
    told: [
      'guest: qemu-system-x86 (pid 812) < /dev/vfio/16 < 0000:01:00.0',
      'guest: qemu-system-x86 (pid 812) < /dev/vfio/16 < 0000:01:00.1',
    ],
  },
  'a device opened by itself': {
    given: { vfioHolders: [{ group: null, address: '0000:01:00.1', pid: 9, command: '' }] },
    told: ['guest: process (pid 9) < /dev/vfio/devices < 0000:01:00.1'],
  },
  'only root sees who holds a group': {
    given: {
      vfioHolders: null,
      pci: functions.map((each) => (each.address === '0000:01:00.0' ? { ...each, driver: 'vfio-pci' } : each)),
    },
    told: ['cannot tell guest: 0000:01:00.0'],
  },
}

for (const [name, { given, told }] of Object.entries(rows)) {
  test(name, (t) => t.deepEqual(tell(machine(given)).toSorted(), [...told].toSorted()))
}
