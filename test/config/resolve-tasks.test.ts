import { fileURLToPath } from 'node:url'
import test from 'ava'
import { readExtraVariables } from '../../src/config/extra-variables.ts'
import { loadInventory } from '../../src/config/load-inventory.ts'
import { loadPlays } from '../../src/config/load-plays.ts'
import { readPlaybookVariables } from '../../src/config/playbook-variables.ts'
import { readPlaybooks } from '../../src/config/read-playbooks.ts'
import { resolveTasks } from '../../src/config/resolve-tasks.ts'
import type { ResolvedTasks } from '../../src/config/resolve-tasks.ts'
import type { PlainValue } from '../../src/config/source-node.ts'
import { error } from '../../src/core/diagnostic.ts'
import { parseYaml } from '../../src/config/yaml-source.ts'
import { briefly } from './diagnostics.ts'

const ladder = fileURLToPath(new URL('fixtures/ladder', import.meta.url))
const modules = [{ name: 'say' }]

test('precedence of variables, one rung after the other', async (t) => {
  const { inventory, diagnostics } = await loadInventory({
    sources: ['inventory.yaml'],
    cwd: ladder,
    runScript: async (path) => ({ ok: false, diagnostic: error('SCRIPT', path) }),
  })
  const headers = readPlaybooks(['playbooks/site.yaml'], ladder)
  const beside = readPlaybookVariables(headers.plays, inventory, ladder)
  const loaded = loadPlays(headers.plays, modules)
  t.deepEqual([...diagnostics, ...headers.diagnostics, ...beside.diagnostics, ...loaded.diagnostics], [])
  const resolved = resolveTasks({
    plays: loaded.plays,
    inventory,
    host: 'pve1',
    besidePlaybooks: beside.variables,
    extra: readExtraVariables(['from_extra=extra'], ladder).variables,
    facts: {},
  })
  t.deepEqual(resolved.diagnostics, [])
  t.deepEqual(resolved.tasks[0]?.params, {
    from_all: 'inventory all',
    from_outer: 'inventory outer',
    from_inner: 'inventory inner',
    from_prio: 'inventory a_prio',
    from_host: 'inventory host',
    from_group_vars_all: 'group_vars all',
    from_group_vars_inner: 'group_vars inner',
    from_host_vars: 'host_vars',
    from_playbook_group_vars: 'playbook group_vars',
    from_playbook_host_vars: 'playbook host_vars',
    from_play: 'play',
    from_task: 'task',
    from_extra: 'extra',
  })
})

type Written = {
  readonly vars?: string
  readonly tasks: string
  readonly extra?: readonly string[]
  readonly facts?: PlainValue | null
}

async function resolve(written: Written): Promise<ResolvedTasks> {
  const list = { web: { hosts: ['w1', 'w2'] }, _meta: { hostvars: { w1: { told: '{{ by_script }}' } } } }
  const { inventory } = await loadInventory({
    sources: ['30-script'],
    cwd: fileURLToPath(new URL('fixtures/directory', import.meta.url)),
    runScript: async () => ({ ok: true, output: JSON.stringify(list) }),
  })
  const { node } = parseYaml('p.yaml', `vars: ${written.vars ?? '{}'}\ntasks:\n${written.tasks}`)
  if (node?.kind !== 'map') throw new Error('no play')
  const { plays, diagnostics } = loadPlays(
    [{ name: 'p', hosts: [], file: 'p.yaml', directory: '/nowhere', node }],
    modules,
  )
  if (diagnostics.length > 0) throw new Error(briefly(diagnostics).join('\n'))
  const extra = readExtraVariables(written.extra ?? [], '/').variables
  const { facts = {} } = written
  return resolveTasks({ plays, inventory, host: 'w1', besidePlaybooks: new Map(), extra, facts })
}

function paramsOf(resolved: ResolvedTasks): unknown {
  return resolved.tasks.map(({ params }) => params)
}

test('variables made of variables, magic variables, types', async (t) => {
  const resolved = await resolve({
    vars: '{a: "{{ b + 1 }}", b: "{{ c.d }}", c: {d: 4, e: ["{{ inventory_hostname }}"]}}',
    tasks:
      '  - say: {a: "{{ a }}", c: "{{ c }}", g: "{{ group_names }}", all: "{{ groups.web }}", t: "{{ a }}!"}\n  - say:\n',
  })
  t.deepEqual(resolved.diagnostics, [])
  t.deepEqual(paramsOf(resolved), [{ a: 5, c: { d: 4, e: ['w1'] }, g: ['web'], all: ['w1', 'w2'], t: '5!' }, {}])
})

test('text of scripts, facts and values is never a template', async (t) => {
  const resolved = await resolve({
    vars: '{copy: "{{ told }}"}',
    tasks: '  - say: {a: "{{ told }}", b: "{{ copy }}", c: "{{ facts.name }}", d: "x{{ facts.name }}"}\n',
    facts: { name: '{{ evil }}' },
  })
  t.deepEqual(paramsOf(resolved), [{ a: '{{ by_script }}', b: '{{ by_script }}', c: '{{ evil }}', d: 'x{{ evil }}' }])
})

test('tasks whose condition does not hold are skipped, and not looked into', async (t) => {
  const resolved = await resolve({
    tasks:
      '  - name: no {{ inventory_hostname }}\n    when: facts.cpufreq.driver\n    say: {a: "{{ undefined_here }}"}\n  - say: {b: 1}\n    when: [facts.ok, "told is defined"]\n',
    facts: { cpufreq: { driver: null }, ok: true },
  })
  t.deepEqual(
    resolved.skipped.map(({ name, module, play }) => [name, module, play]),
    [['no w1', 'say', 'p']],
  )
  t.deepEqual(paramsOf(resolved), [{ b: 1 }])
  t.deepEqual(resolved.diagnostics, [])
})

test('before facts are known: what depends on them waits', async (t) => {
  const tasks = [
    '  - say: {a: 1}\n    when: facts.x\n',
    '  - name: w\n    say: {a: "{{ facts.x }}"}\n',
    '  - say: {a: "{{ maybe }}"}\n    when: facts.x\n',
    '  - say: {a: 2}\n    when: told is undefined and facts.x\n',
  ]
  const resolved = await resolve({ tasks: tasks.join(''), facts: null })
  t.deepEqual(paramsOf(resolved), [{ a: 1 }])
  t.deepEqual(
    resolved.waiting.map(({ name }) => name),
    ['w', 'say'],
  )
  t.is(resolved.skipped.length, 1)
  t.deepEqual(resolved.diagnostics, [])
})

test('all mistakes of all tasks, each once and where it was made', async (t) => {
  const resolved = await resolve({
    vars: '{loop_a: "{{ loop_b }}", loop_b: "{{ loop_a }}", bad: "{{ nowhere }}"}',
    tasks:
      '  - say: {a: "{{ idz }}", b: ["{{ told.x }}"]}\n  - say: {a: "{{ bad }}"}\n  - say: {a: "{{ bad }}"}\n  - say: {a: "{{ loop_a }}"}\n  - say: {}\n    when: nope == 1\n',
  })
  t.deepEqual(briefly(resolved.diagnostics), [
    'p.yaml:3:18 VARIABLE_UNDEFINED idz',
    'p.yaml:3:40 VARIABLE_UNDEFINED x',
    'p.yaml:1:65 VARIABLE_UNDEFINED nowhere',
    'p.yaml:1:16 VARIABLE_CYCLE "{{ loop_b }}"',
    'p.yaml:8:11 VARIABLE_UNDEFINED nope',
  ])
  t.deepEqual(paramsOf(resolved), [])
  t.deepEqual(resolved.diagnostics.find(({ code }) => code === 'VARIABLE_CYCLE')?.evidence, [
    'loop_a > loop_b > loop_a',
  ])
})

test('-e: pairs are text, mappings keep types', async (t) => {
  const resolved = await resolve({
    tasks: '  - say: {a: "{{ n }}", b: "{{ m }}", c: "{{ words }}"}\n',
    extra: ['n=5 words="two words"', '{"m": [1, true]}'],
  })
  t.deepEqual(paramsOf(resolved), [{ a: '5', b: [1, true], c: 'two words' }])
})

test('-e that cannot be read', (t) => {
  const { diagnostics } = readExtraVariables(['n', '@/nonexistent.yaml', '[1]', "a='x", 'facts=1'], '/')
  t.deepEqual(briefly(diagnostics), [
    '--extra-vars:1:1 EXTRA_VARS_INVALID n',
    'FILE_UNREADABLE',
    '--extra-vars:1:1 EXTRA_VARS_INVALID [1]',
    "--extra-vars:1:3 EXTRA_VARS_INVALID '",
    '--extra-vars:1:1 VARIABLE_RESERVED facts=1',
  ])
})
