import type { Bytes } from '../core/bytes.ts'

/** One physical line: `text` without its line end, `lineEnd` the bytes that end it (empty for a last line without newline). */
export type Line = { readonly start: number; readonly end: number; readonly text: Bytes; readonly lineEnd: Bytes }

/** Splits at newlines; a CR before the newline belongs to `lineEnd`. Joining text and lineEnd of all lines gives the content back. */
export function splitLines(content: Bytes): readonly Line[] {
  const lines: Line[] = []
  let start = 0
  while (start < content.length) {
    const newline = content.indexOf('\n', start)
    const end = newline === -1 ? content.length : newline + 1
    const lineEnd = findLineEnd(content.slice(start, end))
    lines.push({ start, end, text: content.slice(start, end - lineEnd.length), lineEnd })
    start = end
  }
  return lines
}

function findLineEnd(line: Bytes): Bytes {
  if (line.endsWith('\r\n')) return '\r\n'
  return line.endsWith('\n') ? '\n' : ''
}

/** Number of the line that `offset` is on, from 1. */
export function lineNumberAt(content: Bytes, offset: number): number {
  let line = 1
  for (let at = content.indexOf('\n'); at !== -1 && at < offset; at = content.indexOf('\n', at + 1)) line++
  return line
}

/** The line end that all lines share, `\n` where they differ or there is none. */
export function commonLineEnd(content: Bytes): '\n' | '\r\n' {
  const ends = splitLines(content).filter((line) => line.lineEnd !== '')
  return ends.length > 0 && ends.every((line) => line.lineEnd === '\r\n') ? '\r\n' : '\n'
}

/**
 * Adds whole lines at the end. A content without final newline stays without one: the new lines do not join the last
 * one, and the last new line is left as open as the old one was.
 */
export function appendLines(content: Bytes, lines: readonly Bytes[], lineEnd: '\n' | '\r\n' = '\n'): Bytes {
  if (lines.length === 0) return content
  const text = lines.join(lineEnd)
  if (content === '' || content.endsWith('\n')) return content + text + lineEnd
  return content + lineEnd + text
}

/** A replacement of the bytes from `start` to `end` by `text`. */
export type Splice = { readonly start: number; readonly end: number; readonly text: Bytes }

/** Applies splices that do not overlap; those at one place apply in the order given. */
export function applySplices(content: Bytes, splices: readonly Splice[]): Bytes {
  const sorted = splices.toSorted((a, b) => a.start - b.start || a.end - b.end)
  let result = ''
  let at = 0
  for (const splice of sorted) {
    result += content.slice(at, splice.start) + splice.text
    at = Math.max(at, splice.end)
  }
  return result + content.slice(at)
}
