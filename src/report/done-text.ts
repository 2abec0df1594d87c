import type { BootRow } from '../checks/compare-boot.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import { renderBoot } from './boot-text.ts'
import { escapeForTerminal } from './escape.ts'
import { renderDiagnostic, renderSentence } from './frame.ts'
import type { Paint, TextOptions } from './paint.ts'
import { formatTime } from './time-text.ts'

type Done = {
  readonly host: string
  readonly diagnostics: readonly Diagnostic[]
  readonly outcome: string
  readonly rows: readonly BootRow[]
  /** Where it did not end well: the host's state, and how that is known. */
  readonly ending: string | null
  readonly [field: string]: unknown
}

/** What became of one host: its state, how the boot compared, what is left, and what to run next. */
export function renderDone(done: Done, options: TextOptions): string {
  const { paint } = options
  const leftToDo = done['leftToDo'] as readonly string[]
  const next = done['next'] as readonly string[]
  // How the boot differs is shown row by row.
  const diagnostics = done.diagnostics.filter(({ code }) => code !== 'BOOT_DIFFERS')
  return [
    `${paint.strong(escapeForTerminal(done.host))}  ${paintOutcome(done, paint)}`,
    ...diagnostics.map((found) => renderDiagnostic(found, options)),
    renderBoot(done.rows, options),
    ...leftToDo.flatMap((each) => renderLine('left to do:', paint.warning, describeLeft(each), options)),
    done['reboot'] === 'needed' && done.ending === null && done.outcome !== 'left' ? renderDue(done, paint) : '',
    ...renderEnding({ state: done.ending, next }, options),
  ]
    .filter((line) => line !== '')
    .join('\n')
}

function renderDue({ outcome }: Done, paint: Paint): string {
  return paint.changed(
    outcome === 'staged'
      ? 'a reboot tries it; until then the host boots as before'
      : 'a reboot is needed before all of it holds',
  )
}

/** The last lines about a host: its state, where that needs words, and what to run next. */
export function renderEnding(
  { state, next }: { readonly state: string | null; readonly next: readonly string[] },
  options: TextOptions,
): string[] {
  const { faint } = options.paint
  return [
    ...(state === null ? [] : renderLine('state:', faint, state, options)),
    ...next.map((command) => `${faint('next:')} ${escapeForTerminal(command)}`),
  ]
}

function renderLine(label: string, paintLabel: (text: string) => string, text: string, options: TextOptions): string[] {
  return renderSentence({ plain: `${label} `, shown: `${paintLabel(label)} ` }, escapeForTerminal(text), options)
}

function paintOutcome(done: Done, paint: Paint): string {
  const record =
    typeof done['record'] === 'string' ? `  ${paint.faint(escapeForTerminal(`record ${done['record']}`))}` : ''
  const words: Readonly<Record<string, string>> = {
    staged: paint.added('staged for a trial boot'),
    committed: paint.added(done['record'] === null ? 'nothing to write' : 'applied'),
    reverted: paint.error('failed; everything is as it was before'),
    tried: paint.added('tried by a boot and committed'),
    'taken back': paint.error('taken back'),
    held: paint.added(`runs its trial${byWhen(done)}`),
    left: paint.added(`goes down now and boots its trial${byWhen(done)}`),
    leaves: paint.added('goes down now'),
    untried: paint.error('not rebooted'),
    unconfirmed: paint.error(`not confirmed${byWhen(done)}`),
    'nothing to confirm': paint.faint('nothing to confirm'),
    refused: paint.error('refused; nothing was written'),
    failed: paint.error('failed'),
    lost: paint.error('no answer any more; the host goes on by itself'),
    'rolled back': paint.added('rolled back'),
    done: paint.added('done'),
    rebooted: paint.added('rebooted'),
    'not rebooted': paint.error('not rebooted'),
    unreachable: paint.error('not reached'),
  }
  return `${words[done.outcome] ?? escapeForTerminal(done.outcome)}${record}`
}

/** How long an open trial may stay so. */
function byWhen(done: Done): string {
  return typeof done['confirmBy'] === 'string'
    ? `; unconfirmed it takes it back by ${formatTime(new Date(done['confirmBy']))}`
    : ''
}

/** A tree has no tools of its own, or passway may not run them: what was written there is rebuilt elsewhere. */
function describeLeft(each: string): string {
  const names: Readonly<Record<string, string>> = {
    initramfs: 'the initramfs images are not rebuilt: the tree has no update-initramfs that passway could run',
    'boot-loader': 'grub.cfg is not rebuilt: the tree has no grub-mkconfig that passway could run',
    esp: 'the loader entries are not written: the tree has no kernel-install that passway could run',
    units: 'systemd does not know the new units: no systemd runs in a tree',
    udev: 'udev does not know the new rules: no udev runs in a tree',
    tmpfiles: 'systemd-tmpfiles was not run: no systemd runs in a tree',
  }
  return (Object.hasOwn(names, each) ? names[each] : undefined) ?? each
}
