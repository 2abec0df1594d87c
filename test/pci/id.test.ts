import test from 'ava'
import type { ExecutionContext } from 'ava'
import { formatPciId, isIdWithin, parsePciId } from '../../src/pci/id.ts'
import type { PciId } from '../../src/pci/id.ts'

function testParse(t: ExecutionContext, text: string, expected: string) {
  const parsed = parsePciId(text)
  t.is(parsed.ok ? formatPciId(parsed.id) : parsed.message, expected)
}

function testRefusal(t: ExecutionContext, text: string, expected: RegExp) {
  const parsed = parsePciId(text)
  t.false(parsed.ok)
  t.regex(`${parsed.ok ? '' : parsed.message} ${parsed.ok ? '' : parsed.hint}`, expected)
}

test('id', testParse, '10DE:1c82', '10de:1c82')
test('as lspci -nn prints it', testParse, '[10de:1c82]', '10de:1c82')
test('with a subsystem', testParse, '10de:1c82:1043:85d7', '10de:1c82:1043:85d7')
test('an address', testRefusal, '02:00.0', /is an address, not an id/)
test('a full address', testRefusal, '0000:02:00.0', /is an address, not an id/)
test('no colon', testRefusal, '10de1c82', /did you mean "10de:1c82"/)
test('short halves', testRefusal, '8086:a1', /did you mean "8086:00a1"/)
test('nonsense', testRefusal, 'GTX 1050', /ids look like/)

function id(text: string): PciId {
  const parsed = parsePciId(text)
  if (!parsed.ok) throw new Error(parsed.message)
  return parsed.id
}

test('an id with a subsystem is within the one without', (t) => {
  t.true(isIdWithin(id('10de:1c82:1043:85d7'), id('10de:1c82')))
  t.false(isIdWithin(id('10de:1c82'), id('10de:1c82:1043:85d7')))
  t.false(isIdWithin(id('10de:1c82'), id('10de:1c83')))
})
