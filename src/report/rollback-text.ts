import type { Change, Regeneration } from '../core/change.ts'
import { hasErrors, type Diagnostic } from '../core/diagnostic.ts'
import type { RecordState } from '../core/record.ts'
import { escapeForTerminal } from './escape.ts'
import { renderDiagnostic } from './frame.ts'
import { groupChanges } from './group-changes.ts'
import type { TextOptions } from './paint.ts'
import { nameRegeneration, renderChanges } from './plan-text.ts'

type RollbackView = {
  readonly host: string
  readonly records: readonly { readonly id: string; readonly state: RecordState }[]
  readonly changes: readonly Change[]
  readonly regenerate: readonly Regeneration[]
  readonly reboot: 'none' | 'needed'
  readonly diagnostics: readonly Diagnostic[]
  /** False: what the host has is not known. */
  readonly reached: boolean
}

/** What a rollback would do to one host, or would if what it is refused over were insisted on. */
export function renderRollback(view: RollbackView, options: TextOptions): string {
  const { paint } = options
  const ids = view.records.map(({ id }) => id).join(', ')
  const heading = `${paint.strong(escapeForTerminal(view.host))}  ${paint.faint(escapeForTerminal(describe(view, ids)))}`
  return [
    heading,
    ...view.diagnostics.map((found) => renderDiagnostic(found, options)),
    ...groupChanges(view.changes).map((group) => renderChanges(group, [], options).join('\n')),
    hasErrors(view.diagnostics) ? '' : renderConsequences(view, options),
  ]
    .filter((block) => block !== '')
    .join('\n\n')
}

function renderConsequences({ regenerate, reboot }: RollbackView, { paint }: TextOptions): string {
  const rebuilt = regenerate.map(nameRegeneration).join(', ')
  return [
    regenerate.length > 0 ? `${paint.faint('rebuilt'.padEnd(14))}${rebuilt}` : '',
    reboot === 'needed' ? `${paint.faint('reboot'.padEnd(14))}${paint.changed('needed')}` : '',
  ]
    .filter((line) => line !== '')
    .join('\n')
}

const openWords = {
  staged: 'its trial has not been booted: no live file of the boot has changed',
  armed: 'its trial is armed: the next boot would be it',
  trial: 'its trial runs: what ran before comes back with a reboot',
  confirmed: 'its trial is confirmed and was being written',
} as const

function describe({ reached, records }: RollbackView, ids: string): string {
  const [newest] = records
  const asked = records.at(-1)
  if (asked?.state === 'reverted') return `record ${asked.id} was taken back already: nothing is to be done`
  if (newest !== undefined && newest.state in openWords) {
    const words = openWords[newest.state as keyof typeof openWords]
    return `back before ${ids}; ${words}`
  }
  if (ids !== '') return `back before ${ids}`
  return reached ? 'no record to roll back' : 'its records could not be read'
}
