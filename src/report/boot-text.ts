import type { BootRow } from '../checks/compare-boot.ts'
import { escapeForTerminal } from './escape.ts'
import type { Paint } from './paint.ts'

/** The comparison of a boot with its prediction: what differs, or that nothing does; every row with `verbose`. */
export function renderBoot(rows: readonly BootRow[], { paint, verbose }: { paint: Paint; verbose: boolean }): string {
  if (rows.length === 0) return ''
  const failed = rows.filter((row) => !row.ok)
  const heading =
    failed.length === 0
      ? paint.added(`booted as predicted (${rows.length} of ${rows.length} agree)`)
      : paint.error(`${failed.length} of ${rows.length} differ from what was predicted`)
  return [heading, ...(verbose ? rows : failed).map((row) => renderRow(row, paint))].join('\n')
}

function renderRow(row: BootRow, paint: Paint): string {
  const what = escapeForTerminal(row.what)
  if (row.ok) return `  ${paint.added('ok')}    ${what}: ${escapeForTerminal(row.seen)}`
  return `  ${paint.error('not')}   ${what}: predicted ${escapeForTerminal(row.predicted)}, seen ${escapeForTerminal(row.seen)}`
}
