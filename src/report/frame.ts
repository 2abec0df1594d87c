import type { Diagnostic, SourcePosition } from '../core/diagnostic.ts'
import { escapeForTerminal } from './escape.ts'
import type { Paint } from './paint.ts'

/** A frame shows at most this much of a line, around the marked place. */
const frameWidth = 110

/**
 * One diagnostic as people read it: `file:line:column: error CODE: message`, the line, a caret, evidence, hint.
 * Lines are not terminated by a newline at the end.
 */
export function renderDiagnostic(diagnostic: Diagnostic, paint: Paint): string {
  const place = diagnostic.source ? `${formatPosition(diagnostic.source)}: ` : ''
  const head = paint[diagnostic.severity](`${diagnostic.severity} ${diagnostic.code}`)
  return [
    `${paint.strong(place)}${head}: ${escapeForTerminal(diagnostic.message, { keepNewlines: true })}`,
    ...(diagnostic.source ? renderFrame(diagnostic.source, paint) : []),
    ...(diagnostic.evidence ?? [])
      .flatMap((line) => line.split('\n'))
      .map((line) => `   ${paint.faint('seen:')} ${escapeForTerminal(line)}`),
    ...(diagnostic.hint === undefined ? [] : [`   ${paint.note('hint:')} ${escapeForTerminal(diagnostic.hint)}`]),
  ].join('\n')
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
