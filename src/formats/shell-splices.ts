import type { Bytes } from '../core/bytes.ts'
import { isKernelBlank } from './kernel-arguments.ts'
import { appendLines, applySplices } from './lines.ts'
import type { Splice } from './lines.ts'
import { textOf } from './shell-state.ts'
import type { ShellFile, ShellVariable } from './shell-state.ts'
import type { ShellContext, ShellPart, ShellWord } from './shell-words.ts'

export type KnownVariable = Extract<ShellVariable, { state: 'known' }>

/** A change of a value by byte index. A piece to write comes as spellings that mean the same, best first. */
export type ValueEdit = {
  readonly deletes: ReadonlySet<number>
  readonly inserts: readonly { readonly before: number; readonly spellings: readonly Bytes[] }[]
  /** Written behind the value, with blanks between them. */
  readonly append: readonly (readonly Bytes[])[]
  /** Whether a blank goes before the appended text where the value does not end in one. */
  readonly separate: boolean
}

export type FileSplice = Splice & { readonly file: number }

/** Source text for a piece of value between the quotes of `context`. */
function encode(value: Bytes, context: ShellContext): Bytes {
  if (context === 'double') return value.replace(/["$`\\]/g, '\\$&')
  if (context === 'single') return value.replaceAll("'", "'\\''")
  return value.replace(/[^\w./:@%+,=-]/g, '\\$&')
}

/** The first spelling that needs no escape in this context, else the first. */
function encodeBest(spellings: readonly Bytes[], context: ShellContext): Bytes {
  const best = spellings.find((spelling) => encode(spelling, context) === spelling) ?? spellings[0] ?? ''
  return encode(best, context)
}

/** The edit as changes of the source. Adjoining deletions of one piece are left as they are: splices may touch. */
export function spliceValue(
  files: readonly ShellFile[],
  variable: KnownVariable,
  edit: ValueEdit,
): readonly FileSplice[] {
  const splices: FileSplice[] = []
  const { bytes } = variable
  for (const insert of edit.inserts) {
    const at = bytes[insert.before]
    if (at !== undefined) {
      splices.push({ file: at.file, start: at.start, end: at.start, text: encodeBest(insert.spellings, at.context) })
    }
  }
  for (const index of edit.deletes) {
    const at = bytes[index]
    if (at !== undefined) splices.push({ file: at.file, start: at.start, end: at.end, text: '' })
  }
  return [...splices, ...spliceAppend(files, variable, edit)]
}

/** Blanks stand before the appended pieces unless nothing is left of the value, or it ends in a blank. */
function spliceAppend(files: readonly ShellFile[], variable: KnownVariable, edit: ValueEdit): readonly FileSplice[] {
  if (edit.append.length === 0) return []
  const { file, assignment } = variable.last
  const inserts = new Set(edit.inserts.map((insert) => insert.before))
  const left = variable.bytes.filter((_, index) => !edit.deletes.has(index) || inserts.has(index))
  const leftText = textOf(left).replace(/\r$/, '')
  const blank = !edit.separate || leftText === '' || isKernelBlank(leftText.slice(-1)) ? '' : ' '
  const content = files[file]?.content ?? ''
  return insertAtEnd(content, assignment.word, blank, edit.append).map((splice) => ({ ...splice, file }))
}

/** Writes behind the last byte of a word, inside its last quotes; a bare word gets double quotes around it. */
function insertAtEnd(
  content: Bytes,
  word: ShellWord,
  blank: Bytes,
  append: readonly (readonly Bytes[])[],
): readonly Splice[] {
  const text = (context: ShellContext) => blank + append.map((spellings) => encodeBest(spellings, context)).join(' ')
  // A CR of a CRLF file belongs to the word; the new text stays before it.
  const carriage = word.parts.at(-1)?.kind === 'literal' && content[word.end - 1] === '\r'
  const end = carriage ? word.end - 1 : word.end
  const last = word.parts.findLast((part) => part.start < end)
  if (last?.kind === 'quoted') {
    const context = content[last.start] === "'" ? 'single' : 'double'
    return [{ start: last.end - 1, end: last.end - 1, text: text(context) }]
  }
  if (last === undefined || !word.parts.every(isBare)) return [{ start: end, end, text: `"${text('double')}"` }]
  return [
    { start: word.start, end: word.start, text: '"' },
    { start: end, end, text: `${text('double')}"` },
  ]
}

function isBare(part: ShellPart): boolean {
  return part.kind === 'literal' || (part.kind === 'variable' && part.operator === '')
}

/** `NAME="…"` as a new last line. Always ended by a plain newline: a CR would become part of the value. */
export function appendAssignment(content: Bytes, name: string, pieces: readonly (readonly Bytes[])[]): Bytes {
  return appendLines(content, [`${name}="${pieces.map((spellings) => encodeBest(spellings, 'double')).join(' ')}"`])
}

/** The files that change, with their new content. One place is deleted once, even where it gave several bytes. */
export function applyToFiles(files: readonly ShellFile[], splices: readonly FileSplice[]): readonly ShellFile[] {
  return files.flatMap((file, index) => {
    const own = splices.filter((splice) => splice.file === index)
    const content = applySplices(file.content, own)
    return content === file.content ? [] : [{ path: file.path, content }]
  })
}
