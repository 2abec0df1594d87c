import type { Diagnostic, SourcePosition } from '../core/diagnostic.ts'
import { escapeForTerminal } from './escape.ts'
import type { Paint } from './paint.ts'

/** A frame shows at most this much of a line, around the marked place. */
const frameWidth = 110

/**
 * One diagnostic as people read it: `file:line:column: error CODE: message`, the line, a caret, evidence, hint.
 * Lines are not terminated by a newline at the end.
 */
export function renderDiagnostic(diagnostic: Diagnostic, paint: Paint, verbose = true): string {
  const place = diagnostic.source ? `${formatPosition(diagnostic.source)}: ` : ''
  const head = paint[diagnostic.severity](`${diagnostic.severity} ${diagnostic.code}`)
  return [
    `${paint.strong(place)}${head}: ${escapeForTerminal(diagnostic.message, { keepNewlines: true })}`,
    ...(diagnostic.source ? renderFrame(diagnostic.source, paint) : []),
    ...renderEvidence(diagnostic.evidence ?? [], paint, verbose),
    ...(diagnostic.hint === undefined ? [] : [`   ${paint.note('hint:')} ${escapeForTerminal(diagnostic.hint)}`]),
  ].join('\n')
}

/** Without `verbose` a long list of evidence is cut, and says so. */
const evidenceShown = 8

function renderEvidence(evidence: readonly string[], paint: Paint, verbose: boolean): string[] {
  const lines = evidence.flatMap((line) => line.split('\n'))
  const shown = verbose || lines.length <= evidenceShown + 1 ? lines : lines.slice(0, evidenceShown)
  const rest = lines.length - shown.length
  return [
    ...shown.map((line) => `   ${paint.faint('seen:')} ${escapeForTerminal(line)}`),
    ...(rest > 0 ? [`   ${paint.faint(`seen: … and ${rest} more (-v)`)}`] : []),
  ]
}

/** `file:line:column` */
export function formatPosition(source: SourcePosition): string {
  return `${escapeForTerminal(source.file)}:${source.line}:${source.column}`
}

function renderFrame(source: SourcePosition, paint: Paint): string[] {
  if (source.text === undefined) return []
  const number = String(source.line).padStart(5)
  const start = Math.max(0, source.column - 1 - Math.floor(frameWidth / 2))
  const shown = escapeForTerminal(source.text.slice(start, start + frameWidth))
  const before = escapeForTerminal(source.text.slice(start, source.column - 1))
  const marked = escapeForTerminal(source.text.slice(source.column - 1, source.column - 1 + (source.length ?? 1)))
  const carets = '^'.repeat(Math.max(1, Math.min(marked.length, shown.length - before.length)))
  return [
    `${paint.faint(`${number} | `)}${shown}`,
    `${paint.faint('      | ')}${' '.repeat(before.length)}${paint.error(carets)}`,
  ]
}
