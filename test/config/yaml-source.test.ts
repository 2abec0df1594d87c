import test from 'ava'
import * as fc from 'fast-check'
import { locate, plainValue, positionOf } from '../../src/config/source-node.ts'
import type { SourceEntry, SourceNode } from '../../src/config/source-node.ts'
import { findQuoteHint, parseYaml } from '../../src/config/yaml-source.ts'
import { briefly, hintsOf } from './diagnostics.ts'

function parse(text: string): SourceNode {
  const { node, diagnostics } = parseYaml('f.yaml', text)
  if (node === null || diagnostics.length > 0) throw new Error(briefly(diagnostics).join('\n'))
  return node
}

function entries(node: SourceNode): readonly SourceEntry[] {
  return node.kind === 'map' ? node.entries : []
}

const values: readonly [string, unknown][] = [
  ['a: [yes, No, on, OFF, true, y, n]', { a: [true, false, true, false, true, 'y', 'n'] }],
  ['a: ["yes", \'no\', !!str on]', { a: ['yes', 'no', 'on'] }],
  [
    'a: [8086:10, 10de:1c82, 0000:01:00.0, 1002, 0e10, 2026-11-21]',
    { a: ['8086:10', '10de:1c82', '0000:01:00.0', 1002, 0, '2026-11-21'] },
  ],
  ['1002: x\non: y\n"a b": z', { 1002: 'x', on: 'y', 'a b': 'z' }],
  ['base: &b {k: 1, l: 2}\nx: {<<: *b, l: 3}', { base: { k: 1, l: 2 }, x: { l: 3, k: 1 } }],
  ['a:\nb: ~', { a: null, b: null }],
  ['a: |\n  one\n  two\n', { a: 'one\ntwo\n' }],
]
for (const [text, value] of values) {
  test(`reads ${JSON.stringify(text)}`, (t) => t.deepEqual(plainValue(parse(text)), value as never))
}

test('a key named __proto__ is a key', (t) => {
  const value = plainValue(parse('__proto__: {polluted: true}'))
  t.deepEqual(Object.keys(value as object), ['__proto__'])
  t.is(({} as Record<string, unknown>)['polluted'], undefined)
})

const problems: readonly [string, readonly string[]][] = [
  ['a: 1\nb: 2\na: 3\n', ['f.yaml:3:1 YAML_DUPLICATE_KEY a']],
  ['a:\n\t- b\n', ['f.yaml:2:1 YAML_TAB \t']],
  ['a: {{ b }}\n', ['f.yaml:1:5 YAML_SYNTAX { b }']],
  ['a: 1\n---\nb: 2\n', ['f.yaml:2:1 YAML_DOCUMENTS ---']],
  ['a: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n', ['f.yaml:1:11 VAULT_UNSUPPORTED |']],
  ['$ANSIBLE_VAULT;1.1;AES256\n00\n', ['f.yaml:1:1 VAULT_UNSUPPORTED $ANSIBLE_VAULT']],
  ['a: !ruby x\nb: !!float 1\n', ['f.yaml:1:10 YAML_TAG x']],
  ['a: &x [*x]\n', ['f.yaml:1:8 YAML_SYNTAX *x']],
  ['when: "a" == b\nx: [1\n', ['f.yaml:1:11 YAML_SYNTAX == b', 'f.yaml:3:1 YAML_SYNTAX ']],
]
for (const [text, expected] of problems) {
  test(`names what is wrong with ${JSON.stringify(text)}`, (t) => {
    t.deepEqual(briefly(parseYaml('f.yaml', text).diagnostics), expected)
  })
}

test('an unquoted template is told to be quoted', (t) => {
  t.deepEqual(hintsOf(parseYaml('f.yaml', 'a: {{ b }}').diagnostics), ['quote a value that begins with "{{"'])
})

test('what unfolds to more than memory holds is refused', (t) => {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
  for (let level = 1; level < 9; level++) {
    lines.push(`a${level}: &a${level} [${Array.from({ length: 10 }, () => `*a${level - 1}`).join(', ')}]`)
  }
  t.true(parseYaml('f.yaml', lines.join('\n')).diagnostics.some(({ message }) => /unfolds to too much/.test(message)))
})

const quoteHints: readonly [string, string | undefined][] = [
  ['0e10', 'quote it: "0e10"'],
  ['1002', 'quote it: "1002"'],
  ['on', 'quote it: "on"'],
  ['"1002"', undefined],
  ['10de:1c82', undefined],
]
for (const [text, hint] of quoteHints) {
  test(`hint for ${text}`, (t) => t.is(findQuoteHint(parse(text)), hint))
}

test('every part is found by its path', (t) => {
  const node = parse('- name: x\n  vfio_ids:\n    ids: ["10de:1c82", 0e10]\n    empty:\n')
  const task = node.kind === 'list' ? entries(node.items[0] ?? node)[1] : undefined
  if (task === undefined) return t.fail()
  const at = (path: readonly PropertyKey[], part?: 'key' | 'value'): string => {
    const { line, column, length } = locate(task, path, part)
    return `${line}:${column}+${length}`
  }
  t.is(at([], 'key'), '2:3+8')
  t.is(at(['ids'], 'key'), '3:5+3')
  t.is(at(['ids', 1]), '3:24+4')
  t.is(at(['empty']), '4:5+5', 'an empty value is shown at its key')
  t.is(at(['ids', 0, 'deeper']), '3:11+11', 'the deepest part that was written')
  return undefined
})

test('positions count lines that end in CRLF', (t) => {
  const node = parse('a: 1\r\nb: 2\r\n')
  t.like(positionOf(entries(node)[1]?.keySpan ?? node.span), { line: 2, column: 1, length: 1, text: 'b: 2' })
})

test('no text makes the reader throw', (t) => {
  const unit = fc.constantFrom(
    'a',
    ':',
    ' ',
    '\n',
    '-',
    '{',
    '}',
    '[',
    ']',
    '"',
    "'",
    '&x',
    '*x',
    '!',
    '|',
    '>',
    '<<: ',
    '\t',
    '#',
    '?',
    ',',
  )
  fc.assert(
    fc.property(fc.string({ unit }), (text) => {
      const { diagnostics } = parseYaml('f.yaml', text)
      for (const { source } of diagnostics) t.true(source !== undefined && source.line >= 1 && source.column >= 1)
    }),
  )
  t.pass()
})
