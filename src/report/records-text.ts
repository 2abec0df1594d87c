import type { RecordDocument, RecordState } from '../core/record.ts'
import { escapeForTerminal } from './escape.ts'
import type { Paint } from './paint.ts'
import { count } from './plan-text.ts'

type Row = { readonly id: string; readonly state: RecordState; readonly document: RecordDocument | null }

/** A host's records, newest first: id, state, when, by whom, what. */
export function renderRecords(
  host: string,
  records: readonly Row[],
  { paint, source }: { paint: Paint; source: string },
): string {
  const heading = `${paint.strong(escapeForTerminal(host))}${source === '' ? '' : `  ${paint.faint(source)}`}`
  if (records.length === 0) return `${heading}\n  no records`
  return [heading, ...records.toReversed().map((record) => renderRow(record, paint))].join('\n')
}

function renderRow({ id, state, document }: Row, paint: Paint): string {
  const shown = paintState(state, paint)
  if (document === null) return `  ${id}  ${shown}`
  const when = document.created.slice(0, 16).replace('T', ' ')
  const about = `${when} UTC  ${document.by}  ${document.playbooks.join(' ')}  ${count(document.changes.length, 'change')}`
  return `  ${id}  ${shown}  ${escapeForTerminal(about)}`
}

function paintState(state: RecordState, paint: Paint): string {
  const padded = state.padEnd(11)
  if (state === 'committed') return paint.added(padded)
  return state === 'reverted' ? paint.faint(padded) : paint.warning(padded)
}
