import type { ShellPart, ShellWord } from './shell-words.ts'

export type ShellAssignment = { readonly name: string; readonly start: number; readonly word: ShellWord }

/** Text of a word without quotes or expansions; `undefined` for any other word. */
export function plainText(parts: readonly ShellPart[]): string | undefined {
  let text = ''
  for (const part of parts) {
    if (part.kind !== 'literal' && !(part.kind === 'escape' && part.value === '')) return undefined
    text += part.value
  }
  return text
}

/** `NAME=word` where NAME and `=` are not quoted; the word is what follows. */
export function findAssignment(word: ShellWord): ShellAssignment | undefined {
  let name = ''
  for (const [index, part] of word.parts.entries()) {
    if (part.kind !== 'literal' && !(part.kind === 'escape' && part.value === '')) return undefined
    const equals = part.value.indexOf('=')
    if (equals === -1) {
      name += part.value
      continue
    }
    name += part.value.slice(0, equals)
    if (!/^[A-Za-z_]\w*$/.test(name)) return undefined
    return { name, start: word.start, word: restOfWord(word, index, part.start + equals + 1) }
  }
  return undefined
}

function restOfWord(word: ShellWord, index: number, start: number): ShellWord {
  const [first, ...rest] = word.parts.slice(index)
  if (first?.kind !== 'literal' || first.end === start) return { start, end: word.end, parts: rest }
  return { start, end: word.end, parts: [{ ...first, start, value: first.value.slice(start - first.start) }, ...rest] }
}

/** Text of a word that holds no expansion, quotes removed. */
export function findStaticText(parts: readonly ShellPart[]): string | undefined {
  let text = ''
  for (const part of parts) {
    const piece = part.kind === 'quoted' ? findStaticText(part.parts) : 'value' in part ? part.value : undefined
    if (piece === undefined) return undefined
    text += piece
  }
  return text
}
