import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import type { CommandOptions, RunContext } from '../../src/commands/run-context.ts'
import { unpackTree } from '../../src/host/tree.ts'
import { packageRoot } from '../../src/package-root.ts'
import { choosePaint } from '../../src/report/paint.ts'

/** What stands in a fake host's world.json; see stub-ssh.js. */
export type World = {
  /** What happens each time that the host goes down: attempts that fail, then what boots. */
  readonly scripts?: readonly (readonly ('down' | 'same' | 'trial' | 'old')[])[]
  readonly record?: { readonly id: string; readonly state: string; readonly document: unknown }
  /** How `confirm` ends; default: committed. */
  readonly confirm?: 'late' | 'fails' | 'cut' | 'cut-fails' | 'aborted'
  /** The trial boots with the old command line, or is seen with it the first times. */
  readonly differs?: boolean | number
  /** The connection ends while the host is told to reboot. */
  readonly cutsReboot?: boolean
  /** After a boot without the token the record is open until somebody contacts the host. */
  readonly limbo?: boolean
  readonly reason?: { readonly code: string; readonly text: string }
  readonly kernelLines?: readonly string[]
  readonly guests?: boolean
  readonly onTrial?: boolean
  readonly secondsLeft?: number
  /** Seconds that the agent waits for a new connection after it has changed something. */
  readonly watch?: number
  /** New connections fail after that change. */
  readonly cutsNetwork?: boolean
  /** Nothing more is heard over the connection that the change was made over. */
  readonly fallsSilent?: boolean
  /** Attempts to reach it from the start. */
  readonly coming?: readonly 'down'[]
}

export type FakeHosts = {
  readonly directory: string
  /** Makes the host `NAME`, which an inventory reaches as `NAME`. */
  readonly add: (name: string, world: World) => void
  readonly read: (name: string) => World & { readonly told?: readonly string[]; readonly manifest?: string }
  /** What was asked of it, a word each: `probe`, `login`, or a verb. */
  readonly readLog: (name: string) => readonly string[]
}

/** Puts a stub in the place of ssh, for all of this test file. */
export function makeFakeHosts(): FakeHosts & { readonly remove: () => void } {
  const directory = mkdtempSync(join(tmpdir(), 'passway-fake-'))
  const bin = join(directory, 'bin')
  mkdirSync(bin)
  const stub = fileURLToPath(new URL('stub-ssh.js', import.meta.url))
  const text = `#!/bin/sh\nFAKE_HOSTS='${directory}' exec '${process.execPath}' '${stub}' "$@"\n`
  writeFileSync(join(bin, 'ssh'), text, { mode: 0o755 })
  // This machine itself, where a test asks for it.
  writeFileSync(join(bin, 'sh'), text, { mode: 0o755 })
  process.env['PATH'] = `${bin}${delimiter}${process.env['PATH'] ?? ''}`
  process.env['XDG_STATE_HOME'] = join(directory, 'state')
  const tree = join(directory, 'demo-tree')
  mkdirSync(join(tree, 'usr/sbin'), { recursive: true })
  unpackTree(readFileSync(join(packageRoot, 'playbooks/demo/host.tree'), 'utf8'), tree)
  for (const tool of ['update-grub', 'update-initramfs'])
    writeFileSync(join(tree, 'usr/sbin', tool), '#!/bin/sh\n', { mode: 0o755 })
  const commandLine = readFileSync(join(tree, 'proc/cmdline'), 'utf8').trim()
  return {
    directory,
    add(name, world) {
      cpSync(tree, join(directory, name, 'tree'), { recursive: true, verbatimSymlinks: true })
      const start = { bootId: 'boot-0', boots: 0, coming: null, onTrial: false, record: null, scripts: [], commandLine }
      writeFileSync(join(directory, name, 'world.json'), JSON.stringify({ ...start, ...world }))
    },
    read: (name) => JSON.parse(readFileSync(join(directory, name, 'world.json'), 'utf8')) as World,
    readLog: (name) =>
      readFileSync(join(directory, name, 'log'), 'utf8')
        .trimEnd()
        .split('\n'),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  }
}

export type CommandRun = {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  readonly hosts: readonly (Record<string, unknown> & { readonly next: readonly string[] })[]
}

/** Runs a command in this process; with `json` its document is parsed. */
export async function runCommand(
  t: ExecutionContext,
  command: (context: RunContext, args: readonly string[]) => Promise<number>,
  options: CommandOptions & { readonly args?: readonly string[]; readonly signal?: AbortSignal },
): Promise<CommandRun> {
  const output = { stdout: '', stderr: '' }
  const { args = [], signal = new AbortController().signal, ...rest } = options
  const context: RunContext = {
    options: { rebootTimeout: 60_000, ...rest },
    cwd: packageRoot,
    paint: choosePaint({ isTerminal: false, noColor: true, environment: {} }),
    width: 120,
    isTerminal: false,
    isInteractive: false,
    isProgressWanted: false,
    bootIntervalMs: 20,
    signal,
    write: (text) => void (output.stdout += text),
    writeError: (text) => void (output.stderr += text),
  }
  const code = await command(context, args)
  t.log(output.stdout + output.stderr)
  const hosts = rest.json === true ? (JSON.parse(output.stdout) as { hosts: CommandRun['hosts'] }).hosts : []
  return { code, ...output, hosts }
}
