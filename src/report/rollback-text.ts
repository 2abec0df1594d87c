import type { Change, Regeneration } from '../core/change.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import { escapeForTerminal } from './escape.ts'
import { renderDiagnostic } from './frame.ts'
import { groupChanges } from './group-changes.ts'
import type { TextOptions } from './paint.ts'
import { nameRegeneration, renderChanges } from './plan-text.ts'

type RollbackView = {
  readonly host: string
  readonly records: readonly { readonly id: string }[]
  readonly changes: readonly Change[]
  readonly regenerate: readonly Regeneration[]
  readonly reboot: 'none' | 'needed'
  readonly diagnostics: readonly Diagnostic[]
  /** False: what the host has is not known. */
  readonly reached: boolean
}

/** What a rollback would do to one host. */
export function renderRollback(view: RollbackView, options: TextOptions): string {
  const { paint } = options
  const ids = view.records.map(({ id }) => id).join(', ')
  const heading = `${paint.strong(escapeForTerminal(view.host))}  ${paint.faint(describe(view, ids))}`
  const consequences = [
    view.regenerate.length > 0
      ? `${paint.faint('rebuilt'.padEnd(14))}${view.regenerate.map(nameRegeneration).join(', ')}`
      : '',
    view.reboot === 'needed' ? `${paint.faint('reboot'.padEnd(14))}${paint.changed('needed')}` : '',
  ].filter((line) => line !== '')
  return [
    heading,
    ...view.diagnostics.map((found) => renderDiagnostic(found, options)),
    ...groupChanges(view.changes).map((group) => renderChanges(group, [], options).join('\n')),
    consequences.join('\n'),
  ]
    .filter((block) => block !== '')
    .join('\n\n')
}

function describe({ reached }: RollbackView, ids: string): string {
  if (ids !== '') return `back before ${ids}`
  return reached ? 'no record to roll back' : 'its records could not be read'
}
