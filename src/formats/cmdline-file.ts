import type { Bytes } from '../core/bytes.ts'
import { parseCommandLineParts } from './kernel-arguments.ts'
import type { KernelArgument } from './kernel-arguments.ts'
import { applySplices } from './lines.ts'
import type { Splice } from './lines.ts'

/** /etc/kernel/cmdline: kernel-install makes blanks of its line ends, so that all lines are one (90-loaderentry.install). */
export type CmdlineFile = {
  readonly content: Bytes
  /** The kernel's own part, up to a lone `--`; places are those in `content`. */
  readonly args: readonly KernelArgument[]
}

export function parseCmdlineFile(content: Bytes): CmdlineFile {
  return { content, args: parseCommandLineParts(content).args }
}

export type CmdlineEdit = {
  /** By place in `args`: another text, or null for none. Those that are not named keep every byte. */
  readonly replace: ReadonlyMap<number, Bytes | null>
  /** Behind the last argument, in order. */
  readonly append: readonly Bytes[]
}

/** The content with the edit; an argument that goes takes the blanks behind it along, the last one those before it. */
export function editCmdlineFile({ content, args }: CmdlineFile, { replace, append }: CmdlineEdit): Bytes {
  const splices: Splice[] = args.flatMap((argument, index) => {
    const text = replace.get(index)
    if (text === undefined) return []
    return [text === null ? cut(args, index, replace) : { start: argument.start, end: argument.end, text }]
  })
  const edited = applySplices(content, splices)
  if (append.length === 0) return edited
  const text = append.join(' ')
  const { args: left } = parseCmdlineFile(edited)
  const last = left.at(-1)
  if (last !== undefined) return `${edited.slice(0, last.end)} ${text}${edited.slice(last.end)}`
  const rest = edited.trimStart()
  return rest === '' ? `${text}\n` : `${text} ${rest}`
}

function cut(args: readonly KernelArgument[], index: number, replace: CmdlineEdit['replace']): Splice {
  const argument = args[index] as KernelArgument
  const next = args[index + 1]
  if (next !== undefined) return { start: argument.start, end: next.start, text: '' }
  const kept = args.findLastIndex((_, other) => other < index && replace.get(other) !== null)
  return { start: kept === -1 ? argument.start : (args[kept]?.end ?? argument.start), end: argument.end, text: '' }
}
