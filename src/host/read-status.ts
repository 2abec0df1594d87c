import type { RecordState, RevertReason } from '../core/record.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import type { HostAddress } from '../core/host-address.ts'
import { textFromBytes } from '../core/bytes.ts'
import { formatCall } from './bundle.ts'
import { decodeText } from './fields.ts'
import { readFrames } from './read-records.ts'
import { runAgent, type AgentOptions } from './run-agent.ts'
import { isRecordId, toldState } from './told-record.ts'

/** What a host says of its boot and its transactions. */
export type BootStatus = {
  readonly bootId: string
  readonly kernelRelease: string
  /** ID of the trial that this boot is, as its own command line says (`passway.txn=`); null on any other boot. */
  readonly token: string | null
  /** The one open record; `secondsLeft`: until an unconfirmed trial reverts itself. */
  readonly open: { readonly id: string; readonly state: RecordState; readonly secondsLeft: number | null } | null
  /** The newest record. */
  readonly last: { readonly id: string; readonly state: RecordState; readonly reason: RevertReason | null } | null
  /** The last lines of the previous boot's kernel, where the host kept them and nobody asked for the revert. */
  readonly previousBoot: readonly string[]
}

export type StatusResult =
  | { readonly ok: true; readonly status: BootStatus; readonly diagnostics: readonly Diagnostic[] }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[]; readonly reached: boolean }

/** Asks a host where it stands; writes nothing. */
export async function readStatus(
  host: HostAddress,
  options: Pick<AgentOptions, 'signal' | 'master'> & { readonly by: string },
): Promise<StatusResult> {
  const run = await runAgent(host, formatCall({ verb: 'status', root: host.root, controller: options.by }), options)
  const { diagnostics, reached } = run
  const status = run.outcome === 'done' ? parseStatus(run.output) : undefined
  return status === undefined ? { ok: false, diagnostics, reached } : { ok: true, status, diagnostics }
}

/**
 * Lines `boot BOOTID RELEASE`, `token ID|-`, `open ID STATE SECONDS_LEFT|-`, `last ID STATE REASON_CODE|- REASON_TEXT|-`
 * and a blob `previous-boot`. Of a host without records only the first. undefined where not even that is there.
 */
export function parseStatus(output: Buffer): BootStatus | undefined {
  const { rows, blobs } = readFrames(output)
  const find = (name: string): readonly string[] | undefined =>
    rows
      .find((row) => row[0] === name)
      ?.slice(1)
      .map(decodeText)
  const [bootId, kernelRelease = ''] = find('boot') ?? []
  if (bootId === undefined || bootId === '') return undefined
  return {
    bootId,
    kernelRelease,
    token: find('token')?.[0] || null,
    open: formatOpen(find('open')),
    last: formatLast(find('last')),
    previousBoot: textFromBytes(blobs.get('previous-boot') ?? '')
      .split('\n')
      .filter((line) => line !== ''),
  }
}

function formatOpen(row: readonly string[] | undefined): BootStatus['open'] {
  const [id = '', state, seconds = ''] = row ?? []
  if (!isRecordId(id)) return null
  return { id, state: toldState(state), secondsLeft: /^-?\d+$/.test(seconds) ? Math.max(0, Number(seconds)) : null }
}

function formatLast(row: readonly string[] | undefined): BootStatus['last'] {
  const [id = '', state, code = '', text = ''] = row ?? []
  if (!isRecordId(id)) return null
  return { id, state: toldState(state), reason: code === '' ? null : { code, text } }
}
