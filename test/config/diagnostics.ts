import type { Diagnostic } from '../../src/core/diagnostic.ts'

/** One line a diagnostic: `file:line:column CODE the marked text`. */
export function briefly(diagnostics: readonly Diagnostic[]): readonly string[] {
  return diagnostics.map(({ code, source }) => {
    if (source === undefined) return code
    const { file, line, column, length = 1, text } = source
    const marked = text === undefined ? '' : ` ${text.slice(column - 1, column - 1 + length)}`
    return `${file}:${line}:${column} ${code}${marked}`
  })
}

export function hintsOf(diagnostics: readonly Diagnostic[]): readonly (string | undefined)[] {
  return diagnostics.map(({ hint }) => hint)
}
