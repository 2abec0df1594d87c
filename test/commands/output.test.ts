import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { packageRoot } from '../../src/package-root.ts'
import { testUnless } from '../host/skip.ts'
import { runCli, unpackDemo } from './run-cli.ts'

type Document = {
  readonly diagnostics: readonly { readonly code: string; readonly message: string }[]
  readonly hosts: readonly Record<string, unknown>[]
  readonly [field: string]: unknown
}

function parse(text: string): Document {
  return JSON.parse(text) as Document
}

for (const [args, message] of [
  [['plan', '--json'], 'missing required argument'],
  [['plan', 'x.yaml', '--hold', '--json'], 'unknown option'],
  [['modules', 'vfio_idz', '--json'], 'did you mean "vfio_ids"'],
  [['records', '-K', '-i', 'localhost,', '--json'], 'ansible_become_password'],
  [['demo', '--keep', '/', '--json'], 'not empty'],
] as const) {
  test(`wrong usage is a document with --json: ${args.join(' ')}`, async (t) => {
    const { code, stdout } = await runCli(args)
    t.is(code, 64)
    const [found] = parse(stdout).diagnostics
    t.is(found?.code, 'USAGE')
    t.true(found?.message.includes(message), found?.message)
  })
}

for (const command of ['plan', 'lint', 'apply', 'rollback', 'records', 'reboot', 'confirm']) {
  test(`${command} -K without a terminal is wrong usage, not a bug`, async (t) => {
    const playbooks = ['plan', 'lint', 'apply'].includes(command) ? ['playbooks/demo/playbook.yaml'] : []
    const { code, stderr } = await runCli([command, ...playbooks, '-K', '-i', 'localhost,'])
    t.is(code, 64, stderr)
    t.regex(stderr, /^passway: -K needs a terminal/)
  })
}

test('modules --json: the list, one module, the facts', async (t) => {
  const read = async (...args: string[]): Promise<Document> =>
    parse((await runCli(['modules', ...args, '--json'])).stdout)
  const [all, one, facts] = await Promise.all([read(), read('vfio_ids'), read('facts')])
  t.true((all['modules'] as unknown[]).length >= 9)
  const [module] = one['modules'] as { name: string; params: { properties: object } }[]
  t.is(module?.name, 'vfio_ids')
  t.true('ids' in (module?.params.properties ?? {}))
  t.true((facts['facts'] as { name: string }[]).some(({ name }) => name === 'facts.os.id'))
  for (const { diagnostics, hosts } of [all, one, facts]) t.deepEqual([diagnostics, hosts], [[], []])
})

test('demo --json: one document, also with --keep', async (t) => {
  const cwd = mkdtempSync(join(tmpdir(), 'passway-demo-json-'))
  t.teardown(() => rmSync(cwd, { recursive: true, force: true }))
  const kept = parse((await runCli(['demo', '--keep', 'try', '--json'], { cwd })).stdout)
  t.is(kept['directory'], 'try')
  const played = parse((await runCli(['demo', '--json'], { cwd })).stdout)
  t.deepEqual([played.diagnostics, played.hosts], [[], []])
  t.deepEqual(
    (played['steps'] as { exitCode: number }[]).map(({ exitCode }) => exitCode),
    [0, 0, 0, 0],
  )
})

test('a reader that leaves early is no failure, and leaves nothing behind', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'passway-pipe-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const child = spawn(process.execPath, [join(packageRoot, 'dist', 'cli.js'), 'demo'], {
    env: { ...process.env, TMPDIR: directory },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stderr = ''
  child.stderr.on('data', (bytes: Buffer) => (stderr += bytes.toString()))
  child.stdout.once('data', () => child.stdout.destroy())
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  t.is(code, 0, stderr)
  t.is(stderr, '')
  t.deepEqual(readdirSync(directory), [])
})

testUnless(existsSync('/dev/full') ? null : 'no /dev/full')('output that cannot be written is told once', async (t) => {
  const { code, stderr } = await runShell(`"$0" "$1" modules >/dev/full`)
  t.is(code, 1)
  t.regex(stderr, /^passway: the output could not be written: .*\n$/)
})

function runShell(script: string): Promise<{ code: number | null; stderr: string }> {
  const child = spawn('sh', ['-c', script, process.execPath, join(packageRoot, 'dist', 'cli.js')])
  let stderr = ''
  child.stderr.on('data', (bytes: Buffer) => (stderr += bytes.toString()))
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stderr })))
}

test('a plan that cannot be saved is told, with exit code 1', async (t) => {
  const cwd = await unpackDemo(t)
  const { code, stdout, stderr } = await runCli(['plan', 'playbook.yaml', '--out', 'none/my.plan'], { cwd })
  t.is(code, 1)
  t.true(stderr.includes('PLAN_NOT_SAVED'), stderr)
  t.true(stdout.includes('/etc/default/grub'), 'the plan itself is shown')
})

test('a saved plan is private, even where a file was there before', async (t) => {
  const cwd = await unpackDemo(t)
  writeFileSync(join(cwd, 'my.plan'), '', { mode: 0o644 })
  const { code } = await runCli(['plan', 'playbook.yaml', '--out', 'my.plan'], { cwd })
  t.is(code, 0)
  t.is(statSync(join(cwd, 'my.plan')).mode & 0o777, 0o600)
})

test('a playbook that is not there is one error', async (t) => {
  const cwd = await unpackDemo(t)
  for (const command of ['plan', 'lint', 'apply']) {
    const { code, stdout } = await runCli([command, 'none.yaml', '--json'], { cwd })
    t.is(code, 1)
    t.deepEqual(
      parse(stdout).diagnostics.map((found) => found.code),
      ['FILE_UNREADABLE'],
    )
  }
})

test('nothing to roll back is no refusal; a record that is not there is one', async (t) => {
  const cwd = await unpackDemo(t)
  const none = await runCli(['rollback', '--yes'], { cwd })
  t.is(none.code, 0, none.stderr)
  t.true(none.stdout.includes('Nothing to roll back.'))
  const unknown = await runCli(['rollback', '20260101T000000Z-000000', '--yes'], { cwd })
  t.is(unknown.code, 1)
  t.true(unknown.stdout.includes('RECORD_UNKNOWN'))
  t.true(unknown.stdout.includes('next: passway records -l elysium'), unknown.stdout)
})

for (const command of ['plan', 'apply', 'rollback', 'records', 'reboot', 'confirm', 'lint', 'modules', 'demo']) {
  test(`the help of ${command}: its own options first, an example, no bare numbers`, async (t) => {
    const { code, stdout } = await runCli([command, '--help'])
    t.is(code, 0)
    t.true(stdout.includes(`Example:\n  passway ${command}`))
    t.true(stdout.includes('Common options:'))
    t.false(stdout.includes('900000'))
    for (const own of ['--yes', '--out', '--reboot-timeout'])
      if (stdout.includes(own)) t.true(stdout.indexOf(own) < stdout.indexOf('Common options:'), own)
    t.true(stdout.split('\n').every((line) => line.length <= 100))
  })
}
