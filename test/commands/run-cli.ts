import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { packageRoot } from '../../src/package-root.ts'

export type CliEnd = { readonly code: number | null; readonly stdout: string; readonly stderr: string }

/** Runs the built command as a user does, without a terminal. */
export async function runCli(
  args: readonly string[],
  options: { readonly cwd?: string; readonly environment?: NodeJS.ProcessEnv } = {},
): Promise<CliEnd> {
  const child = spawn(process.execPath, [join(packageRoot, 'dist', 'cli.js'), ...args], {
    cwd: options.cwd ?? packageRoot,
    env: { ...process.env, ...options.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { code, ...output }
}

/** The demo host unpacked in a directory of its own, which is removed after the test. */
export async function unpackDemo(t: ExecutionContext): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'passway-cli-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const end = await runCli(['demo', '--keep', directory])
  t.is(end.code, 0, end.stderr)
  return directory
}

/** Two trees, `host` and `other`, and between them a host that refuses the connection. */
export async function unpackFleet(
  t: ExecutionContext,
  { trees: [first, second], refusing }: { readonly trees: readonly [string, string]; readonly refusing: string },
): Promise<string> {
  const cwd = await unpackDemo(t)
  cpSync(join(cwd, 'host'), join(cwd, 'other'), { recursive: true, verbatimSymlinks: true })
  const hosts = [
    'all:',
    '  hosts:',
    `    ${first}: {ansible_connection: local, passway_root: host}`,
    `    ${refusing}: {ansible_host: localhost, ansible_port: 1}`,
    `    ${second}: {ansible_connection: local, passway_root: other}`,
    '',
  ]
  writeFileSync(join(cwd, 'inventory.yaml'), hosts.join('\n'))
  return cwd
}
