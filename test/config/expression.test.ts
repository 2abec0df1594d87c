import test from 'ava'
import * as fc from 'fast-check'
import type { Scope } from '../../src/config/evaluate-expression.ts'
import { evaluateCondition, evaluateNode } from '../../src/config/expression.ts'
import type { Resolution } from '../../src/config/expression.ts'
import type { PlainValue, SourceNode } from '../../src/config/source-node.ts'
import { parseYaml } from '../../src/config/yaml-source.ts'
import { briefly, hintsOf } from './diagnostics.ts'

const variables: Readonly<Record<string, PlainValue>> = {
  ids: ['10de:1c82', '1022:145f'],
  n: 4,
  text: 'Vfio',
  no: 'no',
  empty: '',
  flag: true,
  nothing: null,
  template: '{{ n }}',
  facts: {
    os: { id: 'debian', version: '12' },
    kernel: { release: '6.1.0-37-amd64' },
    cpufreq: { driver: null },
    pci: [
      { address: '0000:01:00.0', class: '030000', group: 1 },
      { address: '0000:01:00.1', class: '040300', group: 1 },
      { address: '0000:02:00.0', class: '0c0330' },
    ],
  },
}

const scope: Scope = {
  lookup: (name) => (Object.hasOwn(variables, name) ? variables[name] : undefined),
  names: () => Object.keys(variables),
}

function node(text: string): SourceNode {
  const parsed = parseYaml('f.yaml', text).node
  if (parsed === null) throw new Error(`no YAML: ${text}`)
  return parsed
}

function template(text: string): Resolution<PlainValue> {
  return evaluateNode(node(JSON.stringify(text)), scope)
}

function condition(text: string): Resolution<boolean> {
  return evaluateCondition(node(JSON.stringify(text)), scope)
}

const templates: readonly [string, PlainValue][] = [
  ['plain', 'plain'],
  ['{{ n }}', 4],
  ['  {{ n }}', '  4'],
  ['{{ ids }}', ['10de:1c82', '1022:145f']],
  ['a={{ ids | join(",") }} b', 'a=10de:1c82,1022:145f b'],
  ['{{ 1_000 + 2 * 3 - 4 / 2 }}', 1004],
  ['{{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }}', '3 -4 2'],
  ['{{ (1 + 2) * 3 }}', 9],
  ['{{ n ~ "x" ~ 1 }}', '4x1'],
  ["{{ 'a' 'b' + \"c\" }}", 'abc'],
  ["{{ 'it\\'s' }}", "it's"],
  ['{{ [1, "a", none, true,] }}', [1, 'a', null, true]],
  ['{{ {"a": {"b": [1]}} }}', { a: { b: [1] } }],
  ['{{ {"a": {"b": 1}}.a["b"] }}', 1],
  ['{{ ids + ["1002:0e10"] }}', ['10de:1c82', '1022:145f', '1002:0e10']],
  ['{{ ids[0] }} {{ ids[-1] }} {{ ids.0 }}', '10de:1c82 1022:145f 10de:1c82'],
  ['{{ facts.os["id"] }}', 'debian'],
  ['{{ missing | default(5) }}', 5],
  ['{{ missing.deep.er | default("x") }}', 'x'],
  ['{{ empty | default("x") }}', ''],
  ['{{ empty | default("x", true) }}', 'x'],
  ['{{ nothing | default("x", boolean=true) }}', 'x'],
  ['{{ text | lower }} {{ text | upper }}', 'vfio VFIO'],
  ['{{ "12" | int + 1 }}', 13],
  ['{{ "abc" | int(0) }}', 0],
  ['{{ 3 | string }}', '3'],
  ['{{ "off" | bool }}', false],
  ['{{ ids | length }} {{ text | count }}', '2 4'],
  ['{{ ids | first }} {{ ids | last }}', '10de:1c82 1022:145f'],
  ['{{ [3, 1, 3, 2] | unique | sort }}', [1, 2, 3]],
  ['{{ [1, 2] | sort(reverse=true) }}', [2, 1]],
  ['{{ facts.os | list }}', ['id', 'version']],
  ['{{ "a-b-c" | replace("-", "_") }}', 'a_b_c'],
  ['{{ " a, b " | trim | split(", ") }}', ['a', 'b']],
  ['{{ facts.pci | map(attribute="address") | list }}', ['0000:01:00.0', '0000:01:00.1', '0000:02:00.0']],
  ['{{ facts.pci | map(attribute="group", default=0) }}', [1, 1, 0]],
  ['{{ ids | map("upper") }}', ['10DE:1C82', '1022:145F']],
  ['{{ facts.pci | selectattr("class", "==", "030000") | map(attribute="address") | first }}', '0000:01:00.0'],
  ['{{ facts.pci | rejectattr("group", "defined") | map(attribute="address") }}', ['0000:02:00.0']],
  ['{{ [1, "a"] | select("string") }}', ['a']],
  ['{{ [3, 1] | min }} {{ [3, 1] | max }}', '1 3'],
  ['{{ "a" if n == 4 else "b" }}', 'a'],
  ['{{ "a" if n == 5 else "b" if n == 6 else "c" }}', 'c'],
  ['{{ template }}', '{{ n }}'],
  ['{{ "}}" }}', '}}'],
  ['{{ "{{" }}x', '{{x'],
]
for (const [text, expected] of templates) {
  test(`${text} is ${JSON.stringify(expected)}`, (t) => t.deepEqual(template(text), { ok: true, value: expected }))
}

const conditions: readonly [string, boolean][] = [
  ['facts.os.id == "debian" and facts.os.version is version("11", ">=")', true],
  ["facts.kernel.release is version('6.2', '>=')", false],
  ["facts.kernel.release is version('6.1', '>')", true],
  ["'6.1' is version('6.1.0', '==')", true],
  ['facts.cpufreq.driver', false],
  ['not facts.cpufreq.driver', true],
  ['facts.cpufreq.driver is none', true],
  ['a.b.c is defined', false],
  ['a.b.c is not defined', true],
  ['facts.os.id is defined and n is number and text is string and ids is sequence and facts is mapping', true],
  ['n in [1, 4]', true],
  ['n not in [1, 4]', false],
  ['"deb" in facts.os.id', true],
  ['"id" in facts.os', true],
  ['1 < n <= 4', true],
  ['1 < n < 4', false],
  ['not n == 5', true],
  ['n == 5 or n == 4 and true', true],
  ['flag is true', true],
  ['missing is defined and missing.x', false],
  ['ids == ["10de:1c82", "1022:145f"]', true],
  ['{"a": 1} == {"a": 1}', true],
  ['[] or {} or "" or 0 or none', false],
  ['n is not none', true],
  ['n == "four"', false],
]
for (const [text, expected] of conditions) {
  test(`when: ${text}`, (t) => t.deepEqual(condition(text), { ok: true, value: expected }))
}

test('when: a boolean, and a list of conditions that stops at the first false one', (t) => {
  t.deepEqual(evaluateCondition(node('false'), scope), { ok: true, value: false })
  t.deepEqual(evaluateCondition(node('[n == 5, missing.x]'), scope), { ok: true, value: false })
  t.deepEqual(evaluateCondition(node('[n == 4, flag]'), scope), { ok: true, value: true })
})

/** Column counts the quote that the text stands in. */
const failures: readonly [string, string, string?][] = [
  ['{{ idz }}', '5 VARIABLE_UNDEFINED idz', 'did you mean "ids"?'],
  ['x {{ facts.os.vesion }}', '16 VARIABLE_UNDEFINED vesion', 'did you mean "version"?'],
  ['{{ facts.nope }}', '11 VARIABLE_UNDEFINED nope', 'passway modules facts lists all of them'],
  ['{{ ids.constructor }}', '9 VARIABLE_UNDEFINED constructor'],
  ['{{ facts.__proto__ }}', '11 VARIABLE_UNDEFINED __proto__'],
  ['{{ __proto__ }}', '5 VARIABLE_UNDEFINED __proto__'],
  ['{{ facts["hasOwnProperty"] }}', '11 VARIABLE_UNDEFINED'],
  ['{{ ids.length }}', '9 VARIABLE_UNDEFINED length'],
  ['{{ [1, 2][5] }}', '12 VARIABLE_UNDEFINED'],
  ["{{ 'a' if false }}", '5 VARIABLE_UNDEFINED', 'add an "else"'],
  ['{{ 10de:1c82 }}', '5 EXPRESSION_SYNTAX 10de', "quote it: '10de'"],
  ['{{ n', '2 EXPRESSION_SYNTAX {{'],
  ['{{ }}', '5 EXPRESSION_SYNTAX'],
  ['{% if x %}', '2 EXPRESSION_SYNTAX {%'],
  ['{# x #}', '2 EXPRESSION_SYNTAX {#'],
  ['{{ n | uper }}', '9 EXPRESSION_UNSUPPORTED uper', 'did you mean "upper"?'],
  ['{{ n is defind }}', '10 EXPRESSION_UNSUPPORTED defind', 'did you mean "defined"?'],
  ['{{ text.lower() }}', '15 EXPRESSION_SYNTAX (', 'use a filter: x | lower'],
  ['{{ ids[0:1] }}', '10 EXPRESSION_SYNTAX :'],
  ['{{ n && n }}', '7 EXPRESSION_SYNTAX &', 'write "and"'],
  ['{{ n = 4 }}', '7 EXPRESSION_SYNTAX =', 'compare with "=="'],
  ['x {{ ids }}', '7 EXPRESSION_TYPE ids', "join it: x | join(',')"],
  ['x{{ flag }}', '6 EXPRESSION_TYPE flag', "say which text: 'on' if x else 'off'"],
  ['x{{ nothing }}', '6 EXPRESSION_TYPE nothing'],
  ['{{ n + "1" }}', '5 EXPRESSION_TYPE'],
  ['{{ 1 / 0 }}', '9 EXPRESSION_TYPE 0'],
  ['{{ "abc" | int }}', '15 EXPRESSION_TYPE int'],
  [
    '{{ facts.os.version == 12 }}',
    '5 EXPRESSION_TYPE facts.os.version == 12',
    "make both a number (x | int) or quote the number: '12'",
  ],
  ['{{ n < "5" }}', '5 EXPRESSION_TYPE'],
  ['{{ not no }}', '9 EXPRESSION_TYPE no', 'make it one: x | bool'],
]
for (const [text, expected, hint] of failures) {
  test(`${text} is refused`, (t) => {
    const result = template(text)
    if (result.ok) return t.fail(JSON.stringify(result.value))
    const [found] = briefly(result.diagnostics)
    t.true(found?.startsWith(`f.yaml:1:${expected}`), found)
    if (hint !== undefined) t.deepEqual(hintsOf(result.diagnostics), [hint])
    return undefined
  })
}

test('"when" in braces is told to be written without', (t) => {
  const result = condition('{{ n == 4 }}')
  if (result.ok) return t.fail()
  t.deepEqual(hintsOf(result.diagnostics), ['write it without braces: when: n == 4'])
  return undefined
})

test('positions inside block texts and mappings', (t) => {
  const result = evaluateNode(
    node('a: |\n  first\n  then {{ idz }} x\nb: >-\n  {{ nn }}\nc:\n  - "{{ textt }}"\n'),
    scope,
  )
  if (result.ok) return t.fail()
  t.deepEqual(briefly(result.diagnostics), [
    'f.yaml:3:11 VARIABLE_UNDEFINED idz',
    'f.yaml:5:6 VARIABLE_UNDEFINED nn',
    'f.yaml:7:9 VARIABLE_UNDEFINED textt',
  ])
  return undefined
})

test('!unsafe text is never a template', (t) => {
  t.deepEqual(evaluateNode(node('a: !unsafe "{{ idz }}"'), scope), { ok: true, value: { a: '{{ idz }}' } })
})

test('text that doubles itself is stopped', (t) => {
  const doubling: Scope = { lookup: () => 'x'.repeat(600_000), names: () => [] }
  const result = evaluateNode(node('"{{ a }}{{ a }}"'), doubling)
  t.is(!result.ok && result.diagnostics[0]?.code, 'EXPRESSION_TYPE')
})

test('deep nesting is refused, not a crash', (t) => {
  for (const text of [
    '('.repeat(9999),
    'not '.repeat(400) + 'n',
    '-'.repeat(900) + '1',
    '['.repeat(80) + ']'.repeat(80),
    'n+'.repeat(5000) + 'n',
  ]) {
    const result = condition(text)
    t.is(!result.ok && result.diagnostics[0]?.code, 'EXPRESSION_SYNTAX', text.slice(0, 20))
  }
})

const words =
  'n ids facts text .os .id [0] ( ) [ ] { } {{ }} | join map default (1) is not in if else and or == < + - * / // % ~ , : " \' \\ 0 1.5 é'
const word = fc.constantFrom('\n', ...words.split(' '))

test('no text makes the engine throw', (t) => {
  const text = fc.oneof(
    fc.string(),
    fc.array(word, { maxLength: 30 }).map((words) => words.join(' ')),
  )
  fc.assert(
    fc.property(text, (written) => {
      for (const result of [template(`{{ ${written} }}`), template(written), condition(written)]) {
        t.true(result.ok || result.diagnostics.every(({ source }) => source !== undefined))
      }
    }),
    { numRuns: 500 },
  )
})

test('what has no braces stays as it is', (t) => {
  fc.assert(
    fc.property(
      fc.string().filter((text) => !text.includes('{')),
      (text) => {
        t.deepEqual(template(text), { ok: true, value: text })
      },
    ),
  )
})
