import { existsSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { runCli, unpackFleet } from './run-cli.ts'

type Host = {
  readonly host: string
  readonly status: string
  readonly diagnostics: readonly { readonly code: string }[]
  readonly next: readonly string[]
  readonly [field: string]: unknown
}

const playbook = ['- hosts: all', '  tasks:', '    - kernel_cmdline: {present: ["iommu=pt"]}', ''].join('\n')

/** Two trees and a host that refuses the connection, which stands between them. */
async function makeFleet(t: ExecutionContext): Promise<string> {
  const cwd = await unpackFleet(t, { trees: ['b1', 'b3'], refusing: 'b2' })
  writeFileSync(join(cwd, 'small.yaml'), playbook)
  return cwd
}

async function runJson(cwd: string, args: readonly string[]): Promise<{ code: number | null; hosts: readonly Host[] }> {
  const { code, stdout } = await runCli([...args, '--json'], { cwd })
  return { code, hosts: (JSON.parse(stdout) as { hosts: readonly Host[] }).hosts }
}

test('one host that is not reached stops an apply before anything is written', async (t) => {
  const cwd = await makeFleet(t)
  const { code, stdout } = await runCli(['apply', 'small.yaml', '--yes'], { cwd })
  t.is(code, 4)
  t.true(stdout.includes('Nothing was written on any host (--keep-going applies the others).'), stdout)
  t.true(stdout.includes('next: ssh -p 1 localhost true'), stdout)
  t.is(stdout.split('CONNECTION_REFUSED').length, 2, 'told once')
})

test('--keep-going: hosts in the order of the inventory, each with the fields of the contract and a next command', async (t) => {
  const cwd = await makeFleet(t)
  const applied = await runJson(cwd, ['apply', 'small.yaml', '--yes', '--keep-going'])
  t.is(applied.code, 4)
  const back = await runJson(cwd, ['rollback', '--yes', '--keep-going'])
  t.is(back.code, 4)
  for (const { hosts } of [applied, back]) {
    t.deepEqual(
      hosts.map(({ host, status }) => `${host} ${status}`),
      ['b1 ok', 'b2 unreachable', 'b3 ok'],
    )
    for (const host of hosts)
      for (const field of ['record', 'state', 'reboot', 'regenerated', 'leftToDo', 'next']) t.true(field in host, field)
    t.deepEqual(hosts[1]?.next, ['ssh -p 1 localhost true'])
  }
  t.deepEqual(applied.hosts[0]?.next, ['passway rollback -l b1'])
})

test('hosts after one that failed are not begun: failed, and how to go on', async (t) => {
  const cwd = await makeFleet(t)
  const { code, hosts } = await runJson(cwd, ['reboot', '-l', 'b1,b3'])
  t.is(code, 1)
  t.deepEqual(
    hosts.map(({ host, diagnostics, next }) => [host, diagnostics[0]?.code, next]),
    [
      ['b1', 'REBOOT_OF_TREE', ['passway records -l b1']],
      ['b3', 'NOT_BEGUN', ['passway reboot -l b3']],
    ],
  )
})

test('every host that fails ends with its state and one next command that reaches it in the same way', async (t) => {
  const cwd = await makeFleet(t)
  writeFileSync(join(cwd, 'bad.yaml'), playbook.replace('iommu=pt', 'hugepages=4'))
  const { code, stdout } = await runCli(['plan', 'bad.yaml', '-l', 'b1', '-e', 'a=1', '-i', 'inventory.yaml'], { cwd })
  t.is(code, 1)
  t.regex(stdout, /state: as it was: .*\nnext: passway plan bad\.yaml -i inventory\.yaml -l b1 -e a=1\n$/)
})

test('a stale plan is made again, not applied again', async (t) => {
  const cwd = await makeFleet(t)
  t.is((await runCli(['plan', 'small.yaml', '-l', 'b1', '--out', 'my.plan'], { cwd })).code, 0)
  t.is((await runCli(['apply', 'small.yaml', '-l', 'b1', '--yes'], { cwd })).code, 0)
  const stale = await runCli(['apply', 'my.plan', '--yes'], { cwd })
  t.is(stale.code, 1)
  t.true(stale.stdout.includes('PLAN_STALE'))
  t.true(stale.stdout.includes('next: passway plan small.yaml -l b1'), stale.stdout)
})

test('a refused plan does not count tasks that hold', async (t) => {
  const cwd = await makeFleet(t)
  const tasks = '    - kernel_cmdline: {present: ["hugepages=4"]}\n    - modules_load: {modules: [loop]}\n'
  writeFileSync(join(cwd, 'bad.yaml'), `- hosts: b1\n  tasks:\n${tasks}`)
  const { stdout } = await runCli(['plan', 'bad.yaml'], { cwd })
  t.true(stdout.includes('nothing will be written\n'), stdout)
})

test('records that could not be read are not called none', async (t) => {
  const cwd = await makeFleet(t)
  const home = { XDG_STATE_HOME: join(cwd, 'state') }
  const { code, stdout } = await runCli(['records'], { cwd, environment: home })
  t.is(code, 4)
  t.true(stdout.includes('b1\n  no records'), stdout)
  t.true(stdout.includes('b2  its records could not be read'), stdout)
})

test('a host that is not reached: what became of it and what to run next, whatever was asked', async (t) => {
  const cwd = await makeFleet(t)
  const home = { environment: { XDG_STATE_HOME: join(cwd, 'state') }, cwd }
  for (const args of [['plan', 'small.yaml'], ['inspect'], ['records'], ['reboot'], ['confirm']]) {
    const { code, stdout } = await runCli([...args, '-l', 'b2', '--json'], home)
    t.is(code, 4, args.join(' '))
    const [host] = (JSON.parse(stdout) as { hosts: readonly Host[] }).hosts
    t.deepEqual(host?.next, ['ssh -p 1 localhost true'], args.join(' '))
    const shown = await runCli([...args, '-l', 'b2'], home)
    t.regex(shown.stdout, /state: as it was: .*\nnext: ssh -p 1 localhost true\n$/, args.join(' '))
  }
})

test('reboot says nothing of a host that it did not reach', async (t) => {
  const cwd = await makeFleet(t)
  const { stdout, stderr } = await runCli(['reboot', '-l', 'b2', '--json'], { cwd })
  t.false(stderr.includes('rebooting'), stderr)
  t.is((JSON.parse(stdout) as { hosts: readonly Host[] }).hosts[0]?.['reboot'], 'none')
})

test('two names for one tree are refused', async (t) => {
  const cwd = await makeFleet(t)
  symlinkSync('host', join(cwd, 'same'))
  const hosts = [
    'b1: {ansible_connection: local, passway_root: host}',
    'b2: {ansible_connection: chroot, ansible_host: same}',
  ]
  writeFileSync(join(cwd, 'inventory.yaml'), `all:\n  hosts:\n    ${hosts.join('\n    ')}\n`)
  const { code, stdout } = await runCli(['plan', 'small.yaml'], { cwd })
  t.is(code, 1)
  t.is(stdout.split('HOST_DUPLICATE').length, 3, stdout)
})

for (const state of ['', 'state'])
  test(`copies of records are kept in the user's directory: XDG_STATE_HOME=${state}`, async (t) => {
    const cwd = await makeFleet(t)
    const environment = { XDG_STATE_HOME: state, XDG_RUNTIME_DIR: '', HOME: join(cwd, 'home') }
    t.is((await runCli(['apply', 'small.yaml', '-l', 'b1', '--yes'], { cwd, environment })).code, 0)
    t.is(readdirSync(join(cwd, 'home/.local/state/passway/records')).length, 1)
    t.false(existsSync(join(cwd, 'passway')) || existsSync(join(cwd, 'state')))
  })

test('a tree has nothing to boot: apply --reboot says so after it has applied', async (t) => {
  const cwd = await makeFleet(t)
  const { code, stdout, stderr } = await runCli(['apply', 'small.yaml', '-l', 'b1', '--yes', '--reboot'], { cwd })
  t.is(code, 1)
  t.regex(stdout, /state: not booted: .*\nnext: passway records -l b1\n$/)
  t.false(stderr.includes('at its console'), 'no way back for a boot that does not happen')
})
