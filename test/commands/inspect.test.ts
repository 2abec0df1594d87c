import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { makeTree } from '../host-trees/open-tree.ts'
import { readTopology, topologyTree } from '../topologies/open-topology.ts'
import { runCli, unpackDemo } from './run-cli.ts'

type Host = Record<string, unknown> & {
  readonly host: string
  readonly status: string
  readonly diagnostics: readonly { readonly code: string; readonly hint?: string }[]
  readonly devices: readonly Record<string, unknown>[]
  readonly groups: readonly Record<string, unknown>[]
  readonly closure?: Record<string, unknown>
}

/** An inventory of machines as trees. */
function writeInventory(t: ExecutionContext, names: readonly string[]): string {
  const cwd = mkdtempSync(join(tmpdir(), 'passway-inspect-'))
  t.teardown(() => rmSync(cwd, { recursive: true, force: true }))
  const lines = names.map(
    (name) => `${name} ansible_connection=local passway_root=${makeTree(t, topologyTree(readTopology(name)))}\n`,
  )
  writeFileSync(join(cwd, 'hosts.ini'), lines.join(''))
  return cwd
}

async function inspectJson(
  cwd: string,
  args: readonly string[],
): Promise<{ code: number | null; hosts: readonly Host[] }> {
  const { code, stdout } = await runCli(['inspect', '-i', 'hosts.ini', '--json', ...args], { cwd })
  return { code, hosts: (JSON.parse(stdout) as { hosts: readonly Host[] }).hosts }
}

test('the tree of several hosts, as text and as JSON', async (t) => {
  const cwd = writeInventory(t, ['z170-two-displays', 'x570-matisse'])
  const text = await runCli(['inspect', '-i', 'hosts.ini'], { cwd })
  t.is(text.code, 0, text.stderr)
  t.regex(text.stdout, /^z170-two-displays .*20 PCI functions/m)
  t.regex(text.stdout, /^x570-matisse .*PCI functions/m)

  const { code, hosts } = await inspectJson(cwd, [])
  t.is(code, 0)
  t.deepEqual(
    hosts.map(({ host, status }) => [host, status]),
    [
      ['z170-two-displays', 'ok'],
      ['x570-matisse', 'ok'],
    ],
  )
  const [first] = hosts
  t.false('closure' in (first ?? {}))
  t.true(Array.isArray(first?.['livesOn']))
  t.like(
    first?.devices.find(({ address }) => address === '0000:01:00.0'),
    {
      id: '10de:1401',
      class: '030000',
      className: 'VGA controller',
      driver: null,
      iommuGroup: 1,
      numaNode: null,
      parent: '0000:00:01.0',
      bootVga: false,
    },
  )
  t.like(first?.groups[1], { id: 1, members: ['0000:00:01.0', '0000:01:00.0', '0000:01:00.1'] })
})

test('--device: the closure and the verdict', async (t) => {
  const cwd = writeInventory(t, ['starship-equal-gpus'])
  const { code, hosts } = await inspectJson(cwd, ['--device', '42:00.0'])
  t.is(code, 0)
  t.like(hosts[0]?.closure, {
    target: '0000:42:00.0',
    members: ['0000:42:00.0', '0000:42:00.1'],
    bridgesLeftOut: [],
    slotSiblings: [],
    sharedIds: { '10de:1aef': ['0000:61:00.1'], '10de:2230': ['0000:61:00.0'] },
    verdict: 'bind-by-address',
  })
  const both = await inspectJson(cwd, ['--device', '42:00.0', '--device', '0000:61:00.0'])
  t.like(both.hosts[0]?.closure, { targets: ['0000:42:00.0', '0000:61:00.0'], sharedIds: {}, verdict: 'ok' })
})

test('an argument that is almost one of passthrough is told', async (t) => {
  const { hosts } = await inspectJson(writeInventory(t, ['starship-equal-gpus', 'b550-acs-override']), [])
  t.like(hosts[0]?.diagnostics[0], { code: 'ARGUMENT_MISSPELT', hint: 'did you mean "vfio-pci.ids"?' })
  t.deepEqual(hosts[1]?.diagnostics, [])
})

test('a device that is not there, and one that is no address', async (t) => {
  const cwd = writeInventory(t, ['z170-two-displays'])
  const { code, hosts } = await inspectJson(cwd, ['--device', '0000:01:00.5'])
  t.is(code, 1)
  t.is(hosts[0]?.status, 'refused')
  t.like(hosts[0]?.diagnostics[0], { code: 'DEVICE_ABSENT', hint: 'did you mean 0000:01:00.0 or 0000:01:00.1?' })
  const wrong = await runCli(['inspect', '-i', 'hosts.ini', '--device', '10de:1401'], { cwd })
  t.is(wrong.code, 64)
  t.true(wrong.stderr.includes('this is an id'))
})

test('the demo host', async (t) => {
  const cwd = await unpackDemo(t)
  const { code, stdout, stderr } = await runCli(['inspect', '-v'], { cwd })
  t.is(code, 0, stderr)
  t.regex(stdout, /0000:2b:00\.0 +15 +10de:1c82 +nouveau/)
  t.regex(stdout, /0000:01:00\.0 .*\u25cf root file system/)
  t.regex(stdout, /^The host lives on\n +0000:01:00\.0 +root file system +\/ \u2190 nvme0n1p2/m)

  const sata = await runCli(['inspect', '--device', '03:00.1', '--json'], { cwd })
  t.is(sata.code, 0, 'a refusal is an answer')
  const [host] = (JSON.parse(sata.stdout) as { hosts: readonly Host[] }).hosts
  t.is(host?.closure?.['verdict'], 'refuse')
  const refusals = (host?.['refusals'] ?? []) as { code: string }[]
  const codes = refusals.map(({ code }) => code)
  t.true(codes.includes('RESET_MISSING'))
  t.false(codes.includes('GROUP_SHARED'), 'told by the closure')
  const refusedFor = (host?.closure?.['refusedFor'] ?? []) as string[]
  t.true(refusedFor.includes('GROUP_SHARED') && refusedFor.includes('RESET_MISSING'), refusedFor.join(' '))
  const people = await runCli(['inspect', '--device', '03:00.1'], { cwd })
  t.true(people.stdout.includes(`refused: ${refusedFor.join(', ')}\n`), people.stdout)
})
