import type { Bytes } from '../core/bytes.ts'
import { appendLines, applySplices, commonLineEnd, lineNumberAt } from './lines.ts'

/** One assignment: `start` to `end` is all of it with its line end, `valueStart` to `valueEnd` the value as written. */
export type EnvironmentEntry = {
  readonly name: Bytes
  readonly value: Bytes
  readonly line: number
  readonly start: number
  readonly end: number
  readonly valueStart: number
  readonly valueEnd: number
}

export type EnvironmentDocument = { readonly content: Bytes; readonly entries: readonly EnvironmentEntry[] }

type Reading = { readonly content: Bytes; at: number; readonly entries: EnvironmentEntry[] }

/**
 * Reads the file as systemd reads EnvironmentFile= (src/basic/env-file.c): comments with `#` or `;`, both kinds of
 * quotes, backslash newline joins. Files of that kind that a shell sources mean the same in it as long as no value
 * holds `$`. Names systemd refuses (`export NAME`) are kept as they stand and never found.
 */
export function parseEnvironmentFile(content: Bytes): EnvironmentDocument {
  const reading: Reading = { content, at: 0, entries: [] }
  while (reading.at < content.length) readLine(reading)
  return { content, entries: reading.entries }
}

export function formatEnvironmentFile(document: EnvironmentDocument): Bytes {
  return document.content
}

function isNewline(char: string): boolean {
  return char === '\n' || char === '\r' || char === ''
}

function readLine(reading: Reading): void {
  const { content } = reading
  while (/[ \t\n\r]/.test(content.charAt(reading.at))) reading.at++
  const start = reading.at
  if (start >= content.length) return
  if (/[#;]/.test(content.charAt(start))) return skipComment(reading)
  while (!isNewline(content.charAt(reading.at)) && content[reading.at] !== '=') reading.at++
  if (content[reading.at] !== '=') return
  const name = content.slice(start, reading.at).replace(/[ \t]+$/, '')
  reading.at++
  while (/[ \t]/.test(content.charAt(reading.at))) reading.at++
  const valueStart = reading.at
  const { value, end: valueEnd } = readValue(reading)
  reading.at += content.startsWith('\r\n', reading.at) ? 2 : isNewline(content.charAt(reading.at)) ? 1 : 0
  const end = Math.min(reading.at, content.length)
  reading.entries.push({ name, value, line: lineNumberAt(content, start), start, end, valueStart, valueEnd })
}

/** A backslash in a comment takes the next byte along, a newline too. */
function skipComment(reading: Reading): void {
  const comment = /(?:\\[^]|[^\\\n\r])*\\?/y
  comment.lastIndex = reading.at
  reading.at += comment.exec(reading.content)?.[0].length ?? 0
}

/** Ends at the newline; `end` leaves out trailing blanks that are not part of the value. */
function readValue(reading: Reading): { readonly value: Bytes; readonly end: number } {
  const { content } = reading
  let value = ''
  let kept = 0
  let end = reading.at
  let isPlain = false
  while (!isNewline(content.charAt(reading.at))) {
    const char = content.charAt(reading.at)
    const isBlank = char === ' ' || char === '\t'
    if (!isPlain && (char === "'" || char === '"')) value += readQuoted(reading, char)
    else if (!isPlain && isBlank) reading.at++
    else {
      isPlain = true
      value += readPlain(reading, char)
    }
    if (!isBlank) {
      kept = value.length
      end = reading.at
    }
  }
  return { value: value.slice(0, kept), end }
}

function readPlain(reading: Reading, char: string): Bytes {
  reading.at++
  if (char !== '\\') return char
  const next = reading.content.charAt(reading.at++)
  return isNewline(next) ? '' : next
}

function readQuoted(reading: Reading, quote: string): Bytes {
  const { content } = reading
  let value = ''
  reading.at++
  while (reading.at < content.length && content[reading.at] !== quote) {
    const char = content.charAt(reading.at++)
    if (quote === "'" || char !== '\\') value += char
    else {
      const next = content.charAt(reading.at++)
      value += '"\\`$'.includes(next) ? next : next === '\n' ? '' : `\\${next}`
    }
  }
  reading.at++
  return value
}

/** The value that counts: the last assignment wins. */
export function findEnvironmentVariable(document: EnvironmentDocument, name: Bytes): Bytes | undefined {
  return document.entries.findLast((entry) => entry.name === name)?.value
}

/** Replaces the value of the last assignment, or adds a line. An empty value is written `""`. */
export function setEnvironmentVariable(document: EnvironmentDocument, name: Bytes, value: Bytes): EnvironmentDocument {
  const last = document.entries.findLast((entry) => entry.name === name)
  if (last?.value === value) return document
  const text = quoteValue(value)
  if (last !== undefined) {
    const splice = { start: last.valueStart, end: last.valueEnd, text }
    return parseEnvironmentFile(applySplices(document.content, [splice]))
  }
  return addLine(document, `${name}=${text}`)
}

/**
 * At the end, behind a blank line where a backslash there would join the new one, or before all others where an open
 * quote takes in the rest of the file.
 */
function addLine(document: EnvironmentDocument, line: Bytes): EnvironmentDocument {
  const { content } = document
  const lineEnd = commonLineEnd(content)
  const places = [appendLines(content, [line], lineEnd), appendLines(content, ['', line], lineEnd)]
  const added = places.map(parseEnvironmentFile).find(({ entries }) => {
    return (
      sameEntries(entries.slice(0, -1), document.entries) &&
      sameEntries(entries.slice(-1), parseEnvironmentFile(line).entries)
    )
  })
  return added ?? parseEnvironmentFile(`${line}${lineEnd}${content}`)
}

function sameEntries(a: readonly EnvironmentEntry[], b: readonly EnvironmentEntry[]): boolean {
  return (
    a.length === b.length && a.every(({ name, value }, index) => name === b[index]?.name && value === b[index]?.value)
  )
}

/** Removes every assignment of the name. */
export function unsetEnvironmentVariable(document: EnvironmentDocument, name: Bytes): EnvironmentDocument {
  const splices = document.entries
    .filter((entry) => entry.name === name)
    .map((entry) => ({ start: entry.start, end: entry.end, text: '' }))
  return splices.length === 0 ? document : parseEnvironmentFile(applySplices(document.content, splices))
}

function quoteValue(value: Bytes): Bytes {
  return /^[\w./:@%+,=-]+$/.test(value) ? value : `"${value.replace(/["\\`$]/g, '\\$&')}"`
}
