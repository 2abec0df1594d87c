import type { Diagnostic, SourcePosition } from '../core/diagnostic.ts'
import { escapeForTerminal } from './escape.ts'
import type { TextOptions } from './paint.ts'
import { wrapWords } from './wrap.ts'

/** A frame shows at most this much of a line, around the marked place. */
const widestFrame = 110

/** Evidence, hints and broken messages stand under the first line. */
const indent = '   '

type Options = Pick<TextOptions, 'paint'> & Partial<TextOptions>

/**
 * One diagnostic as people read it: `file:line:column: error CODE: message`, the line, a caret, evidence, hint.
 * Lines are not terminated by a newline at the end.
 */
export function renderDiagnostic(diagnostic: Diagnostic, given: Options): string {
  const options: TextOptions = { width: widestFrame, isWrapped: false, verbose: true, ...given }
  const { paint } = options
  const place = diagnostic.source ? `${formatPosition(diagnostic.source)}: ` : ''
  const { severity, code, message, hint } = diagnostic
  const head = {
    plain: `${place}${severity} ${code}: `,
    shown: `${paint.strong(place)}${paint[severity](`${severity} ${code}`)}: `,
  }
  return [
    ...renderSentence(head, escapeForTerminal(message, { keepNewlines: true }), options),
    ...(diagnostic.source ? renderFrame(diagnostic.source, options) : []),
    ...renderEvidence(diagnostic.evidence ?? [], options),
    ...(hint === undefined ? [] : renderLabelled('hint:', paint.note, hint, options)),
  ].join('\n')
}

/** Without `verbose` a long list of evidence is cut, and says so. */
const evidenceShown = 8

function renderEvidence(evidence: readonly string[], options: TextOptions): string[] {
  const lines = evidence.flatMap((line) => line.split('\n'))
  const shown = options.verbose || lines.length <= evidenceShown + 1 ? lines : lines.slice(0, evidenceShown)
  const rest = lines.length - shown.length
  return [...shown, ...(rest > 0 ? [`\u2026 and ${rest} more (-v)`] : [])].flatMap((line) =>
    renderLabelled('seen:', options.paint.faint, line, options),
  )
}

function renderLabelled(
  label: string,
  paintLabel: (text: string) => string,
  text: string,
  options: TextOptions,
): string[] {
  const head = { plain: `${indent}${label} `, shown: `${indent}${paintLabel(label)} ` }
  return renderSentence(head, escapeForTerminal(text), options)
}

/** A sentence after its label, on a terminal broken at its width; the rest is indented. */
export function renderSentence(
  head: { readonly plain: string; readonly shown: string },
  text: string,
  { width, isWrapped }: Pick<TextOptions, 'width' | 'isWrapped'>,
): string[] {
  if (!isWrapped || text.includes('\n') || head.plain.length + text.length <= width) return [`${head.shown}${text}`]
  const margin = ' '.repeat(head.plain.startsWith(indent) ? Math.min(head.plain.length, 14) : indent.length)
  const room = width - margin.length
  const placeholder = '\u0000'.repeat(Math.max(0, head.plain.length - margin.length - 1))
  return wrapWords([placeholder, ...text.split(' ')], room).map((words, index) =>
    index === 0 ? `${head.shown}${words.slice(1).join(' ')}`.trimEnd() : `${margin}${words.join(' ')}`,
  )
}

/** `file:line:column` */
export function formatPosition(source: SourcePosition): string {
  return `${escapeForTerminal(source.file)}:${source.line}:${source.column}`
}

function renderFrame(source: SourcePosition, { paint, width }: TextOptions): string[] {
  if (source.text === undefined) return []
  const frameWidth = Math.min(widestFrame, width - 8)
  const number = String(source.line).padStart(5)
  const middle = source.column - 1 - Math.floor(frameWidth / 2)
  const start = source.text.length <= frameWidth ? 0 : Math.max(0, middle)
  const shown = escapeForTerminal(source.text.slice(start, start + frameWidth))
  const before = escapeForTerminal(source.text.slice(start, source.column - 1))
  const marked = escapeForTerminal(source.text.slice(source.column - 1, source.column - 1 + (source.length ?? 1)))
  const carets = '^'.repeat(Math.max(1, Math.min(marked.length, shown.length - before.length)))
  return [
    `${paint.faint(`${number} | `)}${shown}`,
    `${paint.faint('      | ')}${' '.repeat(before.length)}${paint.error(carets)}`,
  ]
}
