import type { BootRow } from '../checks/compare-boot.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import { renderBoot } from './boot-text.ts'
import { escapeForTerminal } from './escape.ts'
import { renderDiagnostic } from './frame.ts'
import type { Paint } from './paint.ts'

type Done = {
  readonly host: string
  readonly diagnostics: readonly Diagnostic[]
  readonly outcome: string
  readonly rows: readonly BootRow[]
  readonly [field: string]: unknown
}

/** What became of one host: its state, how the boot compared, what is left, and what to run next. */
export function renderDone(done: Done, options: { paint: Paint; verbose: boolean }): string {
  const { paint } = options
  const leftToDo = done['leftToDo'] as readonly string[]
  const next = done['next'] as readonly string[]
  return [
    `${paint.strong(escapeForTerminal(done.host))}  ${paintOutcome(done, paint)}`,
    ...done.diagnostics.map((found) => renderDiagnostic(found, paint)),
    renderBoot(done.rows, options),
    ...leftToDo.map((each) => `${paint.warning('left to do:')} ${escapeForTerminal(describeLeft(each))}`),
    done['reboot'] === 'needed' ? paint.changed('a reboot is needed for the rest') : '',
    ...next.map((command) => `${paint.faint('next:')} ${escapeForTerminal(command)}`),
  ]
    .filter((line) => line !== '')
    .join('\n')
}

function paintOutcome(done: Done, paint: Paint): string {
  const record = typeof done['record'] === 'string' ? `  ${paint.faint(`record ${done['record']}`)}` : ''
  const words: Readonly<Record<string, string>> = {
    committed: paint.added(done['record'] === null ? 'nothing to write' : 'applied'),
    reverted: paint.error('failed; everything is as it was before'),
    refused: paint.error('refused; nothing was written'),
    failed: paint.error('failed'),
    lost: paint.error('no answer any more; the host goes on by itself'),
    'rolled back': paint.added('rolled back'),
    done: paint.added('done'),
  }
  return `${words[done.outcome] ?? escapeForTerminal(done.outcome)}${record}`
}

/** A tree has no tools of its own, or passway may not run them: what was written there is rebuilt elsewhere. */
function describeLeft(each: string): string {
  const names: Readonly<Record<string, string>> = {
    initramfs: 'the initramfs images are not rebuilt: the tree has no update-initramfs that passway could run',
    'boot-loader': 'grub.cfg is not rebuilt: the tree has no grub-mkconfig that passway could run',
    units: 'systemd does not know the new units: no systemd runs in a tree',
    udev: 'udev does not know the new rules: no udev runs in a tree',
    tmpfiles: 'systemd-tmpfiles was not run: no systemd runs in a tree',
  }
  return names[each] ?? each
}
