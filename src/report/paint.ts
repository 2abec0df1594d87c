/** Colours by meaning. `plainPaint` leaves text alone. */
export type Paint = {
  readonly added: (text: string) => string
  readonly removed: (text: string) => string
  readonly changed: (text: string) => string
  readonly error: (text: string) => string
  readonly warning: (text: string) => string
  readonly note: (text: string) => string
  readonly strong: (text: string) => string
  readonly faint: (text: string) => string
}

/** How text for people is made. */
export type TextOptions = {
  readonly paint: Paint
  /** Columns. */
  readonly width: number
  /** On a terminal sentences are broken at its width; a file or a pipe gets each on one line. */
  readonly isWrapped?: boolean
  readonly verbose: boolean
}

function sgr(open: number, close: number): (text: string) => string {
  return (text) => (text === '' ? '' : `\u001b[${open}m${text}\u001b[${close}m`)
}

const colourPaint: Paint = {
  added: sgr(32, 39),
  removed: sgr(31, 39),
  changed: sgr(33, 39),
  error: sgr(31, 39),
  warning: sgr(33, 39),
  note: sgr(36, 39),
  strong: sgr(1, 22),
  faint: sgr(2, 22),
}

function same(text: string): string {
  return text
}

const plainPaint: Paint = {
  added: same,
  removed: same,
  changed: same,
  error: same,
  warning: same,
  note: same,
  strong: same,
  faint: same,
}

/** Colour only where a person looks: a terminal, no NO_COLOR (https://no-color.org), no `--no-color`. */
export function choosePaint(options: { isTerminal: boolean; noColor: boolean; environment: NodeJS.ProcessEnv }): Paint {
  const unwanted =
    options.noColor || (options.environment['NO_COLOR'] ?? '') !== '' || options.environment['TERM'] === 'dumb'
  return options.isTerminal && !unwanted ? colourPaint : plainPaint
}
