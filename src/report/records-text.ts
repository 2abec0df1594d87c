import type { RecordDocument, RecordState, RevertReason } from '../core/record.ts'
import { escapeForTerminal } from './escape.ts'
import type { Paint } from './paint.ts'
import { count } from './plan-text.ts'

type Row = {
  readonly id: string
  readonly state: RecordState
  readonly document: RecordDocument | null
  readonly reason?: RevertReason
}

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

function renderRow({ id: told, state, document, reason }: Row, paint: Paint): string {
  const id = escapeForTerminal(told)
  const shown = paintState(state, paint)
  const rest = describeState(state, reason).map((line) => `\n    ${paint.faint(escapeForTerminal(line))}`)
  if (document === null) return `  ${id}  ${shown}${rest.join('')}`
  const when = document.created.slice(0, 16).replace('T', ' ')
  const about = `${when} UTC  ${document.by}  ${document.playbooks.join(' ')}  ${count(document.changes.length, 'change')}`
  return `  ${id}  ${shown}  ${escapeForTerminal(about)}${rest.join('')}`
}

/** What an open one waits for, and why a reverted one was. */
function describeState(state: RecordState, reason: RevertReason | undefined): string[] {
  const open: Partial<Record<RecordState, string>> = {
    staged: 'waits for the boot that tries it: passway reboot',
    armed: 'the next boot tries it',
    trial: 'its trial runs: passway confirm keeps it, passway rollback --reboot takes it back',
    confirmed: 'it is being written for good',
    interrupted: 'the next run there finishes or reverts it',
  }
  if (state === 'reverted' && reason) return [`${reason.code}: ${reason.text}`]
  const words = open[state]
  return words === undefined ? [] : [words]
}

function paintState(state: RecordState, paint: Paint): string {
  const padded = state.padEnd(11)
  if (state === 'committed') return paint.added(padded)
  return state === 'reverted' ? paint.faint(padded) : paint.warning(padded)
}
