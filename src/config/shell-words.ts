/** A word with its place in the text it was read from, quotes included. */
export type ShellWord = { readonly text: string; readonly start: number; readonly end: number }

export type ShellWords =
  | { readonly ok: true; readonly words: readonly ShellWord[] }
  | { readonly ok: false; readonly message: string; readonly at: number }

/** One step of a word: plain text, an escaped character, or a quoted part. */
const partPattern = /[^\s'"\\]+|\\([^])|'([^']*)'|"((?:[^"\\]|\\[^])*)"/y

/**
 * Splits text into words as a POSIX shell does, without expanding anything (Python's shlex in POSIX mode).
 * With `comments`, a word that begins with `#` ends the text.
 */
export function splitShellWords(text: string, comments = false): ShellWords {
  const words: ShellWord[] = []
  let at = 0
  for (;;) {
    while (/\s/.test(text[at] ?? '')) at++
    if (at >= text.length || (comments && text[at] === '#')) return { ok: true, words }
    const start = at
    let word = ''
    while (at < text.length && !/\s/.test(text[at] ?? '')) {
      const part = readPart(text, at, comments)
      if (part === undefined) return { ok: false, message: 'a quote is not closed', at }
      word += part.text
      at = part.end
    }
    words.push({ text: word, start, end: at })
  }
}

function readPart(text: string, at: number, comments: boolean): { text: string; end: number } | undefined {
  partPattern.lastIndex = at
  const match = partPattern.exec(text)
  if (match === null) return undefined
  const [whole, escaped, single, double] = match
  const hash =
    comments && escaped === undefined && single === undefined && double === undefined ? whole.indexOf('#') : -1
  if (hash > 0) return { text: whole.slice(0, hash), end: text.length }
  return { text: escaped ?? single ?? double?.replaceAll(/\\(["\\])/g, '$1') ?? whole, end: at + whole.length }
}
