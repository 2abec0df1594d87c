import { fileURLToPath } from 'node:url'
import test from 'ava'
import { lintFacts } from '../../src/config/lint-facts.ts'
import { loadPlays } from '../../src/config/load-plays.ts'
import type { Play } from '../../src/config/playbook.ts'
import { readPlaybooks } from '../../src/config/read-playbooks.ts'
import { isFactReferenced, referencedFacts } from '../../src/config/referenced-facts.ts'
import { readExtraVariables } from '../../src/config/extra-variables.ts'
import { parseYaml } from '../../src/config/yaml-source.ts'
import { briefly, hintsOf } from './diagnostics.ts'

const fixtures = fileURLToPath(new URL('fixtures/playbooks', import.meta.url))
const modules = [{ name: 'say' }, { name: 'shout' }]

test('name and hosts of plays, before anything else is looked at', (t) => {
  const extra = readExtraVariables(['target=db'], fixtures).variables
  const { plays, diagnostics } = readPlaybooks(['hosts.yaml'], fixtures, extra)
  t.deepEqual(diagnostics, [])
  t.deepEqual(
    plays.map(({ name, hosts, directory }) => [name, hosts.map(({ value }) => value), directory]),
    [
      ['web:&db:!w02', ['web:&db:!w02'], fixtures],
      ['templated', ['db'], fixtures],
    ],
  )
  t.deepEqual(
    loadPlays(plays, modules).plays.map(({ serial }) => serial),
    [{ percent: 25 }, { count: 2 }],
  )
})

test('hosts may use variables of -e and no others', (t) => {
  const { diagnostics } = readPlaybooks(['hosts.yaml'], fixtures)
  t.deepEqual(briefly(diagnostics), ['hosts.yaml:4:14 VARIABLE_UNDEFINED target'])
  t.deepEqual(hintsOf(diagnostics), [
    '"hosts" is read before any host is known: it may use variables of -e and no others',
  ])
})

test('what keeps the hosts from being found', (t) => {
  const { plays, diagnostics } = readPlaybooks(['broken.yaml', 'missing.yaml'], fixtures)
  t.is(plays.length, 4)
  t.deepEqual(briefly(diagnostics), [
    'broken.yaml:41:3 PLAYBOOK_INVALID name',
    'broken.yaml:43:3 PLAYBOOK_INVALID word',
    'FILE_UNREADABLE',
  ])
})

test('everything that is wrong with a playbook comes out together', (t) => {
  const { diagnostics } = loadPlays(readPlaybooks(['broken.yaml'], fixtures).plays, modules)
  t.deepEqual(
    briefly(diagnostics).map((line) => line.replace('broken.yaml:', '')),
    [
      '3:3 KEYWORD_UNSUPPORTED become',
      '4:3 KEYWORD_UNSUPPORTED roles',
      '5:3 KEY_UNKNOWN task',
      '8:5 VARIABLE_RESERVED facts',
      '9:18 EXPRESSION_SYNTAX }',
      '14:7 KEYWORD_UNSUPPORTED loop',
      '15:7 KEY_UNKNOWN whn',
      '16:7 KEYWORD_UNSUPPORTED with_items',
      '17:7 KEYWORD_UNSUPPORTED notify',
      '13:21 EXPRESSION_SYNTAX b',
      '18:7 MODULE_UNKNOWN sya',
      '20:7 MODULE_UNKNOWN modprobe',
      '22:7 MODULE_UNKNOWN ansible.builtin.command',
      '23:7 MODULE_UNKNOWN community.general.modprobe',
      '24:7 PLAYBOOK_INVALID name',
      '26:7 PLAYBOOK_INVALID shout',
      '28:44 ACCEPT_INVALID GROUP_SHARD',
      '28:65 ACCEPT_INVALID IOMMU_OFF',
      '28:85 ACCEPT_INVALID ID_SHARED',
      '29:14 PLAYBOOK_INVALID sure',
      '31:13 CONDITION_INVALID "{{ x }}"',
      '33:15 EXPRESSION_SYNTAX =',
      '35:18 EXPRESSION_UNSUPPORTED defind',
      '34:28 EXPRESSION_UNSUPPORTED uper',
      '36:7 PLAYBOOK_INVALID text',
      '6:11 PLAYBOOK_INVALID 0',
      '37:3 KEYWORD_UNSUPPORTED import_playbook',
      '42:10 PLAYBOOK_INVALID {}',
    ],
  )
  const hints = new Map(diagnostics.map(({ message, hint }) => [message, hint]))
  t.is(hints.get('a play has no key "task"'), 'did you mean "tasks"?')
  t.is(hints.get('a task has no key "whn"'), 'did you mean "when"?')
  t.is(hints.get('passway has no module "sya"'), 'did you mean "say"?')
  t.is(hints.get('passway has no module "community.general.modprobe"'), 'use modules_load')
  t.is(hints.get('"GROUP_SHARD" is no refusal that a task may accept'), 'did you mean "GROUP_SHARED"?')
  t.true(diagnostics.every(({ severity }) => severity === 'error'))
})

function playsOf(text: string): readonly Play[] {
  const { node } = parseYaml('p.yaml', text)
  const header = { name: 'p', hosts: [], file: 'p.yaml', directory: '/' }
  return node?.kind === 'map' ? loadPlays([{ ...header, node }], modules).plays : []
}

test('what a task says', (t) => {
  const [play] = playsOf(
    'vars: {a: 1}\ntasks:\n  - name: hello\n    say: {text: x}\n    when: a\n    vars: {b: 2}\n    adopt: yes\n    accept: {ID_SHARED: "both are passed"}\n',
  )
  const [task] = play?.tasks ?? []
  t.like(task, { module: 'say', adopt: true, source: { file: 'p.yaml', line: 3, column: 5 } })
  t.deepEqual([...(task?.accept ?? [])], [['ID_SHARED', 'both are passed']])
  t.deepEqual([...(task?.variables.keys() ?? [])], ['b'])
  t.deepEqual([...(play?.variables.keys() ?? [])], ['a'])
})

const referenced: readonly [string, readonly string[]][] = [
  ['facts.kernel.acs_override', ['facts.kernel.acs_override']],
  [
    "facts['kernel']['acs_override'] and not facts.cpufreq.driver",
    ['facts.kernel.acs_override', 'facts.cpufreq.driver'],
  ],
  ['facts.pci[0].address', ['facts.pci']],
  ['facts[which].x', ['facts']],
  ['facts.os[facts.cpu.vendor]', ['facts.os', 'facts.cpu.vendor']],
  ["'x' in (facts.pci | map(attribute='id')) or my.facts.os is defined", ['facts.pci']],
  [
    '[facts.memory.total_mb, {"a": facts.numa}] == (1 if facts.cpu.count > 2 else -facts.hostname)',
    ['facts.memory.total_mb', 'facts.numa', 'facts.cpu.count', 'facts.hostname'],
  ],
]
for (const [when, expected] of referenced) {
  test(`facts in ${when}`, (t) => {
    t.deepEqual(
      [...referencedFacts(playsOf(JSON.stringify({ tasks: [{ say: {}, when }] })))].sort(),
      [...expected].sort(),
    )
  })
}

const unknown: readonly [string, readonly string[]][] = [
  ['facts.nope', ['facts has no "nope"']],
  ['facts["os"].vesion == 1 and facts.os.id', ['facts.os has no "vesion"']],
  ['facts.kernel.config.CONFIG_X == "y" and facts.os.id.x', []],
  ['facts.pci[0].adress or facts[which].x or my.facts.nope', []],
  ['facts.nope is defined and facts.nope | default(facts.cpu.nope)', ['facts.cpu has no "nope"']],
  ['[facts.one, {"a": facts.cpu.two}]', ['facts has no "one"', 'facts.cpu has no "two"']],
]
for (const [when, expected] of unknown) {
  test(`facts that no host has, in ${when}`, (t) => {
    const found = lintFacts(playsOf(JSON.stringify({ tasks: [{ say: {}, when }] })))
    t.deepEqual(
      found.map(({ message }) => message),
      expected,
    )
  })
}

test('a fact that no host has: where, and where to look', (t) => {
  const found = lintFacts(playsOf('vars: {a: "{{ facts.os.vesion }}"}\ntasks:\n  - say: {}\n    when: facts.nope\n'))
  t.deepEqual(briefly(found), ['p.yaml:1:24 VARIABLE_UNDEFINED vesion', 'p.yaml:4:17 VARIABLE_UNDEFINED nope'])
  t.deepEqual(hintsOf(found), ['did you mean "version"?', 'passway modules facts lists all of them'])
})

test('facts are found in variables, parameters and names too', (t) => {
  const plays = playsOf(
    'vars: {a: "{{ facts.os }}"}\ntasks:\n  - name: "{{ facts.hostname }}"\n    vars: {b: ["{{ facts.pci }}"]}\n    say: {c: {d: "x{{ facts.cpu.model }}"}}\n',
  )
  t.deepEqual([...referencedFacts(plays)].sort(), ['facts.cpu.model', 'facts.hostname', 'facts.os', 'facts.pci'])
})

test('a fact is asked for by itself, by what holds it and by what it holds', (t) => {
  t.true(isFactReferenced(new Set(['facts']), 'facts.kernel.acs_override'))
  t.true(isFactReferenced(new Set(['facts.kernel']), 'facts.kernel.acs_override'))
  t.true(isFactReferenced(new Set(['facts.kernel.config.X']), 'facts.kernel.config'))
  t.false(isFactReferenced(new Set(['facts.kernel.release', 'facts.kern']), 'facts.kernel.acs_override'))
})
