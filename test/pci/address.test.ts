import test from 'ava'
import * as fc from 'fast-check'
import type { ExecutionContext } from 'ava'
import { comparePciAddresses, formatPciAddress, formatSlot, parsePciAddress } from '../../src/pci/address.ts'

function testParse(t: ExecutionContext, text: string, expected: string) {
  t.deepEqual(parsePciAddress(text), { ok: true, address: expected })
}

function testRefusal(t: ExecutionContext, text: string, hint: RegExp) {
  const parsed = parsePciAddress(text)
  t.false(parsed.ok)
  t.regex(`${parsed.ok ? '' : parsed.message} ${parsed.ok ? '' : parsed.hint}`, hint)
}

test('lspci leaves out domain 0000', testParse, '01:00.0', '0000:01:00.0')
test('lower case', testParse, '0000:0A:1F.7', '0000:0a:1f.7')
test('VMD has a wide domain', testParse, '10000:e1:00.0', '10000:e1:00.0')
test('leading zeros of a wide domain', testParse, '00010000:e1:00.0', '10000:e1:00.0')
test('short bus', testParse, '1:0.0', '0000:01:00.0')

test('function forgotten', testRefusal, '0000:01:00', /did you mean "0000:01:00\.0"/)
test('dots', testRefusal, '01.00.0', /did you mean "0000:01:00\.0"/)
test('libvirt spelling', testRefusal, 'pci_0000_01_00_0', /did you mean "0000:01:00\.0"/)
test('an id', testRefusal, '10de:1c82', /this is an id/)
test('function out of range', testRefusal, '01:00.8', /functions 0 to 7/)
test('device out of range', testRefusal, '01:20.0', /devices 00 to 1f/)
test('nonsense', testRefusal, 'gpu', /addresses look like/)

test('sorted by domain as a number', (t) => {
  const sorted = ['10000:00:00.0', '2000:00:00.0', '0000:0a:00.0', '0000:02:00.1'].toSorted(comparePciAddresses)
  t.deepEqual(sorted, ['0000:02:00.1', '0000:0a:00.0', '2000:00:00.0', '10000:00:00.0'])
})

test('slot', (t) => t.is(formatSlot('10000:e1:00.3'), '10000:e1:00'))

test('what is formatted parses to itself', (t) => {
  const hex = (min: number, max: number) => fc.integer({ min, max }).map((value) => value.toString(16))
  const parts = fc.record({ domain: hex(0, 0xfffff), bus: hex(0, 255), device: hex(0, 31), function: hex(0, 7) })
  fc.assert(
    fc.property(parts, (value) => {
      const padded = formatPciAddress({ ...value, device: value.device.padStart(2, '0') })
      t.deepEqual(parsePciAddress(padded), { ok: true, address: padded })
    }),
  )
})
