import type { Bytes } from '../core/bytes.ts'
import { appendLines } from './lines.ts'
import { parseModprobe } from './modprobe-file.ts'
import type { ModprobeDocument, ModprobeLine } from './modprobe-file.ts'

type Predicate = (line: ModprobeLine) => boolean

/** Adds lines that are not there yet, at the end. Always with plain newlines: kmod takes a CR as part of the text. */
export function appendModprobeLines(document: ModprobeDocument, lines: readonly Bytes[]): ModprobeDocument {
  const present = new Set(document.lines.map((line) => line.text.replace(/\n$/, '')))
  const missing = lines.filter((line, index) => !present.has(line) && lines.indexOf(line) === index)
  return parseModprobe(appendLines(closeLastLine(document), missing))
}

/** A backslash at the very end would swallow the newline before the new line; a blank line takes its place. */
function closeLastLine(document: ModprobeDocument): Bytes {
  const last = document.lines.at(-1)?.text ?? ''
  const isOpen = /(?:^|[^\\])(?:\\\\)*\\\n?$/.test(last)
  if (!isOpen) return document.content
  return last.endsWith('\n') ? `${document.content}\n` : `${document.content}\n\n`
}

export function removeModprobeLines(document: ModprobeDocument, predicate: Predicate): ModprobeDocument {
  const kept = document.lines.filter((line) => isInert(line) || !predicate(line))
  return parseModprobe(kept.map((line) => line.text).join(''))
}

/** Puts `# TAG: ` before each line that `predicate` names; comments, blank and bad lines are never asked for. */
export function commentOutModprobeLines(
  document: ModprobeDocument,
  predicate: Predicate,
  tag: string,
): ModprobeDocument {
  const lines = document.lines.map((line) => (isInert(line) || !predicate(line) ? line.text : `# ${tag}: ${line.text}`))
  return parseModprobe(lines.join(''))
}

/** Takes the tag off again from the lines `predicate` names; it sees them as they were. */
export function uncommentModprobeLines(
  document: ModprobeDocument,
  predicate: Predicate,
  tag: string,
): ModprobeDocument {
  const prefix = `# ${tag}: `
  const lines = document.lines.map((line) => {
    if (line.kind !== 'comment' || !line.text.startsWith(prefix)) return line.text
    const text = line.text.slice(prefix.length)
    const [before] = parseModprobe(text).lines
    return before !== undefined && predicate(before) ? text : line.text
  })
  return parseModprobe(lines.join(''))
}

function isInert(line: ModprobeLine): boolean {
  return line.kind === 'comment' || line.kind === 'blank' || line.kind === 'bad'
}
