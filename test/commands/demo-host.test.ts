import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { readTree } from '../../src/host/tree.ts'
import { runCli, unpackDemo } from './run-cli.ts'

type Document = {
  readonly format: number
  readonly tool: string
  readonly hosts: readonly (Record<string, unknown> & { readonly status: string })[]
}

function parse(text: string): Document {
  return JSON.parse(text) as Document
}

/** Everything but passway's own records. */
function hostFiles(directory: string): unknown[] {
  return readTree(join(directory, 'host')).filter(({ path }) => !path.startsWith('/var/lib/passway'))
}

test('plan, apply, a second plan, rollback on the demo host', async (t) => {
  const cwd = await unpackDemo(t)
  const before = hostFiles(cwd)

  const wanted = await runCli(['plan', 'playbook.yaml', '--detailed-exitcode'], { cwd })
  t.is(wanted.code, 2, wanted.stderr)
  t.true(wanted.stdout.includes('+softdep nouveau pre: vfio-pci'))
  t.deepEqual(hostFiles(cwd), before, 'plan writes nothing')

  const applied = await runCli(['apply', 'playbook.yaml', '--yes', '--json'], { cwd })
  t.is(applied.code, 0, applied.stderr)
  const [host] = parse(applied.stdout).hosts
  t.is(host?.['state'], 'committed')
  t.is(host?.['reboot'], 'needed')
  t.notDeepEqual(hostFiles(cwd), before)

  const again = await runCli(['plan', 'playbook.yaml', '--detailed-exitcode', '--json'], { cwd })
  t.is(again.code, 0, again.stderr)
  const [second] = parse(again.stdout).hosts
  t.deepEqual(second?.['changes'], [])
  t.notDeepEqual(second?.['pending'], [], 'what is saved waits for a boot')

  const records = await runCli(['records'], { cwd })
  t.true(records.stdout.includes(`${String(host?.['record'])}  committed`))

  const back = await runCli(['rollback', '--yes'], { cwd })
  t.is(back.code, 0, back.stderr)
  t.deepEqual(hostFiles(cwd), before)
})

test('a playbook that asks for less leaves what an earlier one did, and says so; --prune takes it away', async (t) => {
  const cwd = await unpackDemo(t)
  t.is((await runCli(['apply', 'playbook.yaml', '--yes'], { cwd })).code, 0)
  writeFileSync(join(cwd, 'less.yaml'), '- hosts: all\n  tasks:\n    - kernel_cmdline: { present: [iommu=pt] }\n')
  const kept = await runCli(['plan', 'less.yaml', '--json'], { cwd })
  t.is(kept.code, 0, kept.stdout)
  const [host] = parse(kept.stdout).hosts
  t.deepEqual(host?.['changes'], [])
  t.notDeepEqual(host?.['orphans'], [])
  t.is((await runCli(['apply', 'less.yaml', '--yes', '--prune'], { cwd })).code, 0)
  const after = await runCli(['plan', 'less.yaml', '--json', '--detailed-exitcode'], { cwd })
  t.is(after.code, 0, after.stdout)
})

test('the JSON of plan keeps the contract', async (t) => {
  const cwd = await unpackDemo(t)
  const { stdout, stderr, code } = await runCli(['plan', 'playbook.yaml', '--json'], { cwd })
  t.is(code, 0)
  t.is(stderr, '')
  const document = parse(stdout)
  t.is(document.format, 1)
  const [host] = document.hosts
  t.truthy(host)
  for (const field of [
    'machineId',
    'kernelRelease',
    'bootId',
    'tasks',
    'changes',
    'regenerate',
    'pending',
    'orphans',
    'reboot',
    'nextBoot',
  ])
    t.true(field in (host ?? {}), field)
  const changes = host?.['changes'] as {
    kind: string
    target: string
    before: unknown
    after: Record<string, unknown>
  }[]
  const grub = changes.find(({ target }) => target === '/etc/default/grub')
  t.is(grub?.kind, 'file')
  t.is(grub?.after['mode'], '0644')
  t.true(String(grub?.after['content']).includes('hugepagesz=1G hugepages=16'))
  t.is(new Set(changes.map(({ kind, target }) => `${kind} ${target}`)).size, changes.length, 'one change per target')
  t.deepEqual(host?.['regenerate'], ['initramfs', 'boot-loader'])
  const next = host?.['nextBoot'] as { drivers: Record<string, { now: string; next: string }> }
  t.like(next.drivers['0000:2b:00.0'], { now: 'nouveau', next: 'vfio-pci' })
})

test('a saved plan is applied exactly, or refused as stale', async (t) => {
  const cwd = await unpackDemo(t)
  const saved = await runCli(['plan', 'playbook.yaml', '--out', 'my.plan'], { cwd })
  t.is(saved.code, 0, saved.stderr)
  t.is(statSync(join(cwd, 'my.plan')).mode & 0o777, 0o600)

  const grub = join(cwd, 'host/etc/default/grub')
  const original = readFileSync(grub, 'utf8')
  writeFileSync(grub, original.replace('GRUB_TIMEOUT=5', 'GRUB_TIMEOUT=9'))
  const stale = await runCli(['apply', 'my.plan', '--yes'], { cwd })
  t.is(stale.code, 1)
  t.true(stale.stdout.includes('PLAN_STALE'))
  t.true(stale.stdout.includes('/etc/default/grub'))

  writeFileSync(grub, original)
  const applied = await runCli(['apply', 'my.plan', '--yes'], { cwd })
  t.is(applied.code, 0, applied.stderr + applied.stdout)
})

test('the way back takes effect when the change did', async (t) => {
  const cwd = await unpackDemo(t)
  t.is((await runCli(['apply', 'playbook.yaml', '--yes'], { cwd })).code, 0)
  const [host] = parse((await runCli(['rollback', '--yes', '--json'], { cwd })).stdout).hosts
  const changes = host?.['changes'] as { target: string; takesEffect: string }[]
  const effects = Object.fromEntries(changes.map(({ target, takesEffect }) => [target, takesEffect]))
  t.is(effects['/etc/default/irqbalance'], 'now')
  t.is(effects['/etc/default/grub'], 'boot')
})

test('a question without a terminal ends with 64 and writes nothing', async (t) => {
  const cwd = await unpackDemo(t)
  const before = hostFiles(cwd)
  const { code, stderr } = await runCli(['apply', 'playbook.yaml'], { cwd })
  t.is(code, 64)
  t.true(stderr.includes('--yes'))
  t.deepEqual(hostFiles(cwd), before)
})

test('an edit outside of what a record wrote stays when it is rolled back', async (t) => {
  const cwd = await unpackDemo(t)
  const grub = join(cwd, 'host/etc/default/grub')
  const original = readFileSync(grub, 'utf8')
  t.is((await runCli(['apply', 'playbook.yaml', '--yes'], { cwd })).code, 0)
  writeFileSync(grub, readFileSync(grub, 'utf8').replace('GRUB_TIMEOUT=5', 'GRUB_TIMEOUT=9'))
  const back = await runCli(['rollback', '--yes'], { cwd })
  t.is(back.code, 0, back.stderr + back.stdout)
  t.is(readFileSync(grub, 'utf8'), original.replace('GRUB_TIMEOUT=5', 'GRUB_TIMEOUT=9'))
})
