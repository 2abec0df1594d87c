/** `error` stops the run of that host (or of everything, for input errors); `warning` and `note` only inform. */
export type Severity = 'error' | 'warning' | 'note'

/** Where in a file of the user something stands. Line and column count from 1; columns in UTF-16 units. */
export type SourcePosition = {
  readonly file: string
  readonly line: number
  readonly column: number
  /** Length of the marked text on that line; 1 where unknown. */
  readonly length?: number
  /** The line itself, without its line end, for the caret frame. */
  readonly text?: string
}

/**
 * A problem of the input or a refusal, as a value. Whatever is thrown instead of returned as a Diagnostic is a bug.
 * `code` is stable and SCREAMING_SNAKE; `message` is one sentence without a final full stop;
 * `hint` says what to do; `evidence` lists what was seen (`/etc/default/grub:7: GRUB_CMDLINE_LINUX=…`).
 */
export type Diagnostic = {
  readonly severity: Severity
  readonly code: string
  readonly message: string
  readonly hint?: string
  readonly source?: SourcePosition
  readonly evidence?: readonly string[]
}

type Details = Pick<Diagnostic, 'hint' | 'source' | 'evidence'>

export function error(code: string, message: string, details: Details = {}): Diagnostic {
  return { severity: 'error', code, message, ...details }
}

export function warning(code: string, message: string, details: Details = {}): Diagnostic {
  return { severity: 'warning', code, message, ...details }
}

export function note(code: string, message: string, details: Details = {}): Diagnostic {
  return { severity: 'note', code, message, ...details }
}

export function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some((diagnostic) => diagnostic.severity === 'error')
}
