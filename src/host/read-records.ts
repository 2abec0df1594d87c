import type { Bytes } from '../core/bytes.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import type { HostAddress } from '../core/host-address.ts'
import type { RecordDocument, RecordSummary } from '../core/record.ts'
import { formatCall } from './bundle.ts'
import { decodeField, decodeText } from './fields.ts'
import { runAgent, type AgentOptions } from './run-agent.ts'
import { findDocument, isRecordId, toldState } from './told-record.ts'

export type HostRecord = RecordSummary & {
  /** record.json; null where it is missing or cannot be read. */
  readonly document: RecordDocument | null
}

export type RecordsResult = {
  /** Oldest first. */
  readonly records: readonly HostRecord[]
  readonly diagnostics: readonly Diagnostic[]
  readonly reached: boolean
}

/** The records of a host, read only. */
export async function readRecords(
  host: HostAddress,
  options: Pick<AgentOptions, 'signal' | 'master'> & { readonly by: string },
): Promise<RecordsResult> {
  const run = await runAgent(host, formatCall({ verb: 'records', root: host.root, controller: options.by }), options)
  const frames = parseFrames(run.output)
  return {
    records: frames.records.map((row) => readRow(row, frames.blobs)),
    diagnostics: run.diagnostics,
    reached: run.reached,
  }
}

function readRow(row: readonly string[], blobs: ReadonlyMap<string, Bytes>): HostRecord {
  const id = row[0] ?? ''
  return formatRecord(row, findDocument(blobs.get(`${id}/record.json`)))
}

export function formatRecord(row: readonly string[], document: RecordDocument | null): HostRecord {
  return { ...formatSummary(row), document }
}

/**
 * `ID SEQ STATE LIVE REASON_CODE REASON_TEXT`. LIVE is yes, no, or `waiting`: staged whole, for a boot that tries it.
 * An open record without a live agent that waits for nothing is interrupted. The reason is that of a reverted one.
 */
export function formatSummary(row: readonly string[]): RecordSummary {
  const [id = '', seq, word, live, code = '', text = ''] = row
  const state = word === 'staged' && live === 'no' ? 'interrupted' : toldState(word)
  return { id, seq: Number(seq), state, ...(code !== '' && { reason: { code, text } }) }
}

/** What the agent's `records` and `read` print: rows of fields, and `blob NAME SIZE`, the bytes, a newline. */
export type Frames = {
  /** Fields after `record`. */
  readonly records: readonly (readonly string[])[]
  /** `ID/N` → value in the manifest's form. */
  readonly now: ReadonlyMap<string, string>
  /** `ID/before/N`, … → bytes. */
  readonly blobs: ReadonlyMap<string, Bytes>
}

export function parseFrames(output: Buffer): Frames {
  const { rows, blobs } = readFrames(output)
  const told = rows.filter(([name]) => name === 'record').map((row) => row.slice(1).map(decodeText))
  const records = told.filter(([id = '']) => isRecordId(id))
  const now = rows.filter(([name]) => name === 'now').map((row) => [`${row[1]}/${row[2]}`, row[3] ?? '-'] as const)
  return { records, now: new Map(now), blobs }
}

type RawFrames = {
  /** Fields as they stand, the name first. */
  readonly rows: readonly (readonly string[])[]
  readonly blobs: ReadonlyMap<string, Bytes>
}

export function readFrames(output: Buffer): RawFrames {
  const rows: string[][] = []
  const blobs = new Map<string, Bytes>()
  let at = 0
  while (at < output.length) {
    const end = output.indexOf(0x0a, at)
    const stop = end < 0 ? output.length : end
    const row = output.toString('latin1', at, stop).split('\t')
    at = stop + 1
    if (row[0] !== 'blob') rows.push(row)
    else {
      // No number, or one below 0, would lead back to what was read already.
      const size = /^\d{1,10}$/.test(row[2] ?? '') ? Number(row[2]) : output.length
      blobs.set(decodeField(row[1] ?? '') ?? '', output.toString('latin1', at, at + size))
      at += size + 1
    }
  }
  return { rows, blobs }
}
