import test from 'ava'
import { matchesUdevPattern, parseUdevRules } from '../../src/formats/udev-rules.ts'

test('tokens, attributes, operators', (t) => {
  const [rule] = parseUdevRules(
    'ACTION=="add",SUBSYSTEM=="pci" , ATTR{vendor}!="0x8086", RUN{builtin}+="kmod load vfio-pci"\n',
  )
  t.deepEqual(rule, {
    line: 1,
    tokens: [
      { key: 'ACTION', attribute: null, operator: '==', value: 'add' },
      { key: 'SUBSYSTEM', attribute: null, operator: '==', value: 'pci' },
      { key: 'ATTR', attribute: 'vendor', operator: '!=', value: '0x8086' },
      { key: 'RUN', attribute: 'builtin', operator: '+=', value: 'kmod load vfio-pci' },
    ],
  })
})

test('comments, blank lines, lines that go on', (t) => {
  const rules = parseUdevRules('# a comment\n\nKERNEL=="a", \\\n  ATTR{driver_override}="b"\n  # another\nLABEL="end"')
  t.deepEqual(
    rules.map(({ line, tokens }) => [line, tokens?.map(({ key }) => key)]),
    [
      [3, ['KERNEL', 'ATTR']],
      [6, ['LABEL']],
    ],
  )
})

test('a quote in a value', (t) => {
  t.is(parseUdevRules('RUN+="/bin/sh -c \\"true\\""')[0]?.tokens?.[0]?.value, '/bin/sh -c "true"')
})

test('what is not understood is said', (t) => {
  for (const text of ['KERNEL=="a" and more', 'KERNEL==a', 'KERNEL=="a', 'KERNEL==e"a"', 'KERNEL==i"a"']) {
    t.is(parseUdevRules(text)[0]?.tokens, null, text)
  }
})

test('patterns', (t) => {
  t.true(matchesUdevPattern('0000:0?:00.[01]', '0000:02:00.1'))
  t.false(matchesUdevPattern('0000:0?:00.[!01]', '0000:02:00.1'))
  t.true(matchesUdevPattern('add|change', 'change'))
  t.false(matchesUdevPattern('a.c', 'abc'))
  t.true(matchesUdevPattern('0x03*', '0x030000'))
})
