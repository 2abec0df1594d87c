import test from 'ava'
import * as fc from 'fast-check'
import { findNearest } from '../../src/config/did-you-mean.ts'
import { parseHostNames } from '../../src/config/host-names.ts'
import { findSerial } from '../../src/config/load-plays.ts'
import { parsePythonLiteral } from '../../src/config/python-literal.ts'
import { splitShellWords } from '../../src/config/shell-words.ts'

const shellWords: readonly [string, readonly string[]][] = [
  ['a  b\tc', ['a', 'b', 'c']],
  [`-o "ProxyCommand=ssh -W '%h:%p' b" 'x y'z`, ['-o', "ProxyCommand=ssh -W '%h:%p' b", 'x yz']],
  [String.raw`a\ b "c\"d\n" 'e\f'`, ['a b', String.raw`c"d\n`, String.raw`e\f`]],
  ['""', ['']],
  ['', []],
  ['a #b', ['a', '#b']],
]
for (const [text, expected] of shellWords) {
  test(`shell words of ${text}`, (t) => {
    const words = splitShellWords(text)
    t.deepEqual(words.ok && words.words.map((word) => word.text), expected)
  })
}

test('shell words with comments end at a hash outside of quotes', (t) => {
  const words = splitShellWords(`a "#b" c#d e # f`, true)
  t.deepEqual(words.ok && words.words.map((word) => word.text), ['a', '#b', 'c'])
})

test('open quotes are found', (t) => {
  t.like(splitShellWords(`a 'b`), { ok: false, at: 2 })
  t.like(splitShellWords('a b"c'), { ok: false, at: 3 })
})

// Values as ansible-inventory 2.14 prints them for the same text in an INI file.
const literals: readonly [string, unknown][] = [
  ['5', 5],
  ['-5', -5],
  ['5 # five', 5],
  ['1_0', 10],
  ['0x10', 16],
  ['0123', '0123'],
  ['0e10', 0],
  ['1.5', 1.5],
  ['True', true],
  ['true', 'true'],
  ['yes', 'yes'],
  ['None', null],
  ['[1,2]', [1, 2]],
  ['[1, [2, "x"],]', [1, [2, 'x']]],
  ["{'a': True, 'b': {'c': None}}", { a: true, b: { c: null } }],
  ['(1,)', [1]],
  ['(1)', 1],
  ['{1, 2}', [1, 2]],
  ['"quoted"', 'quoted'],
  [String.raw`'a\'b'`, "a'b"],
  ["u'x'", 'x'],
  ['10de:1c82', '10de:1c82'],
  ['8086:10', '8086:10'],
  ['some text', 'some text'],
  ['[open', '[open'],
  ['', ''],
]
for (const [text, expected] of literals) {
  test(`Python literal ${text}`, (t) => t.deepEqual(parsePythonLiteral(text), expected as never))
}

test('no text makes the literal reader throw', (t) => {
  const unit = fc.constantFrom(
    '[',
    ']',
    '{',
    '}',
    '(',
    ')',
    ',',
    ':',
    '"',
    "'",
    '\\',
    '1',
    'T',
    'True',
    'None',
    ' ',
    '#',
    'e',
    '-',
    '.',
  )
  fc.assert(fc.property(fc.string({ unit, maxLength: 40 }), (text) => t.notThrows(() => parsePythonLiteral(text))))
  t.is(parsePythonLiteral('['.repeat(20_000)), '['.repeat(20_000))
})

const hostNames: readonly [string, unknown][] = [
  ['pve1', { names: ['pve1'] }],
  ['root@pve1', { names: ['pve1'], user: 'root' }],
  ['admin@corp@pve1:2222', { names: ['pve1'], user: 'admin@corp', port: 2222 }],
  ['node[01:03]', { names: ['node01', 'node02', 'node03'] }],
  ['node[8:10].lan:22', { names: ['node8.lan', 'node9.lan', 'node10.lan'], port: 22 }],
  ['[a:c]-[1:5:2]', { names: ['a-1', 'a-3', 'a-5', 'b-1', 'b-3', 'b-5', 'c-1', 'c-3', 'c-5'] }],
  ['[2001:db8::1]:22', { names: ['2001:db8::1'], port: 22 }],
  ['[::1]', { names: ['::1'] }],
  ['2001:db8::1', { names: ['2001:db8::1'] }],
]
for (const [text, expected] of hostNames) {
  test(`hosts of ${text}`, (t) =>
    t.deepEqual<unknown, unknown>(parseHostNames(text), { ok: true, ...(expected as object) }))
}

for (const text of [
  '',
  ':22',
  'a b',
  '-oProxyCommand=x',
  'a:b',
  'pve1:0',
  'pve1:70000',
  'n[3:1]',
  'n[01:100]',
  'n[a-c]',
  'n[1:3',
  'n[0:99999999]',
  'a\nb',
  'user@',
]) {
  test(`${JSON.stringify(text)} names no host`, (t) => t.false(parseHostNames(text).ok))
}

const nearest: readonly [string, string | undefined][] = [
  ['device', 'devices'],
  ['governer', 'governor'],
  ['benned-cpus', 'banned_cpus'],
  ['idz', 'ids'],
  ['zzz', undefined],
  ['x', undefined],
]
for (const [word, expected] of nearest) {
  test(`${word} may mean ${expected}`, (t) => {
    t.is(findNearest(word, ['devices', 'governor', 'banned_cpus', 'ids', 'softdep']), expected)
  })
}

test('serial', (t) => {
  t.deepEqual(findSerial('3'), { count: 3 })
  t.deepEqual(findSerial('25%'), { percent: 25 })
  for (const text of ['0', '0%', '101%', '-1', '1.5', 'two', '']) t.is(findSerial(text), undefined, text)
})
