import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { tool } from '../../src/core/tool.ts'
import { packageRoot } from '../../src/package-root.ts'
import { runCli } from './run-cli.ts'

function makeDirectory(t: ExecutionContext, files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(tmpdir(), 'passway-usage-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content)
  return directory
}

test('the version is that of package.json', (t) => {
  const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string }
  t.is(tool, `passway ${version}`)
})

for (const [args, code] of [
  [['--help'], 0],
  [['--version'], 0],
  [['plan', '--help'], 0],
  [['help', 'apply'], 0],
  [['frobnicate'], 64],
  [['plan'], 64],
  [['plan', 'x.yaml', '--forks', 'many'], 64],
  [['apply', 'x.yaml', '--no-such-option'], 64],
  [['apply', 'x.yaml', '--hold'], 64],
  [['apply', 'x.yaml', '--soak'], 64],
  [['apply', 'x.yaml', '--no-trial', '--reboot', '--hold'], 64],
  [['apply', 'x.yaml', '--no-trial', '--confirm-within', '5m'], 64],
  [['apply', 'x.yaml', '--reboot', '--confirm-within', 'soon'], 64],
  [['apply', 'x.yaml', '--reboot', '--confirm-within', '5'], 64],
  [['apply', 'x.yaml', '--reboot', '--confirm-within', '59s'], 64],
  [['reboot', '--reboot-timeout', '90'], 64],
  [['reboot', '--hold', '--soak'], 64],
  [['rollback', 'badid!'], 64],
  [['rollback', '../../etc'], 64],
  [['init', '--json'], 64],
  [['confirm', 'x.yaml'], 64],
  [['modules', 'vfio_idz'], 64],
  [['modules', 'vfio_ids'], 0],
  [['modules', 'facts'], 0],
] as const) {
  test(`exit code of: ${args.join(' ')}`, async (t) => {
    const end = await runCli(args)
    t.is(end.code, code, end.stderr)
    t.false(end.stderr.includes('    at '), 'no stack trace')
  })
}

test('a time says its unit, and a trial gets the time of a boot', async (t) => {
  const { stderr } = await runCli(['reboot', '--confirm-within', '5'])
  t.true(stderr.includes('a duration with its unit is wanted (90s, 10m, 1h)'), stderr)
  const short = await runCli(['reboot', '--confirm-within', '1s'])
  t.true(short.stderr.includes('it counts from the start of the kernel: at least 60s is wanted'), short.stderr)
  const help = await runCli(['reboot', '--help'])
  t.true(help.stdout.includes('(default: 10m)'), help.stdout)
  t.false((await runCli(['init', '--help'])).stdout.includes('--json'))
})

test('all mistakes of a playbook come out together, each with its place', async (t) => {
  const cwd = makeDirectory(t, {
    'bad.yaml': [
      '- hosts: all',
      '  tasks:',
      '    - vfio_ids:',
      '        device: ["10de:1c82"]',
      '    - vfio_idz:',
      '        ids: []',
      '    - hugepages:',
      '        pages: [{size: 2M, count: many}]',
      '    - vfio_ids:',
      '        ids: [0e10]',
      '      loop: [1]',
      '',
    ].join('\n'),
  })
  const { code, stderr } = await runCli(['lint', 'bad.yaml', '-i', 'root@pve1,'], { cwd })
  t.is(code, 1)
  for (const text of [
    'bad.yaml:4:9: error PARAM_UNKNOWN',
    'bad.yaml:5:7: error MODULE_UNKNOWN',
    'bad.yaml:8:',
    'bad.yaml:10:',
    'KEYWORD_UNSUPPORTED',
    '^^^^^^',
    'did you mean',
  ])
    t.true(stderr.includes(text), `${text}\n${stderr}`)
})

test('lint needs no inventory', async (t) => {
  const cwd = makeDirectory(t, { 'ok.yaml': '- hosts: all\n  tasks:\n    - modules_load: {modules: [vfio]}\n' })
  const { code, stdout, stderr } = await runCli(['lint', 'ok.yaml'], { cwd })
  t.is(code, 0, stderr)
  t.true(stdout.includes('no errors'))
})

test('a host that is not there: exit code 4 and why', async (t) => {
  const cwd = makeDirectory(t, { 'ok.yaml': '- hosts: all\n  tasks:\n    - modules_load: {modules: [vfio]}\n' })
  const { code, stdout } = await runCli(['plan', 'ok.yaml', '-i', 'localhost:1,'], { cwd })
  t.is(code, 4, stdout)
  t.true(stdout.includes('CONNECTION_REFUSED'))
})
