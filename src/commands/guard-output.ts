import type { Writable } from 'node:stream'

/**
 * Keeps a run alive when its output is gone. A reader that left (`passway plan … | head -1`) is no failure: what was
 * begun on hosts is finished, and nobody is told. Anything else (a full disk) is told once.
 */
export function guardOutput(stream: Writable, tell: (problem: Error) => void): void {
  let isTold = false
  stream.on('error', (problem: NodeJS.ErrnoException) => {
    if (problem.code === 'EPIPE' || isTold) return
    isTold = true
    tell(problem)
  })
}
