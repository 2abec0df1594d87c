import type { HostAddress } from '../core/host-address.ts'
import { agentBlob } from './agent-blob.ts'
import { formatCall, type AgentCall } from './bundle.ts'
import { formatResult, type ApplyResult } from './execute.ts'
import { runAgent, type AgentOptions } from './run-agent.ts'

export type EndOptions = Pick<AgentOptions, 'signal' | 'onEvent' | 'watchPausesMs'> & {
  readonly by: string
  /** The record. */
  readonly id: string
}

/**
 * Confirms a trial and commits it. Over a connection of its own: that somebody can log in now is what is confirmed. The
 * host refuses where the trial was taken back already.
 */
export async function confirmTrial(host: HostAddress, options: EndOptions): Promise<ApplyResult> {
  return endRecord(host, 'confirm', options)
}

/** Takes an open trial back: its files, and what was changed on the running system. The boot stays as it is. */
export async function abortTrial(host: HostAddress, options: EndOptions): Promise<ApplyResult> {
  return endRecord(host, 'rollback', options)
}

/** Lets the host finish or revert what a cut left open; what waits for its trial stays. */
export async function recoverRecord(host: HostAddress, options: EndOptions): Promise<ApplyResult> {
  return endRecord(host, 'recover', options)
}

async function endRecord(host: HostAddress, verb: AgentCall['verb'], options: EndOptions): Promise<ApplyResult> {
  const { id, by } = options
  const data = formatCall({ verb, root: host.root, id, controller: by, blobs: [agentBlob()] })
  const run = await runAgent(host, data, { ...options, watch: { root: host.root, id, controller: by } })
  return formatResult(run, id, 'none')
}
