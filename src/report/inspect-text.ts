import type { Diagnostic } from '../core/diagnostic.ts'
import type { Snapshot } from '../core/snapshot.ts'
import type { Handover } from '../pci/judge-handover.ts'
import type { LivesOn } from '../pci/lives-on/use.ts'
import { renderClosure } from './closure-text.ts'
import { escapeForTerminal } from './escape.ts'
import { renderDiagnostic } from './frame.ts'
import { renderPciTree } from './inspect-tree-text.ts'
import { markUses, renderLivesOn } from './lives-on-text.ts'
import type { TextOptions } from './paint.ts'
import { count } from './plan-text.ts'

export type InspectView = {
  readonly host: string
  readonly snapshot: Snapshot
  readonly livesOn: LivesOn
  readonly diagnostics: readonly Diagnostic[]
  /** Where devices were asked about: then the tree is left out. */
  readonly closure: Handover | null
  readonly refusals: readonly Diagnostic[]
}

/** One host's devices for people. */
export function renderInspect(view: InspectView, options: TextOptions): string {
  const { snapshot, closure, livesOn } = view
  const blocks = [
    [renderHeading(view, options)],
    view.diagnostics.map((found) => renderDiagnostic(found, options)),
    closure === null
      ? renderPciTree(snapshot, markUses(livesOn), options)
      : renderClosure({ snapshot, closure, refusals: view.refusals }, options),
    closure === null ? renderLivesOn(livesOn, options) : [],
  ]
  return blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')
}

function renderHeading({ host, snapshot }: InspectView, { paint }: TextOptions): string {
  const groups = new Set(snapshot.pci.flatMap(({ iommuGroup }) => iommuGroup ?? []))
  const system = snapshot.os.get('PRETTY_NAME') ?? ''
  const about = [
    system,
    snapshot.kernelRelease === '' ? '' : `kernel ${snapshot.kernelRelease}`,
    count(snapshot.pci.length, 'PCI function'),
    groups.size === 0 ? 'no IOMMU groups' : count(groups.size, 'IOMMU group'),
  ].filter((part) => part !== '')
  return `${paint.strong(escapeForTerminal(host))}  ${paint.faint(escapeForTerminal(about.join(' \u00b7 ')))}`
}
