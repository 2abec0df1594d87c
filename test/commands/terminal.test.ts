import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { packageRoot } from '../../src/package-root.ts'
import { testUnless } from '../host/skip.ts'
import { unpackDemo } from './run-cli.ts'

const isScriptThere = String(spawnSync('script', ['--version']).stdout).includes('util-linux')
const test = testUnless(isScriptThere ? null : 'script (util-linux) is not installed')

type Session = { readonly code: number | null; readonly output: string }

/** Runs passway on a pseudo-terminal of `columns`; `keys` are typed once `prompt` was seen. */
function runInTerminal(
  cwd: string,
  args: readonly string[],
  { columns, prompt, keys }: { readonly columns: number; readonly prompt?: string; readonly keys?: string },
): Promise<Session> {
  const words = [process.execPath, join(packageRoot, 'dist', 'cli.js'), ...args].map((word) => `'${word}'`)
  const child = spawn('script', ['-qec', `stty cols ${columns}; exec ${words.join(' ')}`, '/dev/null'], {
    cwd,
    env: { ...process.env, TERM: 'xterm', NO_COLOR: '' },
  })
  let output = ''
  let isTyped = false
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    if (isTyped || prompt === undefined || !output.includes(prompt)) return
    isTyped = true
    child.stdin.write(keys ?? '')
  })
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, output })))
}

const sequences = /\u001b\[[0-9;?]*[a-zA-Z]/g

test('on a terminal: colours, and prose within its width', async (t) => {
  const cwd = await unpackDemo(t)
  const { code, output } = await runInTerminal(cwd, ['plan', 'playbook.yaml'], { columns: 60 })
  t.is(code, 0, output)
  t.true(output.includes('\u001b[32m'))
  const long = output
    .replaceAll(sequences, '')
    .split('\r\n')
    .filter((line) => line.length > 60 && /^\s*(?:hint|seen|uncertain|reboot|drivers)/.test(line))
  // A word that is longer than the line stands alone.
  t.deepEqual(
    long.filter((line) => line.trim().split(' ').length > 3),
    [],
  )
})

test('--no-color on a terminal', async (t) => {
  const cwd = await unpackDemo(t)
  const { output } = await runInTerminal(cwd, ['plan', 'playbook.yaml', '--no-color'], { columns: 100 })
  t.false(/\u001b\[\d+m/.test(output))
})

test('a question is answered with no: nothing is written, exit code 1', async (t) => {
  const cwd = await unpackDemo(t)
  const typed = { columns: 100, prompt: 'Apply this to', keys: 'n\r' }
  const { code, output } = await runInTerminal(cwd, ['apply', 'playbook.yaml'], typed)
  t.is(code, 1)
  t.true(output.includes('Nothing was written on any host.'))
})

for (const [name, keys] of [
  ['Ctrl-C', '\u0003'],
  ['Ctrl-D', '\u0004'],
] as const) {
  test(`a question is left with ${name}: exit code 130`, async (t) => {
    const cwd = await unpackDemo(t)
    const { code, output } = await runInTerminal(cwd, ['apply', 'playbook.yaml'], {
      columns: 100,
      prompt: 'Apply this to',
      keys,
    })
    t.is(code, 130, output)
    t.true(output.includes('interrupted; nothing was written'))
    t.false(output.includes('    at '))
  })
}

test('--json asks nothing: it shows no plan to decide by', async (t) => {
  const cwd = await unpackDemo(t)
  const { code, output } = await runInTerminal(cwd, ['apply', 'playbook.yaml', '--json'], { columns: 100 })
  t.is(code, 64)
  t.true(output.includes('--yes'))
})
