import type { Paint, TextOptions } from '../report/paint.ts'

/** Options of all commands as commander gives them; each command reads those it declares. */
export type CommandOptions = {
  readonly inventory?: readonly string[]
  readonly limit?: string
  readonly extraVars?: readonly string[]
  readonly become?: boolean
  readonly askBecomePass?: boolean
  readonly user?: string
  readonly privateKey?: string
  readonly forks?: number
  readonly json?: boolean
  readonly color?: boolean
  readonly verbose?: boolean
  readonly out?: string
  readonly detailedExitcode?: boolean
  readonly images?: boolean
  readonly prune?: boolean
  readonly yes?: boolean
  readonly reboot?: boolean
  readonly trial?: boolean
  readonly hold?: boolean
  readonly soak?: boolean
  readonly through?: boolean
  readonly force?: boolean
  readonly keep?: string
  readonly schema?: boolean
  /** Milliseconds. */
  readonly rebootTimeout?: number
  /** Milliseconds. */
  readonly confirmWithin?: number
  readonly serial?: string
  readonly keepGoing?: boolean
  /** PCI addresses as they were typed. */
  readonly device?: readonly string[]
  /** Set by the demo alone: the plan was just shown, apply does not print it again. */
  readonly quietPlan?: boolean
}

/** What a command may use of the process it runs in; tests pass their own. */
export type RunContext = {
  readonly options: CommandOptions
  readonly cwd: string
  readonly paint: Paint
  /** Columns. */
  readonly width: number
  readonly isTerminal: boolean
  /** Questions can be asked. */
  readonly isInteractive: boolean
  readonly isProgressWanted: boolean
  /** More than one program runs on each host: one connection for all of them. */
  readonly shareConnections?: boolean
  /** Set by tests alone: between the tries to reach a host that boots. */
  readonly bootIntervalMs?: number
  readonly signal: AbortSignal
  readonly write: (text: string) => void
  readonly writeError: (text: string) => void
}

/** How long a trial runs unconfirmed; milliseconds. */
export function confirmWithin({ options }: RunContext): number {
  return options.confirmWithin ?? 600_000
}

/** How text for people is made in this run. */
export function textOptions({ paint, width, isTerminal, options }: RunContext): TextOptions {
  return { paint, width, isWrapped: isTerminal, verbose: options.verbose === true }
}
