import type { Bytes } from '../core/bytes.ts'
import { readGrubToken } from './grub-words.ts'
import type { GrubToken } from './grub-words.ts'

/**
 * One command of a GRUB script, with the block behind it (`menuentry … { … }`). `if` and the like come as plain
 * commands: only the nesting of braces matters here.
 */
export type GrubCommand = {
  readonly start: number
  /** Behind the closing brace or the last word. */
  readonly end: number
  readonly words: readonly GrubToken[]
  readonly block: readonly GrubCommand[] | null
}

/** Comments of the whole script, in order. */
export type GrubScript = { readonly commands: readonly GrubCommand[]; readonly comments: readonly GrubToken[] }

type Reading = { readonly text: Bytes; at: number; depth: number; readonly comments: GrubToken[] }

/** Never fails: what GRUB would refuse ends a command. */
export function parseGrubCommands(text: Bytes): GrubScript {
  const reading: Reading = { text, at: 0, depth: 0, comments: [] }
  const commands: GrubCommand[] = []
  while (reading.at < text.length) {
    commands.push(...readBlock(reading))
  }
  return { commands, comments: reading.comments }
}

/** Up to the closing brace, which is taken along, or the end. */
function readBlock(reading: Reading): readonly GrubCommand[] {
  const commands: GrubCommand[] = []
  let words: GrubToken[] = []
  const finish = () => {
    if (words.length > 0) commands.push(toCommand(words, null))
    words = []
  }
  for (;;) {
    const token = readGrubToken(reading.text, reading.at)
    reading.at = token.end
    if (token.kind === 'word') words.push(token)
    else if (token.kind === 'comment') reading.comments.push(token)
    else if (token.kind === 'open' && words.length > 0 && reading.depth < 100) {
      reading.depth++
      const block = readBlock(reading)
      reading.depth--
      commands.push({ ...toCommand(words, block), end: reading.at })
      words = []
    } else finish()
    if (token.kind === 'bad') reading.at = Math.max(reading.at, token.start + 1)
    if (token.kind === 'close' || token.kind === 'end') return commands
  }
}

function toCommand(words: readonly GrubToken[], block: readonly GrubCommand[] | null): GrubCommand {
  return { start: words[0]?.start ?? 0, end: words.at(-1)?.end ?? 0, words, block }
}
