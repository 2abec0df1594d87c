import { textFromBytes, type Bytes } from '../core/bytes.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import type { HostAddress } from '../core/host-address.ts'
import type { RecordDocument, RecordState, RecordSummary } from '../core/record.ts'
import { formatCall } from './bundle.ts'
import { decodeField, decodeText } from './fields.ts'
import { runAgent, type AgentOptions } from './run-agent.ts'

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
  return { ...formatSummary(row), document: findDocument(blobs.get(`${id}/record.json`)) }
}

/** `ID SEQ STATE LIVE`: an open record without a live agent is interrupted. */
export function formatSummary(row: readonly string[]): RecordSummary {
  const [id = '', seq, state, live] = row
  return { id, seq: Number(seq), state: state === 'staged' && live === 'no' ? 'interrupted' : (state as RecordState) }
}

export function findDocument(bytes: Bytes | undefined): RecordDocument | null {
  if (bytes === undefined) return null
  try {
    const document = JSON.parse(textFromBytes(bytes)) as RecordDocument
    return document.format === 1 ? document : null
  } catch {
    return null
  }
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
  const records: string[][] = []
  const now = new Map<string, string>()
  const blobs = new Map<string, Bytes>()
  let at = 0
  while (at < output.length) {
    const end = output.indexOf(0x0a, at)
    const stop = end < 0 ? output.length : end
    const [name, ...fields] = output.toString('latin1', at, stop).split('\t')
    at = stop + 1
    if (name === 'record') records.push(fields.map(decodeText))
    if (name === 'now') now.set(`${fields[0]}/${fields[1]}`, fields[2] ?? '-')
    if (name === 'blob') {
      const size = Number(fields[1])
      blobs.set(decodeField(fields[0] ?? '') ?? '', output.toString('latin1', at, at + size))
      at += size + 1
    }
  }
  return { records, now, blobs }
}
