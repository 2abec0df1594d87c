import test from 'ava'
import type { ExecutionContext } from 'ava'
import { matchesAlias } from '../../src/pci/match-alias.ts'

const gpu = 'pci:v000010DEd00001C82sv00001043sd000085D7bc03sc00i00'

function testMatch(t: ExecutionContext, pattern: string, expected: boolean) {
  t.is(matchesAlias(pattern, gpu), expected)
}

test('by id', testMatch, 'pci:v000010DEd00001C82sv*sd*bc*sc*i*', true)
test('by class', testMatch, 'pci:v000010DEd*sv*sd*bc03sc*i*', true)
test('another class', testMatch, 'pci:v000010DEd*sv*sd*bc03sc02i00*', false)
test('another device', testMatch, 'pci:v000010DEd00001C83sv*sd*bc*sc*i*', false)
test('a bracket', testMatch, 'pci:v000010DEd00001C8[0-3]sv*', true)
test('a negated bracket', testMatch, 'pci:v000010DEd00001C8[!2]sv*', false)
test('a question mark', testMatch, 'pci:v000010DEd0000?C82*', true)
test('no star at the end', testMatch, 'pci:v000010DE', false)
test('everything', testMatch, '*', true)
