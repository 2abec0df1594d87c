import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { modules } from '../../modules/index.ts'
import type { Reads } from '../../src/core/snapshot.ts'
import { formatProbeRequest, uniteReads } from '../../src/host/probe-request.ts'
import { readProbeProgram } from '../../src/host/programs.ts'
import { median } from './measure.ts'

type Play = { readonly tasks: readonly Readonly<Record<string, unknown>>[] }

/** What the tasks of a playbook without expressions want read. */
function readsOf(playbook: string): Reads {
  const plays = parse(readFileSync(playbook, 'utf8')) as readonly Play[]
  const tasks = plays.flatMap((play) => play.tasks)
  return uniteReads(
    modules.flatMap((module) =>
      tasks.filter((task) => module.name in task).map((task) => module.reads(module.params.parse(task[module.name]))),
    ),
  )
}

export type ProbeCost = { readonly processes: number | null; readonly seconds: number; readonly bytes: number }

/** `processes`: how many the probe's shell starts; null where strace is missing. */
export function measureProbe(root: string, playbook: string, rounds: number): ProbeCost {
  const args = [
    '-c',
    readProbeProgram(),
    'passway',
    formatProbeRequest({ root, reads: readsOf(playbook) }),
    '',
    'n0nce',
  ]
  const runs = Array.from({ length: rounds }, () => {
    const start = performance.now()
    const { stdout } = spawnSync('sh', args, { maxBuffer: 1 << 28 })
    return { seconds: (performance.now() - start) / 1000, bytes: stdout.length }
  })
  return {
    processes: countProcesses(args, root),
    seconds: median(runs.map(({ seconds }) => seconds)),
    bytes: runs[0]?.bytes ?? 0,
  }
}

function countProcesses(args: readonly string[], root: string): number | null {
  const log = join(root, '..', 'strace.log')
  const strace = ['-f', '-qq', '-e', 'trace=clone,clone3,fork,vfork', '-e', 'signal=none', '-o', log, 'sh']
  const { status } = spawnSync('strace', [...strace, ...args], { maxBuffer: 1 << 28 })
  if (status !== 0) return null
  return readFileSync(log, 'latin1')
    .split('\n')
    .filter((line) => /(clone3?|v?fork).*= \d+$/.test(line)).length
}
