import { error, type Diagnostic } from '../core/diagnostic.ts'
import { escapeForTerminal } from '../report/escape.ts'
import { commandLine } from './next-commands.ts'
import type { RunContext } from './run-context.ts'

/** A host that was not begun: one before it failed, or the run was interrupted. */
export function notBegun(
  context: RunContext,
  host: string,
  command: { readonly verb: string; readonly playbooks?: readonly string[]; readonly flags?: readonly string[] },
): { readonly diagnostic: Diagnostic; readonly next: string; readonly text: string } {
  const why = context.signal.aborted ? 'the run was interrupted' : 'a host before it failed'
  const next = commandLine(context, command.verb, { host, ...command })
  return {
    diagnostic: error('NOT_BEGUN', `${host} was not begun: ${why}`),
    next,
    text: [
      `${context.paint.strong(escapeForTerminal(host))}  not begun: ${why}`,
      `${context.paint.faint('next:')} ${next}`,
    ].join('\n'),
  }
}
