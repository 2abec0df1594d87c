import test from 'ava'
import type { PciFunction } from '../../src/core/snapshot.ts'
import { chooseDevices } from '../../src/pci/choose-devices.ts'
import { findMoved, identify, isSameDevice } from '../../src/pci/identity.ts'
import { pciFunction, snapshot } from '../boot/snapshots.ts'

const options = { accept: new Map<string, string>() }
const disk = { class: '010802', vendor: '144d', device: 'a808' }
const host = snapshot({
  pciNames: new Map([
    ['144d', 'Samsung Electronics Co Ltd'],
    ['144d:a808', 'NVMe SSD Controller SM981/PM981/PM983'],
  ]),
  pci: [
    pciFunction({ address: '0000:00:01.0', class: '060400', vendor: '144d' }),
    pciFunction({ address: '0000:17:00.0', ...disk, serial: 'S1' }),
    pciFunction({ address: '0000:18:00.0', ...disk, serial: 'S2', path: ['pci0000:00', '0000:00:1d.4'] }),
    pciFunction({ address: '0000:19:00.0', class: '0c0330', vendor: '1912', device: '0014' }),
  ],
})

test('an identity knows a device again by id, subsystem and serial number, where both are known', (t) => {
  const second = host.pci[2] as PciFunction
  const identity = identify(second)
  t.deepEqual(identity, {
    address: '0000:18:00.0',
    id: '144d:a808',
    subsystem: null,
    serial: 'S2',
    slotPath: '0000:00/1d.4/00.0',
  })
  t.true(isSameDevice(identity, { ...second, serial: null }))
  t.true(isSameDevice(identity, { ...second, subsystemVendor: '144d', subsystemDevice: 'a801' }))
  t.false(isSameDevice(identity, { ...second, serial: 'S9' }))
  t.false(
    isSameDevice(
      { ...identity, subsystem: '144d:a801' },
      { ...second, subsystemVendor: '144d', subsystemDevice: 'a802' },
    ),
  )
})

test('where a device went: by serial number where there is one, else all that are like it', (t) => {
  const gone = { address: '0000:05:00.0', id: '144d:a808', subsystem: null, slotPath: '' }
  t.deepEqual(addresses(findMoved(host, { ...gone, serial: 'S2' })), ['0000:18:00.0'])
  t.deepEqual(addresses(findMoved(host, { ...gone, serial: null })), ['0000:17:00.0', '0000:18:00.0'])
})

const selections = [
  ['18:00.0', ['0000:18:00.0'], []],
  ['144d:a808', ['0000:17:00.0', '0000:18:00.0'], ['note DEVICES_SEVERAL']],
  [{ class: 'usb' }, ['0000:19:00.0'], []],
  [{ vendor: 'samsung' }, ['0000:17:00.0', '0000:18:00.0'], ['note DEVICES_SEVERAL']],
  [{ name: '*sm981*', slot: '18:00' }, ['0000:18:00.0'], []],
  [{ name: 'sm981' }, [], ['error DEVICE_ABSENT']],
  [{ address: '0000:18:00.0', id: '144d:a808' }, ['0000:18:00.0'], []],
  [{ address: '0000:19:00.0', id: '144d:a808' }, ['0000:19:00.0'], ['error IDENTITY_MOVED']],
  [{ address: '0000:99:00.0', id: '144d:a808' }, [], ['error IDENTITY_MOVED']],
  [{ address: '0000:99:00.0', id: 'abcd:ef01' }, [], ['error DEVICE_ABSENT']],
  ['graphics', [], ['error DEVICE_INVALID']],
  [{}, [], ['error DEVICE_INVALID']],
  [{ id: '18:00.0' }, [], ['error DEVICE_INVALID']],
] as const

for (const [selector, expected, codes] of selections) {
  test(`devices named by ${JSON.stringify(selector)}`, (t) => {
    const { functions, diagnostics } = chooseDevices(host, [selector], options)
    t.deepEqual(addresses(functions), expected)
    t.deepEqual(
      diagnostics.map(({ severity, code }) => `${severity} ${code}`),
      codes,
    )
  })
}

test('a device that moved is accepted where another is in its place, never where none is', (t) => {
  const accept = { accept: new Map([['IDENTITY_MOVED', 'the card was replaced']]) }
  const severity = (address: string) =>
    chooseDevices(host, [{ address, id: '144d:a808' }], accept).diagnostics.map((found) => found.severity)
  t.deepEqual(severity('0000:19:00.0'), ['warning'])
  t.deepEqual(severity('0000:99:00.0'), ['error'])
})

function addresses(functions: readonly { readonly address: string }[]): readonly string[] {
  return functions.map(({ address }) => address)
}
