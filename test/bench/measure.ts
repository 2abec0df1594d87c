import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'

export type Program = {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

export type Sample = {
  readonly seconds: number
  /** Peak resident memory of the program's own process, without its children; kilobytes, 0 where nobody looked in time. */
  readonly peakKb: number
  readonly stdout: string
}

/** VmHWM of /proc/PID/status: the largest resident set so far (proc_pid_status(5)). */
function readPeak(pid: number | undefined): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0)
  } catch {
    return 0
  }
}

/** Runs a program to its end. Throws where it does not exit 0: a failed run measures nothing. */
export async function sample(program: Program, watchMemory = false): Promise<Sample> {
  const start = process.hrtime.bigint()
  const child = spawn(program.command, program.args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...program.env },
    cwd: program.cwd,
  })
  let peakKb = 0
  const watch = setInterval(() => (peakKb = Math.max(peakKb, readPeak(child.pid))), watchMemory ? 5 : 60_000)
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString('latin1')))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString('latin1')))
  const status = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve))
  clearInterval(watch)
  const seconds = Number(process.hrtime.bigint() - start) / 1e9
  if (status === 0) return { seconds, peakKb, stdout }
  throw new Error(`${program.command} ${program.args.join(' ')}: exit ${status}\n${(stderr + stdout).slice(-3000)}`)
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** Runs once; seconds. */
export type Contender = () => Promise<number>

/**
 * Medians in seconds, in the order of the contenders. All take turns, so that a busy moment of the machine hits every
 * one of them; a first round, which fills caches, does not count.
 */
export async function takeTurns(contenders: readonly Contender[], rounds: number): Promise<number[]> {
  const seconds = contenders.map((): number[] => [])
  for (let round = 0; round <= rounds; round += 1) {
    for (const [index, run] of contenders.entries()) {
      const taken = await run()
      if (round > 0) seconds[index]?.push(taken)
    }
  }
  return seconds.map(median)
}
