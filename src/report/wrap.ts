/** Fills lines with words up to `width` columns; a word that is longer stands alone. */
export function wrapWords(words: readonly string[], width: number): string[][] {
  const lines: string[][] = []
  let length = 0
  for (const word of words) {
    const line = lines.at(-1)
    if (line === undefined || length + 1 + word.length > width) {
      lines.push([word])
      length = word.length
      continue
    }
    line.push(word)
    length += 1 + word.length
  }
  return lines
}
