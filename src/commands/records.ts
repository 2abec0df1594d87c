import type { HostDocument } from '../report/documents.ts'
import { renderDiagnostic } from '../report/frame.ts'
import { renderRecords } from '../report/records-text.ts'
import { readRecords, type RecordsResult } from '../host/read-records.ts'
import { hasErrors } from '../core/diagnostic.ts'
import { controllerName } from './controller.ts'
import { findCopies, keepCopies } from './record-copies.ts'
import { finish } from './finish.ts'
import { findAllHosts, type Target } from './find-hosts.ts'
import type { RunContext } from './run-context.ts'
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
  const document = { host: address.name, status, diagnostics: result.diagnostics, records } as const
  return { document, text: renderHost(context, address.name, { ...result, records }) }
}

function renderHost(context: RunContext, host: string, result: RecordsResult): string {
  const notes = result.diagnostics.map((diagnostic) => renderDiagnostic(diagnostic, context.paint))
  const source = result.reached ? '' : 'from this machine\u2019s copies'
  return [...notes, renderRecords(host, result.records, { paint: context.paint, source })].join('\n')
}
