import { isWorldReadable, formatMode, sha256 } from '../core/public-change.ts'
import type { Change, FileValue, UnitValue } from '../core/change.ts'
import type { Claim } from '../core/claim.ts'
import type { HostPlan, NextBoot, PlannedTask } from '../core/plan.ts'
import { textFromBytes } from '../core/bytes.ts'
import { maskSecrets } from '../core/secrets.ts'
import { renderTextDiff } from './diff-text.ts'
import { escapeForTerminal } from './escape.ts'
import { renderExpansions } from './expansion-text.ts'
import { groupChanges, nameTargets, type ChangeGroup } from './group-changes.ts'
import { formatPosition, renderDiagnostic } from './frame.ts'
import type { Paint, TextOptions } from './paint.ts'
import { wrapWords } from './wrap.ts'

export type PlanView = {
  readonly host: string
  readonly plan: HostPlan
  /** `Debian GNU/Linux 12 (bookworm)`, when known. */
  readonly system: string
  /** Tasks whose `when` did not hold. */
  readonly skipped: readonly { readonly name: string; readonly module: string }[]
  readonly commandLineNow: string
}

/** A host's plan for people: what is refused, what changes, what is rebuilt, what boots next. */
export function renderPlan(view: PlanView, options: TextOptions): string {
  const { plan } = view
  const diagnostics = [...plan.tasks.flatMap((task) => task.diagnostics), ...plan.diagnostics]
  const blocks = [
    [renderHeading(view, options)],
    diagnostics.map((diagnostic) => renderDiagnostic(diagnostic, options)),
    renderExpansions(plan.tasks, options),
    ...groupChanges(plan.changes).map((group) => renderChanges(group, plan.tasks, options)),
    renderConsequences(view, options),
    options.verbose ? renderTasks(view, options) : [],
    [renderSummary(view, options)],
  ]
  return blocks
    .filter((block) => block.length > 0)
    .map((block) => block.join('\n'))
    .join('\n\n')
}

function renderHeading(view: PlanView, { paint }: TextOptions): string {
  const about = [view.system, `kernel ${view.plan.kernelRelease}`].filter((part) => part !== '').join(' · ')
  return `${paint.strong(escapeForTerminal(view.host))}  ${paint.faint(escapeForTerminal(about))}`
}

/** Changes that are alike: a line that says what they are and when they take effect, the tasks that want them, the diff. */
export function renderChanges(
  { first, targets }: ChangeGroup,
  tasks: readonly PlannedTask[],
  options: TextOptions,
): string[] {
  const { paint } = options
  const sign = first.before === null ? paint.added('+') : first.after === null ? paint.removed('-') : paint.changed('~')
  const shownKind = first.kind === 'file' ? '' : `${first.kind} `
  return [
    `${sign} ${shownKind}${paint.strong(escapeForTerminal(nameTargets(targets)))}`,
    ...renderReasons(first, tasks, options).map((line) => `  ${paint.faint(line)}`),
    ...renderValues(first, options).map((line) => `  ${line}`),
  ]
}

function renderReasons(change: Change, tasks: readonly PlannedTask[], { width }: TextOptions): string[] {
  const when = change.takesEffect === 'now' ? 'now' : 'at the next boot'
  const names = change.tasks.flatMap((index) => tasks[index] ?? []).map((task) => task.name || task.module)
  const words = [when, ...(names.length > 0 ? [`· for: ${names.join(' · ')}`] : [])].join(' ').split(' ')
  const lines = wrapWords(words, width - 2).map((line) => escapeForTerminal(line.join(' ')))
  return change.reason === undefined ? lines : [...lines, escapeForTerminal(change.reason)]
}

function renderValues(change: Change, options: TextOptions): string[] {
  if (change.kind === 'file') return renderFileValues(change.before, change.after, options.paint)
  return [`${renderValue(change, change.before)} ${options.paint.faint('→')} ${renderValue(change, change.after)}`]
}

function renderValue(change: Change, value: Change['after']): string {
  if (value === null)
    return change.kind === 'kernel-module' ? 'not loaded' : change.kind === 'driver' ? 'no driver' : 'absent'
  if (typeof value === 'string') return escapeForTerminal(value)
  if (change.kind === 'unit') return renderUnit(value as UnitValue)
  if (change.kind === 'link') return `→ ${escapeForTerminal((value as { to: string }).to)}`
  if (change.kind === 'boot-arguments') return escapeForTerminal(maskSecrets((value as readonly string[]).join(' ')))
  return `mode ${formatMode((value as { mode: number }).mode)}`
}

function renderUnit(value: UnitValue): string {
  const running = value.active === null ? '' : value.active ? ', running' : ', stopped'
  return `${value.masked ? 'masked' : value.enabled ? 'enabled' : 'disabled'}${running}`
}

function renderFileValues(before: FileValue | null, after: FileValue | null, paint: Paint): string[] {
  const lines = renderAttributes(before, after, paint)
  if ([before, after].some((value) => value !== null && !isWorldReadable(value)))
    return [...lines, `content (not world-readable): ${shortHash(before)} ${paint.faint('→')} ${shortHash(after)}`]
  const texts = [before, after].map((value) => maskSecrets(value === null ? '' : textFromBytes(value.content)))
  return [...lines, ...renderTextDiff(texts[0] ?? '', texts[1] ?? '', paint)]
}

function shortHash(value: FileValue | null): string {
  return value === null ? 'absent' : `sha256 ${sha256(value.content).slice(0, 16)}…`
}

function renderAttributes(before: FileValue | null, after: FileValue | null, paint: Paint): string[] {
  if (before === null || after === null) return []
  const name = (value: FileValue): string => `${formatMode(value.mode)} ${value.uid}:${value.gid}`
  return name(before) === name(after) ? [] : [`${name(before)} ${paint.faint('→')} ${name(after)}`]
}

function renderConsequences(view: PlanView, options: TextOptions): string[] {
  const { plan } = view
  const rows: [string, string[]][] = [
    ['rebuilt', plan.regenerate.length > 0 ? [plan.regenerate.map(nameRegeneration).join(', ')] : []],
    ['reboot', plan.reboot === 'needed' ? renderReboot(view, options) : []],
    ...(plan.nextBoot && plan.reboot === 'needed' ? renderNextBoot(plan.nextBoot, view.commandLineNow, options) : []),
    [
      'waiting',
      plan.pending
        .map((row) => `${row.what}: saved ${row.saved}, live ${row.live}`)
        .flatMap((line) => breakRow(escapeForTerminal(line), options)),
    ],
    [
      'orphans',
      plan.orphans.flatMap((claim) =>
        breakRow(
          `${escapeForTerminal(renderClaim(claim))} (no task asks for it any more; --prune removes it)`,
          options,
        ),
      ),
    ],
  ]
  return rows.filter(([, lines]) => lines.length > 0).flatMap(([name, lines]) => renderRow(name, lines, options))
}

/** Why a boot is needed, in a few words. */
function renderReboot({ plan, commandLineNow }: PlanView, options: TextOptions): string[] {
  const drivers = Object.values(plan.nextBoot?.drivers ?? {}).filter(({ now, next }) => now !== next)
  const isOther = plan.nextBoot !== null && words(plan.nextBoot.kernelCommandLine) !== words(commandLineNow)
  const reasons = [
    isOther ? 'the kernel command line' : '',
    plan.regenerate.includes('initramfs') ? 'the initramfs images' : '',
    drivers.length > 0 ? `the drivers of ${count(drivers.length, 'function')}` : '',
    plan.pending.length > 0 ? `${count(plan.pending.length, 'setting')} saved earlier` : '',
  ].filter((reason) => reason !== '')
  const [first = '', ...others] = breakRow(`needed${reasons.length > 0 ? ` for ${reasons.join(', ')}` : ''}`, options)
  return [first.replace('needed', options.paint.changed('needed')), ...others]
}

function words(commandLine: string): string {
  return splitCommandLine(commandLine).join(' ')
}

function splitCommandLine(line: string): string[] {
  return maskSecrets(line)
    .split(/\s+/)
    .filter((word) => word !== '' && !word.startsWith('BOOT_IMAGE='))
}

function renderRow(name: string, lines: readonly string[], { paint }: TextOptions): string[] {
  return lines.map((line, index) => `${paint.faint((index === 0 ? name : '').padEnd(rowIndent))}${line}`)
}

/** Where the values of rows begin. */
const rowIndent = 14

/** A row's sentence, on a terminal broken at its width. */
function breakRow(line: string, { width, isWrapped }: TextOptions): string[] {
  if (!isWrapped) return [line]
  return wrapWords(line.split(' '), width - rowIndent).map(
    (words, index) => `${index === 0 ? '' : '  '}${words.join(' ')}`,
  )
}

/** A derived file in the words of people. */
export function nameRegeneration(regeneration: HostPlan['regenerate'][number]): string {
  const names = {
    units: 'systemd units',
    tmpfiles: 'tmpfiles',
    udev: 'udev rules',
    initramfs: 'initramfs images of all installed kernels',
    'boot-loader': 'grub.cfg',
    esp: 'loader entries, with copies of kernels and images',
  } satisfies Record<typeof regeneration, string>
  return names[regeneration]
}

function renderNextBoot(next: NextBoot, now: string, options: TextOptions): [string, string[]][] {
  return [
    ['next boot', [escapeForTerminal(`${next.entry.id} (kernel ${next.entry.kernel})`)]],
    ['command line', renderCommandLine(next.kernelCommandLine, now, options)],
    ['drivers', renderDrivers(next, options)],
    [
      'huge pages',
      Object.entries(next.hugepages).map(([size, pool]) => `${size}: ${pool.total}${renderNodes(pool.nodes)}`),
    ],
    [
      'uncertain',
      next.uncertain.flatMap((row) => breakRow(escapeForTerminal(`${row.what}: ${row.why} (${row.code})`), options)),
    ],
  ]
}

function renderNodes(nodes: Readonly<Record<string, number>> | undefined): string {
  if (nodes === undefined) return ''
  return ` (${Object.entries(nodes)
    .map(([node, pages]) => `node ${node}: ${pages}`)
    .join(', ')})`
}

function renderCommandLine(next: string, now: string, { paint, width }: TextOptions): string[] {
  const before = new Set(splitCommandLine(now))
  const after = new Set(splitCommandLine(next))
  const gone = [...before].filter((word) => !after.has(word))
  const lines = wrapWords(splitCommandLine(next), width - 16).map((line) =>
    line.map((word) => (before.has(word) ? escapeForTerminal(word) : paint.added(escapeForTerminal(word)))).join(' '),
  )
  return gone.length === 0
    ? lines
    : [
        ...lines,
        `${paint.faint('without now:')} ${gone.map((word) => paint.removed(escapeForTerminal(word))).join(' ')}`,
      ]
}

function renderDrivers(next: NextBoot, options: TextOptions): string[] {
  const { paint, verbose, width, isWrapped } = options
  return Object.entries(next.drivers)
    .filter(([, driver]) => verbose || driver.now !== driver.next || !driver.certain)
    .flatMap(([address, { now, next: then, certain, because }]) => {
      const sure = certain ? '' : ' (not certain)'
      const [from, to] = [escapeForTerminal(now ?? 'none'), escapeForTerminal(then ?? 'none')]
      const plain = `${address}  ${from} → ${to}${sure}`
      const shown = `${address}  ${from} → ${paint.strong(to)}${sure}`
      const why = escapeForTerminal(because)
      if (!isWrapped || rowIndent + plain.length + 2 + why.length <= width) return [`${shown}  ${paint.faint(why)}`]
      return [shown, ...breakRow(`  ${why}`, options).map((line) => paint.faint(line))]
    })
}

function renderTasks(view: PlanView, { paint }: TextOptions): string[] {
  return view.plan.tasks.map((task) => {
    const state = task.changes.length > 0 ? paint.changed('changes') : paint.added('holds  ')
    return `${state}  ${task.module}  ${escapeForTerminal(task.name)}  ${paint.faint(formatPosition(task.source))}`
  })
}

function renderSummary(view: PlanView, { paint }: TextOptions): string {
  const { plan, skipped } = view
  const hold = plan.tasks.filter(
    (task) => task.changes.length === 0 && !task.diagnostics.some((d) => d.severity === 'error'),
  ).length
  const refused = [...plan.diagnostics, ...plan.tasks.flatMap((task) => task.diagnostics)].filter(
    (d) => d.severity === 'error',
  ).length
  const parts = [
    refused > 0
      ? paint.error(`refused: ${count(refused, 'error')}, nothing will be written`)
      : count(plan.changes.length, 'change'),
    refused === 0 && plan.changes.length === 0 && plan.regenerate.length > 0
      ? `${plan.regenerate.length} to rebuild`
      : '',
    hold > 0 && refused === 0 ? `${count(hold, 'task')} ${hold === 1 ? 'holds' : 'hold'} already` : '',
    skipped.length > 0 ? `${skipped.length} skipped by when` : '',
  ]
  return parts.filter((part) => part !== '').join(' · ')
}

/** `1 change`, `2 changes` */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

/** A claim in a few words, as rows of what waits name the same things. */
export function renderClaim(claim: Claim): string {
  return `${claim.want === 'absent' ? 'absent: ' : ''}${maskSecrets(describeSubject(claim))}`
}

function describeSubject(claim: Claim): string {
  switch (claim.of) {
    case 'kernel-argument':
      return `kernel argument ${claim.name}${claim.value === null ? '' : `=${claim.value}`}`
    case 'argument-sequence':
      return `kernel arguments ${claim.args.join(' ')}`
    case 'module-option':
      return `option of module ${claim.module}: ${claim.option}=${claim.value}`
    case 'softdep':
      return `softdep ${claim.module} pre: ${claim.pre.join(' ')}`
    case 'early-module':
      return `module ${claim.module}, from the initramfs`
    case 'boot-module':
      return `module ${claim.module}, at boot`
    case 'kernel-module':
      return `module ${claim.target}, loaded now`
    case 'driver':
      return `driver of ${claim.device.address}: ${claim.driver ?? 'no driver'}`
    case 'environment-variable':
      return `${claim.name}${claim.value === null ? ' not set' : `=${claim.value}`} in ${claim.target}`
    case 'attribute':
      return `${claim.target}: ${claim.value}`
    case 'unit':
      return `unit ${claim.target}: ${renderUnit(claim.after)}`
    case 'file':
      break
  }
  return `file ${claim.target}`
}
