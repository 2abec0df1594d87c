import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { runCli, unpackDemo } from './run-cli.ts'

type Host = {
  readonly status: string
  readonly record: string | null
  readonly state: string | null
  readonly diagnostics: readonly { readonly severity: string; readonly code: string; readonly hint?: string }[]
  readonly changes: readonly { readonly target: string; readonly after: { readonly content: string } }[]
  readonly next: readonly string[]
}

const grub = 'host/etc/default/grub'

async function run(
  cwd: string,
  args: readonly string[],
): Promise<{ readonly code: number | null; readonly host: Host }> {
  const { code, stdout } = await runCli([...args, '--json'], { cwd })
  const [host] = (JSON.parse(stdout) as { hosts: readonly Host[] }).hosts
  return { code, host: host as Host }
}

/** Applies each argument in a run of its own; their records, oldest first. */
async function applyAll(t: ExecutionContext, cwd: string, args: readonly string[]): Promise<string[]> {
  const records: string[] = []
  for (const [index] of args.entries()) {
    const list = args.slice(0, index + 1).join(', ')
    writeFileSync(join(cwd, 'small.yaml'), `- hosts: all\n  tasks:\n    - kernel_cmdline: {present: [${list}]}\n`)
    const { code, host } = await run(cwd, ['apply', 'small.yaml', '--yes'])
    t.is(code, 0, JSON.stringify(host))
    records.push(String(host.record))
  }
  return records
}

test('a rollback that edits stand in the way of shows what it would do to them, and how to insist', async (t) => {
  const cwd = await unpackDemo(t)
  const [record = ''] = await applyAll(t, cwd, ['one=1'])
  const written = readFileSync(join(cwd, grub), 'utf8')
  writeFileSync(join(cwd, grub), written.replace('one=1', 'one=1 mine=2'))
  const { code, host } = await run(cwd, ['rollback', record, '--yes'])
  t.is(code, 1)
  t.deepEqual(
    host.diagnostics.map((found) => found.code),
    ['CHANGED_SINCE'],
  )
  t.deepEqual(
    host.changes.map(({ target }) => target),
    ['/etc/default/grub'],
  )
  t.false(host.changes[0]?.after.content.includes('mine=2'))
  t.true(host.next[0]?.startsWith(`passway rollback ${record} `) && host.next[0].endsWith(' --force'), host.next[0])
  const { stdout } = await runCli(['rollback', '--yes'], { cwd })
  t.regex(stdout, /^ *-.*mine=2/m)
  t.false(/^(rebuilt|reboot) /m.test(stdout), stdout)
  t.true(stdout.includes('Nothing was written on any host'))

  const forced = await run(cwd, ['rollback', '--yes', '--force'])
  t.is(forced.code, 0)
  const told = forced.host.diagnostics.filter((found) => found.code === 'CHANGED_SINCE')
  t.deepEqual(
    [...new Set(told.map(({ severity, hint }) => `${severity}: ${hint}`))],
    ['warning: their version is kept in the record'],
  )
  t.false(readFileSync(join(cwd, grub), 'utf8').includes('mine=2'))
})

test('below a newer record: what --through takes along, and no word of edits that are ours', async (t) => {
  const cwd = await unpackDemo(t)
  const before = readFileSync(join(cwd, grub), 'utf8')
  const [first = ''] = await applyAll(t, cwd, ['one=1', 'two=2'])
  const { code, host } = await run(cwd, ['rollback', first, '--yes'])
  t.is(code, 1)
  t.deepEqual(
    host.diagnostics.map((found) => found.code),
    ['NEWER_RECORDS'],
  )
  t.is(host.changes.find(({ target }) => target === '/etc/default/grub')?.after.content, before)
  t.true(host.next[0]?.endsWith(' --through'), host.next[0])
  t.is((await run(cwd, ['rollback', first, '--yes', '--through'])).code, 0)
  t.is(readFileSync(join(cwd, grub), 'utf8'), before)
})

test('what was given stays in the command to run next', async (t) => {
  const cwd = await unpackDemo(t)
  const [first = ''] = await applyAll(t, cwd, ['one=1', 'two=2'])
  writeFileSync(join(cwd, grub), readFileSync(join(cwd, grub), 'utf8').replace('two=2', 'two=3'))
  const { host } = await run(cwd, ['rollback', first, '--yes', '--through'])
  t.true(host.next[0]?.endsWith(' --through --force'), host.next[0])
})

test('a record that was taken back already: nothing is done, and said so', async (t) => {
  const cwd = await unpackDemo(t)
  const [record = ''] = await applyAll(t, cwd, ['one=1'])
  t.is((await run(cwd, ['rollback', '--yes'])).code, 0)
  const { code, host } = await run(cwd, ['rollback', record, '--yes'])
  t.is(code, 0)
  t.deepEqual([host.status, host.record, host.state, host.changes], ['ok', record, 'reverted', []])
  const { stdout } = await runCli(['rollback', record, '--yes'], { cwd })
  t.true(stdout.includes(`record ${record} was taken back already: nothing is to be done`), stdout)
  t.false(stdout.includes('rolled back'), stdout)
  const confirmed = await run(cwd, ['confirm'])
  t.deepEqual([confirmed.host.record, confirmed.host.state], [record, 'reverted'])
})

for (const record of ['badid!', '../../etc'])
  test(`no record has such a form: ${record}`, async (t) => {
    const { code, stderr } = await runCli(['rollback', record, '-i', 'nobody.invalid,', '--yes'])
    t.is(code, 64)
    t.true(stderr.includes('has not the form of a record; passway records lists them'), stderr)
  })
