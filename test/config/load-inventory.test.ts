import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import type { Inventory } from '../../src/config/inventory.ts'
import { loadInventory } from '../../src/config/load-inventory.ts'
import type { RunInventoryScript } from '../../src/config/load-inventory.ts'
import { plainValue } from '../../src/config/source-node.ts'
import type { Variables } from '../../src/config/source-node.ts'
import { hostVariables } from '../../src/config/variables.ts'
import { error } from '../../src/core/diagnostic.ts'
import { briefly, hintsOf } from './diagnostics.ts'

const fixtures = fileURLToPath(new URL('fixtures', import.meta.url))
const noScript: RunInventoryScript = async (path) => ({ ok: false, diagnostic: error('SCRIPT', path) })

function plain(variables: Variables): unknown {
  return Object.fromEntries([...variables].map(([name, node]) => [name, plainValue(node)]))
}

function variablesOf(inventory: Inventory, host: string): unknown {
  return plain(hostVariables(inventory, host, []))
}

function load(directory: string, sources: readonly string[], runScript = noScript): ReturnType<typeof loadInventory> {
  return loadInventory({ sources, cwd: `${fixtures}/${directory}`, runScript })
}

test('a directory: files in order, INI, YAML, a program; what Ansible passes over is passed over', async (t) => {
  const asked: string[] = []
  const { inventory, diagnostics } = await load('.', ['directory'], async (path) => {
    asked.push(path.slice(fixtures.length))
    const list = {
      web: { hosts: ['w01', 'dyn1'], vars: { made: '{{ by_script }}' } },
      db: ['dyn2'],
      _meta: { hostvars: { dyn1: { ansible_host: '10.1.1.1' } } },
    }
    return { ok: true, output: JSON.stringify(list) }
  })
  t.deepEqual(
    [...inventory.hosts.keys()],
    ['lone', 'w01', 'w02', 'w03', 'wa', 'wc', 'db1', '2001:db8::1', 'dyn1', 'dyn2', 'nested'],
  )
  t.deepEqual(asked, ['/directory/30-script'])
  t.deepEqual(
    diagnostics.map(({ severity, code }) => `${severity} ${code}`),
    ['warning INVENTORY_FILE_SKIPPED', 'warning VARIABLES_HIDDEN'],
  )
  t.deepEqual(inventory.groups.get('everything')?.hosts, [
    'w01',
    'w02',
    'w03',
    'wa',
    'wc',
    'db1',
    '2001:db8::1',
    'dyn1',
    'dyn2',
  ])
  t.deepEqual(inventory.groups.get('ungrouped')?.hosts, ['lone', 'nested'])
  t.deepEqual(inventory.hosts.get('db1')?.groups, ['everything', 'db'])
  t.deepEqual(variablesOf(inventory, 'dyn1'), {
    ansible_host: '10.1.1.1',
    beside: 'group_vars of the directory',
    empty: '',
    flag: true,
    made: '{{ by_script }}',
    number: 5,
    quoted: 'quoted',
    text: 'some text',
  })
})

// As `ansible-inventory --list` of ansible-core 2.14 prints the same file.
test('INI values have the types that Ansible gives them', async (t) => {
  const { inventory, diagnostics } = await load('directory', ['10-hosts'])
  t.deepEqual(hintsOf(diagnostics), ['put both into the directory web.yml/ or join them'])
  t.deepEqual(variablesOf(inventory, 'lone'), {
    ansible_host: '10.0.0.1',
    count: 3,
    text: 'two words',
    id: '0e10',
    list: [1, 2],
    dict: { a: true },
    word: 'yes',
    flag: true,
    octal: '0123',
    none: null,
    cut: 'a',
  })
  t.deepEqual(variablesOf(inventory, 'wa'), {
    ansible_port: 2222,
    flag: true,
    number: 5,
    text: 'some text',
    quoted: 'quoted',
    empty: '',
    beside: 'group_vars of the directory',
  })
})

test('a program without _meta is named', async (t) => {
  const { inventory, diagnostics } = await load('directory', ['30-script'], async () => ({
    ok: true,
    output: JSON.stringify({ all: { hosts: ['a', 'b'] } }),
  }))
  t.deepEqual([...inventory.hosts.keys()], ['a', 'b'])
  t.deepEqual(briefly(diagnostics), ['30-script:1:1 INVENTORY_META_MISSING'])
})

test('a program that fails or talks nonsense is named', async (t) => {
  t.deepEqual(briefly((await load('directory', ['30-script'])).diagnostics), ['SCRIPT'])
  const { diagnostics } = await load('directory', ['30-script'], async () => ({ ok: true, output: 'oops' }))
  t.deepEqual(briefly(diagnostics).slice(0, 1), ['30-script:1:1 INVENTORY_INVALID'])
})

test('hosts with a comma', async (t) => {
  const { inventory, diagnostics } = await load('.', ['root@pve1,pve[2:3]:2222,'])
  t.deepEqual(diagnostics, [])
  t.deepEqual([...inventory.hosts.keys()], ['pve1', 'pve2', 'pve3'])
  t.deepEqual(variablesOf(inventory, 'pve1'), { ansible_user: 'root' })
  t.deepEqual(variablesOf(inventory, 'pve3'), { ansible_port: 2222 })
  t.deepEqual(inventory.hosts.get('pve1')?.groups, ['ungrouped'])
  t.deepEqual(briefly((await load('.', ['pve1,b c[,'])).diagnostics), ['--inventory:1:8 HOST_NAME_INVALID c['])
})

test('later sources add and override', async (t) => {
  const { inventory } = await load('.', ['ladder/inventory.yaml', 'admin@pve1,'])
  t.is((variablesOf(inventory, 'pve1') as Record<string, unknown>)['ansible_user'], 'admin')
  t.deepEqual(inventory.hosts.get('pve1')?.groups, ['outer', 'inner', 'z_plain', 'a_prio'])
})

test('without -i it is ./inventory.yaml; ansible.cfg is named, not read', async (t) => {
  const { inventory, diagnostics } = await load('defaults', [])
  t.deepEqual([...inventory.hosts.keys()], ['pve1'])
  t.deepEqual(
    diagnostics.map(({ severity, code }) => `${severity} ${code}`),
    ['warning ANSIBLE_CFG_IGNORED'],
  )
})

test('no inventory at all', async (t) => {
  t.deepEqual(briefly((await load('playbooks', [])).diagnostics), ['INVENTORY_MISSING'])
  const { diagnostics } = await load('playbooks', ['pve1'])
  t.deepEqual(hintsOf(diagnostics), ['hosts are named with a comma: -i pve1,'])
})

/** A directory with a good file and what a test puts beside it. */
function makeDirectory(t: ExecutionContext, make: (directory: string) => void): string {
  const directory = mkdtempSync(join(tmpdir(), 'passway-inventory-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  mkdirSync(join(directory, 'inv'))
  writeFileSync(join(directory, 'inv/hosts'), 'pve1\n')
  make(join(directory, 'inv'))
  return directory
}

/** One that a program could be, by its mode. */
function makePipe(path: string): void {
  spawnSync('sh', ['-c', 'mkfifo -m 0755 "$0"', path])
}

const odd: Readonly<Record<string, readonly [(directory: string) => void, readonly string[]]>> = {
  'links in a circle': [
    (directory) => {
      symlinkSync('b', join(directory, 'a'))
      symlinkSync('a', join(directory, 'b'))
    },
    [
      'FILE_UNREADABLE inv/a cannot be read: its links lead in a circle',
      'FILE_UNREADABLE inv/b cannot be read: its links lead in a circle',
    ],
  ],
  'a link that leads back': [
    (directory) => {
      mkdirSync(join(directory, 'sub'))
      symlinkSync('..', join(directory, 'sub/up'))
    },
    [],
  ],
  'a dangling link': [
    (directory) => symlinkSync('gone', join(directory, 'old')),
    ['FILE_UNREADABLE inv/old cannot be read: it is a link to something that is not there'],
  ],
  'a pipe': [
    (directory) => makePipe(join(directory, 'pipe')),
    ['INVENTORY_FILE_SKIPPED inv/pipe is not read: it is neither a file nor a directory'],
  ],
  'the same among variables': [
    (directory) => {
      mkdirSync(join(directory, 'group_vars/all'), { recursive: true })
      mkdirSync(join(directory, 'host_vars'))
      symlinkSync('..', join(directory, 'group_vars/all/up'))
      symlinkSync('gone', join(directory, 'group_vars/all/old.yml'))
      makePipe(join(directory, 'host_vars/pve1'))
    },
    [
      'FILE_UNREADABLE inv/group_vars/all/old.yml cannot be read: it is a link to something that is not there',
      'INVENTORY_FILE_SKIPPED inv/host_vars/pve1 is not read: it is neither a file nor a directory',
    ],
  ],
}
for (const [title, [make, expected]] of Object.entries(odd)) {
  test(`an inventory directory with what cannot be read: ${title}`, async (t) => {
    const cwd = makeDirectory(t, make)
    const { inventory, diagnostics } = await loadInventory({ sources: ['inv'], cwd, runScript: noScript })
    t.deepEqual([...inventory.hosts.keys()], ['pve1'])
    t.deepEqual(
      diagnostics.map(({ code, message }) => `${code} ${message}`),
      expected,
    )
  })
}

test('all that is wrong with a YAML inventory comes out together', async (t) => {
  const { diagnostics } = await load('broken', ['inventory.yaml'])
  t.deepEqual(briefly(diagnostics), [
    'inventory.yaml:20:26 VAULT_UNSUPPORTED |',
    'inventory.yaml:1:1 INVENTORY_INVALID hosts',
    'inventory.yaml:5:5 INVENTORY_INVALID - pve1',
    'inventory.yaml:6:3 KEY_UNKNOWN host',
    'inventory.yaml:8:9 INVENTORY_INVALID [a]',
    'inventory.yaml:16:9 HOST_NAME_INVALID bad[3:1]',
    'inventory.yaml:17:9 HOST_NAME_INVALID "x y"',
    'inventory.yaml:23:9 VARIABLE_RESERVED facts',
    'inventory.yaml:14:13 GROUP_CYCLE one',
    'inventory.yaml:24:33 VARIABLE_INVALID high',
  ])
})

test('all that is wrong with an INI inventory comes out together', async (t) => {
  const { diagnostics } = await load('broken', ['hosts.ini'])
  t.deepEqual(briefly(diagnostics), [
    'hosts.ini:1:1 INVENTORY_INVALID [web:hosts:more]',
    'hosts.ini:2:1 INVENTORY_INVALID [web:cars]',
    'hosts.ini:6:4 INVENTORY_INVALID novalue',
    "hosts.ini:7:6 INVENTORY_INVALID 'open",
    'hosts.ini:11:1 INVENTORY_INVALID nothing',
    'hosts.ini:12:1 INVENTORY_INVALID [spaced name]',
    'hosts.ini:3:1 GROUP_UNDECLARED [wbe:vars]',
    'hosts.ini:9:1 GROUP_UNDECLARED wob',
    'hosts.ini:10:1 GROUP_UNDECLARED [db:vars]',
  ])
  t.is(diagnostics.find(({ message }) => message.includes('"wbe"'))?.hint, 'did you mean "web"?')
})

test('plugins, vault files and programs without the bit are errors', async (t) => {
  const { diagnostics } = await load('broken', ['aws.yaml', 'vaulted.yaml', 'not-executable'])
  t.deepEqual(
    diagnostics.map(({ severity, code }) => `${severity} ${code}`),
    ['error INVENTORY_PLUGIN_UNSUPPORTED', 'error VAULT_UNSUPPORTED', 'error INVENTORY_INVALID'],
  )
})
