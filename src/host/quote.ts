/** One word for any POSIX shell. Works in csh and fish too as long as there is no backslash, `!` or line end in it. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}
