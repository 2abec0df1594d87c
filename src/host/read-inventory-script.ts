import { resolve } from 'node:path'
import { startChild } from './start-child.ts'

export type ScriptOutput =
  | { readonly ok: true; readonly text: string }
  | {
      readonly ok: false
      /** One sentence: how it ended. */
      readonly reason: string
      /** The last lines of its standard error. */
      readonly evidence: readonly string[]
    }

const timeLimitMs = 60_000

/** Runs `PATH --list`, Ansible's protocol for inventory scripts, and gives its standard output (JSON). */
export async function runInventoryScript(path: string): Promise<ScriptOutput> {
  const output: Buffer[] = []
  let stderr = ''
  let late = false
  const child = startChild([resolve(path), '--list'], {
    detached: false,
    onStdout: (chunk) => output.push(chunk),
    onStderr: (chunk) => (stderr = (stderr + chunk.toString('utf8')).slice(-8192)),
  })
  child.finish()
  const timer = setTimeout(() => {
    late = true
    child.stop()
  }, timeLimitMs)
  const end = await child.ended
  clearTimeout(timer)
  if (end.status === 0) return { ok: true, text: Buffer.concat(output).toString('utf8') }
  const evidence = stderr.split('\n').filter((line) => line !== '')
  return { ok: false, reason: formatReason(path, end.status, late), evidence: evidence.slice(-8) }
}

function formatReason(path: string, status: number | null, late: boolean): string {
  if (late) return `${path} --list did not end within ${timeLimitMs / 1000} seconds`
  return status === null ? `${path} --list was ended by a signal` : `${path} --list ended with status ${status}`
}
