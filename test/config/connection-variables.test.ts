import test from 'ava'
import { readHostAddress } from '../../src/config/connection-variables.ts'
import type { ConnectionOptions, ConnectionResult } from '../../src/config/connection-variables.ts'
import { readExtraVariables } from '../../src/config/extra-variables.ts'
import { finishInventory } from '../../src/config/finish-inventory.ts'
import { emptyDraft, mergeVariables } from '../../src/config/inventory.ts'
import { parseInventoryYaml } from '../../src/config/parse-inventory-yaml.ts'
import { hostScope, hostVariables } from '../../src/config/variables.ts'
import { briefly } from './diagnostics.ts'

function read(variables: string, options: ConnectionOptions = {}, extra: readonly string[] = []): ConnectionResult {
  const draft = emptyDraft()
  parseInventoryYaml({ draft, diagnostics: [], directory: '/etc/site' }, 'i.yaml', `all: {hosts: {pve1: ${variables}}}`)
  const { inventory } = finishInventory(draft, [])
  const layers = [hostVariables(inventory, 'pve1', []), readExtraVariables(extra, '/').variables]
  const scope = hostScope({ inventory, host: 'pve1', variables: layers, facts: null })
  return readHostAddress({ inventory, host: 'pve1', variables: mergeVariables(...layers), scope, options })
}

const bare = { name: 'pve1', connection: 'ssh', address: 'pve1', become: false, root: null }

const addresses: readonly [string, object, ConnectionOptions?][] = [
  ['', bare],
  [
    '{ansible_host: 10.0.0.1, ansible_port: 2222, ansible_user: root}',
    { ...bare, address: '10.0.0.1', port: 2222, user: 'root' },
  ],
  ['{ansible_host: "{{ inventory_hostname }}.lan", ansible_port: "22"}', { ...bare, address: 'pve1.lan', port: 22 }],
  [
    '{ansible_ssh_host: old, ansible_ssh_user: u, ansible_become_pass: p}',
    { ...bare, address: 'old', user: 'u', becomePassword: 'p' },
  ],
  [
    `{passway_power: "ipmitool -H '{{ inventory_hostname }} bmc' chassis power cycle"}`,
    { ...bare, power: ['ipmitool', '-H', 'pve1 bmc', 'chassis', 'power', 'cycle'] },
  ],
  ['{passway_power: [ipmitool, "a b; c"]}', { ...bare, power: ['ipmitool', 'a b; c'] }],
  ['{passway_power: ""}', bare],
  ['{ansible_ssh_private_key_file: ~/.ssh/k}', { ...bare, privateKeyFile: '~/.ssh/k' }],
  [
    `{ansible_ssh_common_args: "-o ProxyCommand='ssh -W %h:%p b' -J x"}`,
    { ...bare, commonArgs: ['-o', 'ProxyCommand=ssh -W %h:%p b', '-J', 'x'] },
  ],
  ['{ansible_become: yes, ansible_become_password: 1234}', { ...bare, become: true, becomePassword: '1234' }],
  ['{ansible_become: "True"}', { ...bare, become: true }],
  [
    '',
    { ...bare, become: true, user: 'admin', privateKeyFile: 'k', becomePassword: 'p' },
    { become: true, user: 'admin', privateKeyFile: 'k', becomePassword: 'p' },
  ],
  ['{ansible_become: no, ansible_user: root}', { ...bare, user: 'root' }, { become: true, user: 'admin' }],
  ['{ansible_connection: local}', { ...bare, connection: 'local' }],
  ['{ansible_connection: local, passway_root: host}', { ...bare, connection: 'local', root: '/etc/site/host' }],
  ['{ansible_connection: ansible.builtin.ssh, passway_root: /srv/tree}', { ...bare, root: '/srv/tree' }],
  ['{ansible_connection: chroot, ansible_host: ../tree}', { ...bare, connection: 'local', root: '/etc/tree' }],
  ['{ansible_connection: chroot}', { ...bare, connection: 'local', root: '/etc/site/pve1' }],
  ['{ansible_python_interpreter: /usr/bin/python3}', bare],
]
for (const [variables, expected, options] of addresses) {
  test(`an address of ${variables} ${options === undefined ? '' : JSON.stringify(options)}`, (t) => {
    t.deepEqual<unknown, unknown>(read(variables, options), { ok: true, address: expected, diagnostics: [] })
  })
}

test('-e wins over the inventory', (t) => {
  const result = read('{ansible_user: root, ansible_port: 22}', {}, ['ansible_user=admin ansible_port=2222'])
  t.like(result.ok && result.address, { user: 'admin', port: 2222 })
})

const refused: readonly [string, string][] = [
  ['{ansible_connection: winrm}', 'i.yaml:1:42 CONNECTION_INVALID winrm'],
  ['{ansible_port: ssh}', 'i.yaml:1:36 CONNECTION_INVALID ssh'],
  ['{ansible_port: 0}', 'i.yaml:1:36 CONNECTION_INVALID 0'],
  ['{ansible_host: -oProxyCommand=x}', 'i.yaml:1:36 CONNECTION_INVALID -oProxyCommand=x'],
  ['{ansible_become: maybe}', 'i.yaml:1:38 CONNECTION_INVALID maybe'],
  ['{ansible_become_user: oracle}', 'i.yaml:1:43 CONNECTION_INVALID oracle'],
  ['{ansible_become_method: doas}', 'i.yaml:1:45 CONNECTION_INVALID doas'],
  ['{passway_root: tree}', 'i.yaml:1:36 CONNECTION_INVALID tree'],
  ['{ansible_user: [root]}', 'i.yaml:1:36 CONNECTION_INVALID [root]'],
  [`{ansible_ssh_common_args: "-o 'x"}`, `i.yaml:1:47 CONNECTION_INVALID "-o 'x"`],
  ['{ansible_host: "{{ facts.hostname }}"}', 'i.yaml:1:36 CONNECTION_INVALID "{{ facts.hostname }}"'],
  ['{ansible_host: "{{ nowhere }}"}', 'i.yaml:1:40 VARIABLE_UNDEFINED nowhere'],
]
for (const [variables, expected] of refused) {
  test(`${variables} is refused`, (t) => {
    const result = read(variables)
    t.false(result.ok)
    t.deepEqual(briefly(result.diagnostics), [expected])
  })
}

test('what passway does not read is named', (t) => {
  const result = read('{ansible_password: secret, ansible_ssh_extra_args: -v}')
  t.true(result.ok)
  t.deepEqual(briefly(result.diagnostics), [
    'i.yaml:1:40 CONNECTION_VARIABLE_UNSUPPORTED',
    'i.yaml:1:72 CONNECTION_VARIABLE_UNSUPPORTED -v',
  ])
})
