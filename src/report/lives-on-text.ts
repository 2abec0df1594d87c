import { formatUse, useNames } from '../pci/lives-on/use-names.ts'
import type { LivesOn, Unknown, Use } from '../pci/lives-on/use.ts'
import { escapeForTerminal } from './escape.ts'
import { renderSentence } from './frame.ts'
import type { Marks } from './inspect-tree-text.ts'
import type { TextOptions } from './paint.ts'

/** For each function the needs that end at it, each once; those that may end there with a question mark. */
export function markUses({ uses, cannotTell }: LivesOn): Marks {
  const marks = new Map<string, string[]>()
  const add = (address: string, mark: string): void => {
    const known = marks.get(address) ?? []
    if (!known.includes(mark)) marks.set(address, [...known, mark])
  }
  for (const { address, what } of uses) add(address, useNames[what])
  for (const { what, candidates } of cannotTell) for (const address of candidates) add(address, `${useNames[what]}?`)
  return marks
}

/** The chains of evidence, and what cannot be told. */
export function renderLivesOn({ uses, cannotTell }: LivesOn, options: TextOptions): string[] {
  const { paint } = options
  const widest = Math.max(0, ...uses.map(({ what }) => useNames[what].length))
  return [
    ...(uses.length > 0 ? [paint.strong('The host lives on')] : []),
    ...uses.flatMap((use) => renderUse(use, widest, options)),
    ...(cannotTell.length > 0 ? [paint.strong('Cannot be told')] : []),
    ...cannotTell.flatMap((unknown) => renderUnknown(unknown, options)),
  ]
}

function renderUse({ address, what, ...use }: Use, widest: number, options: TextOptions): string[] {
  const head = `  ${address}  ${useNames[what].padEnd(widest)}  `
  const shown = `  ${options.paint.warning(address)}  ${useNames[what].padEnd(widest)}  `
  return renderSentence({ plain: head, shown }, escapeForTerminal(formatUse(use)), options)
}

function renderUnknown({ what, why, candidates }: Unknown, options: TextOptions): string[] {
  const head = `  ${useNames[what]}: `
  const which = candidates.length > 0 ? ` (${candidates.join(', ')})` : ''
  return renderSentence({ plain: head, shown: head }, escapeForTerminal(`${why}${which}`), options)
}
