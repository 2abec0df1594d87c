import type { Diagnostic } from '../core/diagnostic.ts'
import type { HostAddress } from '../core/host-address.ts'
import { formatCall } from './bundle.ts'
import { waitForBoot, type BootTry } from './poll-host.ts'
import { runAgent, type AgentOptions } from './run-agent.ts'
import { closeMaster } from './ssh-master.ts'

export type RebootOptions = Pick<AgentOptions, 'signal'> & {
  readonly by: string
  /** `GUESTS_RUNNING` where a person took that risk. */
  readonly accept?: readonly string[]
  readonly deadlineMs: number
  /** See BootWait. */
  readonly intervalMs?: number | undefined
  /** It agreed to go down. */
  readonly onAsked?: (() => void) | undefined
  readonly onTry?: ((attempt: BootTry) => void) | undefined
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
      /** False: it was refused, and the host still runs. True also where the answer was cut: it may be on its way down. */
      readonly asked: boolean
      readonly diagnostics: readonly Diagnostic[]
      readonly reached: boolean
    }

export type RebootAsked =
  | {
      readonly ok: true
      /** Of the boot that ends now. */
      readonly bootId: string
      /** The record that the loader tries now, once. */
      readonly armed: string | null
      readonly diagnostics: readonly Diagnostic[]
    }
  | {
      readonly ok: false
      /** As far as it got before it was refused or cut. */
      readonly armed: string | null
      /** It began to answer and was not heard to the end: it may be on its way down. */
      readonly isCut: boolean
      readonly diagnostics: readonly Diagnostic[]
      readonly reached: boolean
    }

/** Tells a host to reboot in order (never forced); a record that waits for its trial is armed first. */
export async function requestReboot(
  host: HostAddress,
  options: Pick<RebootOptions, 'by' | 'accept' | 'signal'> & { readonly confirmWithinSeconds?: number | undefined },
): Promise<RebootAsked> {
  const { by, accept = [], confirmWithinSeconds, signal } = options
  await closeMaster(host)
  const call = formatCall({ verb: 'reboot', root: host.root, controller: by, accept, confirmWithinSeconds })
  const run = await runAgent(host, call, { signal })
  const { diagnostics, reached } = run
  const armed = run.events.findLast(({ name }) => name === 'armed')?.fields[0] ?? null
  const bootId = /^boot\t([^\t\n]+)\t/m.exec(run.output.toString('latin1'))?.[1]
  // Heard to its end and cut before the connection closed, it goes down as well.
  const isCut = run.outcome === 'done' || (run.outcome === 'lost' && (reached || signal?.aborted === true))
  if (run.outcome !== 'done' || bootId === undefined) return { ok: false, armed, isCut, diagnostics, reached }
  return { ok: true, bootId, armed, diagnostics }
}

/** Reboots a host and waits until it shows another boot id. */
export async function rebootHost(host: HostAddress, options: RebootOptions): Promise<RebootResult> {
  const asked = await requestReboot(host, options)
  if (!asked.ok) return { ok: false, asked: asked.isCut, diagnostics: asked.diagnostics, reached: asked.reached }
  const { deadlineMs, intervalMs, onAsked, onTry, signal } = options
  onAsked?.()
  const end = await waitForBoot(host, {
    previousBootId: asked.bootId,
    deadlineMs,
    intervalMs,
    onTry,
    signal,
  })
  if (!end.ok) return { ok: false, asked: true, diagnostics: [...asked.diagnostics, end.diagnostic], reached: true }
  return { ok: true, bootId: end.bootId, elapsedMs: end.elapsedMs, diagnostics: asked.diagnostics }
}
