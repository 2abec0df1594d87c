import type { Diagnostic } from '../core/diagnostic.ts'
import type { HostAddress } from '../core/host-address.ts'
import { formatCall } from './bundle.ts'
import { waitForBoot, type BootTry } from './poll-host.ts'
import { runAgent, type AgentOptions } from './run-agent.ts'
import { closeMaster } from './ssh-master.ts'

export type RebootOptions = Pick<AgentOptions, 'signal' | 'master'> & {
  readonly by: string
  /** `GUESTS_RUNNING` where a person took that risk. */
  readonly accept?: readonly string[]
  readonly deadlineMs: number
  readonly onTry?: (attempt: BootTry) => void
}

export type RebootResult =
  | {
      readonly ok: true
      readonly bootId: string
      readonly elapsedMs: number
      readonly diagnostics: readonly Diagnostic[]
    }
  | {
      readonly ok: false
      /** False: it was refused, and the host still runs. */
      readonly asked: boolean
      readonly diagnostics: readonly Diagnostic[]
      readonly reached: boolean
    }

/** Reboots a host in order (never forced) and waits until it shows another boot id. */
export async function rebootHost(host: HostAddress, options: RebootOptions): Promise<RebootResult> {
  await closeMaster(host)
  const call = formatCall({ verb: 'reboot', root: host.root, controller: options.by, accept: options.accept ?? [] })
  const run = await runAgent(host, call, options)
  const bootId = /^boot\t([^\t\n]+)\t/m.exec(run.output.toString('latin1'))?.[1]
  if (run.outcome !== 'done' || bootId === undefined) {
    return { ok: false, asked: false, diagnostics: run.diagnostics, reached: run.reached }
  }
  const end = await waitForBoot(host, {
    previousBootId: bootId,
    deadlineMs: options.deadlineMs,
    ...(options.onTry && { onTry: options.onTry }),
    ...(options.signal && { signal: options.signal }),
  })
  if (!end.ok) return { ok: false, asked: true, diagnostics: [...run.diagnostics, end.diagnostic], reached: true }
  return { ok: true, bootId: end.bootId, elapsedMs: end.elapsedMs, diagnostics: run.diagnostics }
}
