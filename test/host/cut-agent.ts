import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import type { HostPlan } from '../../src/core/plan.ts'
import { bootLine, formatSpool } from '../../src/host/bootstrap.ts'
import { formatBundle, type BundleOptions } from '../../src/host/bundle.ts'
import { readAgentProgram } from '../../src/host/programs.ts'
import { applyOptions, callFor, makeDirectory, readRun, writeTool, type ShellRun } from './agent-hosts.ts'

/**
 * Every tool of the agent that writes, or stands between two writes of its own shell; none that whoever watches it calls,
 * so that calls are counted alike in every run.
 */
const cutTools = ['chmod', 'chown', 'cp', 'ln', 'mkdir', 'mktemp', 'mv', 'rm', 'rmdir', 'sha256sum', 'sync']

/** An agent for trees that dies, with all that it started, at a call whose number is set beforehand. */
export type CutAgent = {
  /** The next run is killed before its call N of a tool that writes. */
  readonly cutAt: (n: number) => void
  /** Was that call reached? Clears it. */
  readonly wasCut: () => boolean
  readonly apply: (root: string, plan: HostPlan, id: string, more?: Partial<BundleOptions>) => ShellRun
  /** A call over a connection. */
  readonly call: (root: string, call: Parameters<typeof callFor>[0]) => ShellRun
  /** A call as a unit, or a person at the host, makes it. */
  readonly run: (root: string, verb: string, ...words: readonly string[]) => ShellRun
  /** One function of the agent on an open record, under the lock. */
  readonly runFunction: (root: string, id: string, line: string) => ShellRun
  readonly start: (root: string, verb: string, id: string) => Promise<string>
}

export function makeCutAgent(t: ExecutionContext): CutAgent {
  const directory = makeDirectory(t)
  const left = join(directory, 'left')
  for (const tool of cutTools) writeTool(directory, `bin/${tool}`, cuttingTool(tool, left))
  const program = readAgentProgram().replace('  PATH=/usr/sbin', `  PATH=${directory}/bin:/usr/sbin`)
  if (program === readAgentProgram()) throw new Error('the agent sets its PATH in another way now')
  const runSpool = (data: string): ShellRun => {
    const input = formatSpool(program, data)
    return runShell(['-c', bootLine, 'passway', 'nonce'], input)
  }
  const agentAt = (root: string): string => join(root, 'var/lib/passway/agent.sh')
  return {
    cutAt: (n) => writeFileSync(left, `${n}\n`),
    wasCut: () => {
      const reached = !existsSync(left)
      rmSync(left, { force: true })
      return reached
    },
    apply: (root, plan, id, more = {}) =>
      runSpool(formatBundle(plan, { ...applyOptions(id), root, agentProgram: program, ...more })),
    call: (root, call) => runSpool(callFor({ root, ...call })),
    run: (root, verb, ...words) => runShell([agentAt(root), verb, ...words, '--root', root]),
    runFunction: (root, id, line) => {
      const functions = program.replace(/main "\$@"\n$/, '')
      const script = `${functions}\nprepare; root=$1; find_root && find_state && take_lock 5 && open_record "$2" && ${line}`
      // Longer than one argument may be.
      return runShell(['-c', 'eval "$(cat)"', 'sh', root, id], script)
    },
    start: (root, verb, id) =>
      new Promise((resolve) => {
        const child = spawn('sh', [agentAt(root), verb, ...(id === '' ? [] : [id]), '--root', root], {
          stdio: ['ignore', 'pipe', 'ignore'],
        })
        let text = ''
        child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
        child.on('close', () => resolve(text))
      }),
  }
}

function runShell(words: readonly string[], input = ''): ShellRun {
  // `detached`: a process group of its own, which is what a cut ends.
  const options = { input, encoding: 'latin1' as const, detached: true }
  const end = spawnSync('sh', [...words], options)
  return readRun(end.stdout + end.stderr)
}

/** Counts down in a file; at the end it kills its process group: the agent, and the connection or unit that it is in. */
function cuttingTool(name: string, left: string): string {
  return `#!/bin/sh
if [ -s ${left} ]; then
  read -r turns <${left}
  if [ "$turns" -le 1 ]; then /usr/bin/rm ${left}; kill -9 0; fi
  echo $((turns - 1)) >${left}
fi
exec /usr/bin/${name} "$@"
`
}

/** State of the newest record; `none` where nothing was begun. */
export function stateOf(root: string): string {
  const records = join(root, 'var/lib/passway/records')
  const states = (existsSync(records) ? readdirSync(records).toSorted() : []).flatMap((id) => {
    const path = join(records, id, 'state')
    return existsSync(path) ? [readFileSync(path, 'latin1').trim()] : []
  })
  return states.at(-1) ?? 'none'
}

export function forgetRecords(root: string): void {
  rmSync(join(root, 'var/lib/passway/records'), { recursive: true, force: true })
}

/** The first call, then ever further. `PASSWAY_CUTS=all ava --timeout=3h` goes through every one, `=3` through a third. */
export function* cutPoints(first: number, step: number): Generator<number> {
  const asked = process.env['PASSWAY_CUTS']
  const stride = asked === undefined ? step : asked === 'all' ? 1 : Number(asked)
  for (let point = asked === undefined ? first : 1; ; point += stride) yield point
}
