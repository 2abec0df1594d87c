import test from 'ava'
import * as fc from 'fast-check'
import { finishInventory } from '../../src/config/finish-inventory.ts'
import { findHostPatterns, matchHosts, selectHosts } from '../../src/config/host-pattern.ts'
import type { PlayHosts } from '../../src/config/host-pattern.ts'
import { emptyDraft } from '../../src/config/inventory.ts'
import type { Inventory } from '../../src/config/inventory.ts'
import { parseInventoryIni } from '../../src/config/parse-inventory-ini.ts'
import { parseYaml } from '../../src/config/yaml-source.ts'
import { briefly, hintsOf } from './diagnostics.ts'

function inventoryOf(text: string): Inventory {
  const draft = emptyDraft()
  parseInventoryIni({ draft, diagnostics: [], directory: '/' }, 'hosts', text)
  return finishInventory(draft, []).inventory
}

const inventory = inventoryOf(
  'solo\n2001:db8::1\n[web]\nw01\nw02\nw03\n[db]\nd1\nw02\n[webmail]\nm1\n[site:children]\nweb\ndb\n',
)

const patterns: readonly [string, string][] = [
  ['all', 'solo 2001:db8::1 w01 w02 w03 d1 m1'],
  ['*', 'solo 2001:db8::1 w01 w02 w03 d1 m1'],
  ['solo', 'solo'],
  ['d1:w01', 'w01 d1'],
  ['d1, w01', 'w01 d1'],
  ['web', 'w01 w02 w03'],
  ['site', 'w01 w02 w03 d1'],
  ['ungrouped', 'solo 2001:db8::1'],
  ['web:&db', 'w02'],
  ['web:!db', 'w01 w03'],
  ['!db', 'solo 2001:db8::1 w01 w03 m1'],
  ['!db:web', 'w01 w03'],
  ['&db:web:solo', 'w02'],
  ['web*', 'w01 w02 w03 m1'],
  ['w0?', 'w01 w02 w03'],
  ['w0[1,3]', 'w01 w03'],
  ['w0[!1]', 'w02 w03'],
  ['web[0]', 'w01'],
  ['web[-1]', 'w03'],
  ['web[1:2]', 'w02 w03'],
  ['web[1:]:d1', 'w02 w03 d1'],
  ['web[9]', ''],
  ['~w0(1|3)', 'w01 w03'],
  ['2001:db8::1', '2001:db8::1'],
  ['solo:2001:db8::1', 'solo'],
  ['w01,2001:db8::1', '2001:db8::1 w01'],
]
for (const [pattern, expected] of patterns) {
  test(`hosts: ${pattern}`, (t) => t.is(matchHosts(inventory, pattern).hosts.join(' '), expected))
}

test('a part that names nothing is told with its place', (t) => {
  const { hosts, problems } = matchHosts(inventory, 'web:!dbb')
  t.deepEqual(hosts, ['w01', 'w02', 'w03'])
  t.like(problems, [{ kind: 'unmatched', offset: 4, length: 4, hint: 'did you mean "db"?' }])
  t.like(matchHosts(inventory, '~[').problems, [{ kind: 'invalid' }])
})

function play(yaml: string): PlayHosts {
  const { node } = parseYaml('p.yaml', yaml)
  const hosts = node?.kind === 'map' ? node.entries[0]?.value : undefined
  return { hosts: (hosts && findHostPatterns(hosts)) ?? [] }
}

test('hosts of plays: several plays, lists, what matches nothing warns at its place', (t) => {
  const selection = selectHosts(inventory, [
    play('hosts: web:nowhere'),
    play('hosts:\n  - db\n  - "!w0x"\n'),
    play('hosts: localhost'),
  ])
  t.deepEqual(selection.hosts, ['w01', 'w02', 'w03', 'd1'])
  t.deepEqual(Object.fromEntries(selection.plays), { w01: [0], w02: [0, 1], w03: [0], d1: [1] })
  t.deepEqual(briefly(selection.diagnostics), [
    'p.yaml:1:12 HOSTS_UNMATCHED nowhere',
    'p.yaml:3:6 HOSTS_UNMATCHED !w0x',
    'p.yaml:1:8 HOSTS_UNMATCHED localhost',
  ])
  t.true(selection.diagnostics.every(({ severity }) => severity === 'warning'))
  t.is(hintsOf(selection.diagnostics)[2], 'name it: -i localhost, -e ansible_connection=local')
})

test('--limit', (t) => {
  t.deepEqual(selectHosts(inventory, [play('hosts: all')], 'db:!d1').hosts, ['w02'])
  const unmatched = selectHosts(inventory, [play('hosts: all')], 'w01,w9').diagnostics
  t.deepEqual(briefly(unmatched), ['--limit:1:5 HOSTS_UNMATCHED w9'])
  t.is(unmatched[0]?.severity, 'error')
  t.deepEqual(briefly(selectHosts(inventory, [play('hosts: all')], '@site.retry').diagnostics), [
    '--limit:1:1 LIMIT_INVALID @site.retry',
  ])
  t.deepEqual(briefly(selectHosts(inventory, [play('hosts: web')], 'd1').diagnostics), ['NO_HOSTS'])
})

test('no pattern throws, and none names hosts that are not there', (t) => {
  const piece = fc.constantFrom(
    'web',
    'w0',
    '1',
    '*',
    '?',
    '[',
    ']',
    '!',
    '&',
    ':',
    ',',
    '~',
    '(',
    '-',
    '^',
    '\\',
    ' ',
    '.',
    '0:2',
    '|',
  )
  fc.assert(
    fc.property(
      fc.array(piece).map((pieces) => pieces.join('')),
      (pattern) => {
        t.true(matchHosts(inventory, pattern).hosts.every((host) => inventory.hosts.has(host)))
      },
    ),
  )
})

test('excluding is the complement of choosing', (t) => {
  fc.assert(
    fc.property(fc.constantFrom('web', 'db', 'solo', 'w0?', 'web[0]', 'site'), (pattern) => {
      const chosen = matchHosts(inventory, pattern).hosts
      const others = matchHosts(inventory, `all:!${pattern}`).hosts
      t.deepEqual([...chosen, ...others].sort(), [...inventory.hosts.keys()].sort())
    }),
  )
})
