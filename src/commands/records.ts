import type { HostDocument } from '../report/documents.ts'
import { escapeForTerminal } from '../report/escape.ts'
import { renderDiagnostic } from '../report/frame.ts'
import { renderEnding } from '../report/done-text.ts'
import { renderRecords } from '../report/records-text.ts'
import { readRecords, type RecordsResult } from '../host/read-records.ts'
import { hasErrors } from '../core/diagnostic.ts'
import { controllerName } from './controller.ts'
import { findCopies, keepCopies } from './record-copies.ts'
import { finish } from './finish.ts'
import { endingUnwritten } from './endings.ts'
import { findAllHosts, type Target } from './find-hosts.ts'
import { textOptions, type RunContext } from './run-context.ts'
import { runHosts } from './run-hosts.ts'

/** `passway records`: what was applied when, by whom, and its state. Hosts that do not answer: the controller's copies. */
export async function runRecords(context: RunContext): Promise<number> {
  const found = await findAllHosts(context)
  if (hasErrors(found.diagnostics)) return finish(context, { diagnostics: found.diagnostics, hosts: [], text: [] })
  const hosts = await runHosts(found.targets, context.options.forks ?? 20, (target) => readHost(context, target))
  return finish(context, {
    diagnostics: found.diagnostics,
    hosts: hosts.map(({ document }) => document),
    text: hosts.map(({ text }) => text),
  })
}

async function readHost(context: RunContext, target: Target): Promise<{ document: HostDocument; text: string }> {
  const { address } = target
  const result = await readRecords(address, { by: controllerName(), signal: context.signal })
  if (result.reached) keepCopies(address.name, result.records)
  const records = result.reached ? result.records : findCopies(address.name)
  const status = !result.reached ? 'unreachable' : hasErrors(result.diagnostics) ? 'failed' : 'ok'
  const { diagnostics } = result
  const ending = endingUnwritten(context, address, { status, diagnostics, command: { verb: 'records' } })
  const next = ending === null ? [] : [ending.next]
  const document = { host: address.name, status, diagnostics, records, next } as const
  return { document, text: renderHost(context, { ...document, state: ending?.state ?? null }, result.reached) }
}

function renderHost(
  context: RunContext,
  {
    host,
    diagnostics,
    records,
    next,
    state,
  }: { host: string; next: readonly string[]; state: string | null } & Pick<RecordsResult, 'records' | 'diagnostics'>,
  isReached: boolean,
): string {
  const options = textOptions(context)
  const source = isReached ? '' : 'from this machine\u2019s copies'
  const isUnknown = records.length === 0 && hasErrors(diagnostics)
  return [
    isUnknown
      ? `${options.paint.strong(escapeForTerminal(host))}  its records could not be read`
      : renderRecords(host, records, { paint: context.paint, source }),
    ...diagnostics.map((diagnostic) => renderDiagnostic(diagnostic, options)),
    ...renderEnding({ state, next }, options),
  ].join('\n')
}
