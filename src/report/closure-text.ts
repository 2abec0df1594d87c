import type { Diagnostic } from '../core/diagnostic.ts'
import type { PciFunction, Snapshot } from '../core/snapshot.ts'
import type { Handover } from '../pci/judge-handover.ts'
import { formatClass } from '../pci/devices.ts'
import type { Verdict } from '../pci/judge-closure.ts'
import { formatDeviceName } from '../pci/names.ts'
import { escapeForTerminal } from './escape.ts'
import { renderDiagnostic } from './frame.ts'
import type { Paint, TextOptions } from './paint.ts'

type ClosureView = {
  readonly snapshot: Snapshot
  readonly closure: Handover
  /** What a task that hands the members to a guest would be told besides. */
  readonly refusals: readonly Diagnostic[]
}

/** What travels with the devices that were asked about, what stays, and the verdict with its evidence. */
export function renderClosure({ snapshot, closure, refusals }: ClosureView, options: TextOptions): string[] {
  const { paint } = options
  const told = closure.diagnostics.map((found) => renderDiagnostic(found, options))
  const refused = refusals.map((found) => renderDiagnostic(found, options))
  return [
    `${paint.strong(closure.targets.join(', '))}  ${renderVerdict(closure, paint)}`,
    ...renderFunctions(snapshot, closure, options),
    ...(told.length > 0 ? ['', ...told] : []),
    ...(refused.length > 0 ? ['', paint.strong('A task that hands this to a guest would be told'), ...refused] : []),
  ]
}

/** Codes stand in the line itself: who reads no further must not take a refusal for a yes. */
function renderVerdict({ verdict, refusedFor }: Handover, paint: Paint): string {
  const sentences: Readonly<Record<Verdict, string>> = {
    ok: paint.added('ok: a guest can have it'),
    'ok-only-with-all-members': paint.added('ok, only with all that comes along'),
    'bind-by-address': paint.changed('ok by address, not by id'),
    warn: paint.warning('possible, with care'),
    'cannot-tell': paint.warning('cannot tell'),
    refuse: paint.error('refused'),
  }
  if (refusedFor.length === 0) return sentences[verdict]
  const codes = refusedFor.join(', ')
  if (verdict === 'refuse') return `${sentences[verdict]}: ${codes}`
  return `${sentences[verdict]}; ${paint.error('a task is refused until this is settled')}: ${codes}`
}

function renderFunctions(snapshot: Snapshot, closure: Handover, options: TextOptions): string[] {
  const companions = closure.members.filter((member) => !closure.targets.includes(member))
  const shared = [...new Set(Object.values(closure.sharedIds).flat())]
  const rows = [
    ...closure.targets.map((address) => ({ role: 'target', address })),
    ...companions.map((address) => ({ role: 'comes along', address })),
    ...closure.bridgesLeftOut.map((address) => ({ role: 'bridge, stays', address })),
    ...closure.slotSiblings.map((address) => ({ role: 'same card', address })),
    ...shared.map((address) => ({ role: 'same id', address })),
  ]
  const found = rows.flatMap(({ role, address }) => {
    const device = snapshot.pci.find((each) => each.address === address)
    return device ? [{ role, device }] : []
  })
  return layOut(snapshot, found, options)
}

function layOut(
  snapshot: Snapshot,
  rows: readonly { readonly role: string; readonly device: PciFunction }[],
  { paint, width, isWrapped }: TextOptions,
): string[] {
  const cells = rows.map(({ role, device }) => [
    role,
    device.address,
    device.iommuGroup === null ? 'no group' : `group ${device.iommuGroup}`,
    `${device.vendor}:${device.device}`,
    escapeForTerminal(device.driver ?? '-'),
  ])
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  return rows.map(({ role, device }, index) => {
    const [, ...rest] = cells[index] ?? []
    const start = rest.map((cell, column) => cell.padEnd(widths[column + 1] ?? 0)).join('  ')
    const what = `${formatClass(device.class)} \u00b7 ${formatDeviceName(snapshot, device)}`.replace(/ \u00b7 $/, '')
    const room = isWrapped ? Math.max(0, width - (widths[0] ?? 0) - start.length - 6) : what.length
    const text = escapeForTerminal(what)
    const shown = text.length <= room ? text : `${text.slice(0, Math.max(0, room - 1))}\u2026`
    return `  ${paint.faint(role.padEnd(widths[0] ?? 0))}  ${start}  ${shown}`
  })
}
