import { cpSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { runCli, unpackFleet } from './run-cli.ts'

const task = '    - kernel_cmdline: {present: ["iommu=pt"]}'

/** Two trees of which a playbook names the first, and a host that refuses the connection. */
async function makeFleet(t: ExecutionContext): Promise<string> {
  const cwd = await unpackFleet(t, { trees: ['near', 'gone'], refusing: 'far' })
  writeFileSync(join(cwd, 'near.yaml'), `- hosts: near\n  tasks:\n${task}\n`)
  writeFileSync(join(cwd, 'both.yaml'), `- hosts: near,far\n  tasks:\n${task}\n`)
  writeFileSync(join(cwd, 'far.yaml'), `- hosts: far\n  tasks:\n${task}\n`)
  return cwd
}

type Document = {
  readonly diagnostics: readonly { readonly code: string }[]
  readonly hosts: readonly {
    readonly host: string
    readonly status: string
    readonly diagnostics: readonly { readonly code: string }[]
    readonly next: readonly string[]
  }[]
}

function readDocument(text: string): Document {
  return JSON.parse(text) as Document
}

test('where no host was reached no plan is saved', async (t) => {
  const cwd = await makeFleet(t)
  const { code, stderr } = await runCli(['plan', 'far.yaml', '--out', 'my.plan'], { cwd })
  t.is(code, 4)
  t.true(stderr.includes('PLAN_NOT_SAVED'), stderr)
  t.false(stderr.includes('saved: my.plan'), stderr)
  t.false(existsSync(join(cwd, 'my.plan')))
})

test('a host that was not reached stays in the saved plan: it is named, and its plan cannot be applied', async (t) => {
  const cwd = await makeFleet(t)
  const saved = await runCli(['plan', 'both.yaml', '--out', 'my.plan'], { cwd })
  t.is(saved.code, 4)
  t.regex(
    saved.stderr,
    /^saved: my\.plan without far \(not reached\); apply exactly this with: passway apply my\.plan$/m,
  )
  const refused = await runCli(['apply', 'my.plan', '--yes'], { cwd })
  t.is(refused.code, 1, refused.stdout)
  t.true(refused.stdout.includes('Nothing was written on any host (--keep-going applies the others).'))
  const applied = await runCli(['apply', 'my.plan', '--yes', '--keep-going', '--json'], { cwd })
  t.is(applied.code, 1)
  t.deepEqual(
    readDocument(applied.stdout).hosts.map(({ host, status, diagnostics }) => [host, status, diagnostics[0]?.code]),
    [
      ['near', 'ok', undefined],
      ['far', 'refused', 'HOST_NOT_PLANNED'],
    ],
  )
  t.deepEqual(readDocument(applied.stdout).hosts[1]?.next, ['passway plan both.yaml -l far'])
})

test('a refused host is not in the saved plan either', async (t) => {
  const cwd = await makeFleet(t)
  const conflict = '- hosts: gone\n  tasks:\n    - kernel_cmdline: {present: ["hugepages=4"]}\n'
  writeFileSync(join(cwd, 'mixed.yaml'), `${readFileSync(join(cwd, 'near.yaml'), 'utf8')}${conflict}`)
  const saved = await runCli(['plan', 'mixed.yaml', '--out', 'my.plan'], { cwd })
  t.is(saved.code, 1)
  t.true(saved.stderr.includes('without gone (refused)'), saved.stderr)
  t.is((await runCli(['apply', 'my.plan', '--yes', '-l', 'gone'], { cwd })).code, 1)
  t.is((await runCli(['apply', 'my.plan', '--yes', '-l', 'near'], { cwd })).code, 0)
})

test('a selection that the plan has nothing for is no success', async (t) => {
  const cwd = await makeFleet(t)
  t.is((await runCli(['plan', 'near.yaml', '--out', 'my.plan'], { cwd })).code, 0)
  const other = await runCli(['apply', 'my.plan', '--yes', '-l', 'gone'], { cwd })
  t.is(other.code, 1)
  t.true(other.stderr.includes('NO_HOSTS'), other.stderr)
  const text = readFileSync(join(cwd, 'my.plan'), 'utf8')
  writeFileSync(join(cwd, 'empty.plan'), JSON.stringify({ ...(JSON.parse(text) as object), hosts: [] }))
  t.is((await runCli(['apply', 'empty.plan', '--yes'], { cwd })).code, 1)
})

test('commands to run next reach the host from wherever the plan was applied', async (t) => {
  const cwd = await makeFleet(t)
  const away = join(cwd, 'away')
  mkdirSync(away)
  for (const inventory of [['-i', 'inventory.yaml'], []]) {
    t.is((await runCli(['plan', 'near.yaml', ...inventory, '--out', 'my.plan'], { cwd })).code, 0)
    const applied = await runCli(['apply', '../my.plan', '--yes', '--json'], { cwd: away })
    t.is(applied.code, 0, applied.stdout)
    t.deepEqual(readDocument(applied.stdout).hosts[0]?.next, [
      `passway rollback -i ${join(cwd, 'inventory.yaml')} -l near`,
    ])
    const stale = await runCli(['apply', '../my.plan', '--yes', '--json'], { cwd: away })
    t.deepEqual(readDocument(stale.stdout).hosts[0]?.next, [
      `passway plan ${join(cwd, 'near.yaml')} -i ${join(cwd, 'inventory.yaml')} -l near`,
    ])
    t.is((await runCli(['rollback', '--yes', '-l', 'near'], { cwd })).code, 0)
  }
})

test('beside its inventory the commands stay short', async (t) => {
  const cwd = await makeFleet(t)
  t.is((await runCli(['plan', 'near.yaml', '--out', 'my.plan'], { cwd })).code, 0)
  const applied = await runCli(['apply', 'my.plan', '--yes', '--json'], { cwd })
  t.deepEqual(readDocument(applied.stdout).hosts[0]?.next, ['passway rollback -l near'])
})

for (const out of ['near.yaml', 'inventory.yaml', './near.yaml', 'link', 'host', 'notes.json'])
  test(`plan --out replaces nothing but a saved plan: ${out}`, async (t) => {
    const cwd = await makeFleet(t)
    writeFileSync(join(cwd, 'notes.json'), '{"mine": true}\n')
    cpSync(join(cwd, 'near.yaml'), join(cwd, 'link'))
    const before = out === 'host' ? '' : readFileSync(join(cwd, out), 'utf8')
    const { code, stderr } = await runCli(['plan', 'near.yaml', '--out', out], { cwd })
    t.is(code, 64)
    t.true(stderr.includes('is no saved plan'), stderr)
    if (out !== 'host') t.is(readFileSync(join(cwd, out), 'utf8'), before)
  })

test('plan --out replaces an earlier plan, and a file that is empty', async (t) => {
  const cwd = await makeFleet(t)
  writeFileSync(join(cwd, 'my.plan'), '', { mode: 0o644 })
  for (const time of ['first', 'second'])
    t.is((await runCli(['plan', 'near.yaml', '--out', 'my.plan'], { cwd })).code, 0, time)
  t.is(statSync(join(cwd, 'my.plan')).mode & 0o777, 0o600)
})

for (const [option, shown] of [
  [['--prune'], '--prune'],
  [['-e', 'size=4'], '-e size'],
] as const)
  test(`a saved plan is applied exactly: ${option.join(' ')}`, async (t) => {
    const cwd = await makeFleet(t)
    t.is((await runCli(['plan', 'near.yaml', '--out', 'my.plan'], { cwd })).code, 0)
    const { code, stderr } = await runCli(['apply', 'my.plan', '--yes', ...option], { cwd })
    t.is(code, 64)
    t.true(stderr.includes(`a saved plan is applied exactly; plan again with ${shown}`), stderr)
  })

test('how the host is reached may still be said', async (t) => {
  const cwd = await makeFleet(t)
  const reach = ['-i', 'one,', '-e', `{"ansible_connection": "local", "passway_root": "${join(cwd, 'host')}"}`]
  writeFileSync(join(cwd, 'all.yaml'), `- hosts: all\n  tasks:\n    - kernel_cmdline: {present: ["{{ word }}"]}\n`)
  const saved = await runCli(['plan', 'all.yaml', ...reach, '-e', 'word=iommu=pt', '--out', 'my.plan'], { cwd })
  t.is(saved.code, 0, saved.stderr)
  t.true(saved.stderr.includes('ansible_connection'), saved.stderr)
  t.false(saved.stderr.includes('word='), saved.stderr)
  const applied = await runCli(['apply', 'my.plan', '--yes', ...reach], { cwd })
  t.is(applied.code, 0, applied.stderr)
})
