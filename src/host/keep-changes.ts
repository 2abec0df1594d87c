import { setTimeout as pause } from 'node:timers/promises'
import type { HostAddress } from '../core/host-address.ts'
import { formatCall } from './bundle.ts'
import { runAgent, type AgentOptions } from './run-agent.ts'

export type KeepOptions = Pick<AgentOptions, 'signal'> & {
  readonly id: string
  readonly by: string
  /** As long as the host waits. */
  readonly seconds: number
  /** Between two tries. */
  readonly intervalMs?: number
}

/**
 * Changes of the running system that may have cut the network stay only when somebody logs in again: tries until the
 * host's time is over, each time over a new connection. False: nobody got through, and the host takes them back.
 */
export async function keepChanges(host: HostAddress, options: KeepOptions): Promise<boolean> {
  const { id, by, seconds, intervalMs = 5000 } = options
  const end = Date.now() + seconds * 1000
  const call = formatCall({ verb: 'keep', root: host.root, id, controller: by })
  while (Date.now() < end && options.signal?.aborted !== true) {
    const limit = AbortSignal.any([AbortSignal.timeout(end - Date.now()), ...(options.signal ? [options.signal] : [])])
    const run = await runAgent(host, call, { signal: limit })
    if (run.outcome === 'done') return true
    if (run.outcome === 'refused') return false
    await pause(intervalMs, undefined, { signal: limit }).catch(() => {})
  }
  return false
}
