import { escapeForTerminal } from './escape.ts'

/** Says on standard error what takes long. `tell` is a line that stays; `show` is the one that is overwritten. */
export type Progress = {
  readonly tell: (host: string, text: string) => void
  readonly show: (text: string) => void
  readonly end: () => void
}

const eraseLine = '\r\u001b[2K'

/** On a terminal a status line at the bottom; elsewhere only the lines that stay. */
export function startProgress(
  write: (text: string) => void,
  options: { isTerminal: boolean; width: number },
): Progress {
  let status = ''
  const draw = (text: string): void => {
    if (options.isTerminal) write(`${eraseLine}${text}`)
  }
  return {
    tell(host, text) {
      if (status !== '') draw('')
      write(`${escapeForTerminal(host)}: ${escapeForTerminal(text)}\n`)
      if (status !== '') draw(status)
    },
    show(text) {
      status = escapeForTerminal(text).slice(0, options.width - 1)
      draw(status)
    },
    end() {
      if (status !== '') draw('')
      status = ''
    },
  }
}
