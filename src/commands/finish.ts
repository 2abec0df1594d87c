import { error, type Diagnostic } from '../core/diagnostic.ts'
import { exitCodes } from '../core/exit-codes.ts'
import { tool } from '../core/tool.ts'
import { formatDocument, type HostDocument } from '../report/documents.ts'
import { renderDiagnostic } from '../report/frame.ts'
import { textOptions, type RunContext } from './run-context.ts'

/** What a command found out, before it is printed. */
export type Result = {
  /** Of the input as a whole; those of one host are in its document. */
  readonly diagnostics: readonly Diagnostic[]
  readonly hosts: readonly HostDocument[]
  /** For people; empty lines between blocks. Not used with `--json`. */
  readonly text: readonly string[]
  readonly exitCode?: number
}

/** Prints a command's result once, as text or as JSON, and gives the exit code. */
export function finish(context: RunContext, result: Result): number {
  if (context.options.json === true) {
    context.write(formatDocument({ format: 1, tool, diagnostics: result.diagnostics, hosts: result.hosts }))
  } else {
    printDiagnostics(context, result.diagnostics)
    const text = result.text.filter((block) => block !== '').join('\n\n')
    if (text !== '') context.write(`${text}\n`)
  }
  return result.exitCode ?? exitCodeOf(result)
}

/** 1 before 4: a host that refused or failed weighs more than one that was not there. */
export function exitCodeOf(result: Pick<Result, 'diagnostics' | 'hosts'>): number {
  if (result.diagnostics.some((diagnostic) => diagnostic.severity === 'error')) return exitCodes.failed
  if (result.hosts.some((host) => host.status === 'failed' || host.status === 'refused')) return exitCodes.failed
  return result.hosts.some((host) => host.status === 'unreachable') ? exitCodes.unreachable : exitCodes.ok
}

/** Diagnostics of the input go to standard error, one block each. */
export function printDiagnostics(context: RunContext, diagnostics: readonly Diagnostic[]): void {
  for (const diagnostic of diagnostics) context.writeError(`${renderDiagnostic(diagnostic, textOptions(context))}\n\n`)
}

/** Wrong usage: one line for people, one document for programs. */
export function refuseUsage(context: Pick<RunContext, 'options' | 'write' | 'writeError'>, message: string): number {
  if (context.options.json === true)
    context.write(formatDocument({ format: 1, tool, diagnostics: [error('USAGE', message)], hosts: [] }))
  else context.writeError(`passway: ${message}\n`)
  return exitCodes.usage
}
