import { error, hasErrors, type Diagnostic } from '../core/diagnostic.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { readSnapshot } from '../host/read-snapshot.ts'
import { parsePciAddress, type PciAddress } from '../pci/address.ts'
import { judgeHandover } from '../pci/judge-handover.ts'
import { findLivesOn } from '../pci/lives-on/find-lives-on.ts'
import type { HostDocument } from '../report/documents.ts'
import { renderEnding } from '../report/done-text.ts'
import { escapeForTerminal } from '../report/escape.ts'
import { renderDiagnostic } from '../report/frame.ts'
import { inspectFields } from '../report/inspect-document.ts'
import { renderInspect } from '../report/inspect-text.ts'
import { endingUnwritten } from './endings.ts'
import { findAllHosts, type Target } from './find-hosts.ts'
import { finish, refuseUsage } from './finish.ts'
import { findMisspelt } from './misspelt-arguments.ts'
import { textOptions, type RunContext } from './run-context.ts'
import { runHosts } from './run-hosts.ts'

/** `passway inspect`: the PCI tree of each host, or what travels with the devices that are asked about. Writes nothing. */
export async function runInspect(context: RunContext): Promise<number> {
  const wanted = (context.options.device ?? []).map((text) => ({ text, parsed: parsePciAddress(text) }))
  for (const { parsed } of wanted) {
    if (!parsed.ok)
      return refuseUsage(context, parsed.hint === undefined ? parsed.message : `${parsed.message}; ${parsed.hint}`)
  }
  const addresses = [...new Set(wanted.flatMap(({ parsed }) => (parsed.ok ? [parsed.address] : [])))]
  const found = await findAllHosts(context)
  if (hasErrors(found.diagnostics)) return finish(context, { diagnostics: found.diagnostics, hosts: [], text: [] })
  const hosts = await runHosts(found.targets, context.options.forks ?? 20, (target) =>
    inspectHost(context, target, addresses),
  )
  return finish(context, {
    diagnostics: found.diagnostics,
    hosts: hosts.map(({ document }) => document),
    text: hosts.map(({ text }) => text),
  })
}

type Inspected = { readonly document: HostDocument; readonly text: string }

async function inspectHost(context: RunContext, target: Target, addresses: readonly PciAddress[]): Promise<Inspected> {
  const { address: host } = target
  const result = await readSnapshot(host, {}, { signal: context.signal })
  if (!result.ok) return notRead(context, target, result.diagnostic, result.reached)
  const { snapshot } = result
  const absent = addresses.filter((address) => snapshot.pci.every((each) => each.address !== address))
  const diagnostics = [...absent.map((address) => absentDevice(snapshot, address)), ...findMisspelt(snapshot)]
  const livesOn = findLivesOn(snapshot)
  const present = addresses.filter((address) => !absent.includes(address))
  const judged = present.length > 0 ? judgeHandover(snapshot, present) : null
  const status = absent.length > 0 ? 'refused' : 'ok'
  const [closure, refusals] = judged === null ? [null, []] : [judged.closure, judged.refusals]
  const view = { host: host.name, snapshot, livesOn, diagnostics, closure, refusals }
  return {
    document: { host: host.name, status, diagnostics, ...inspectFields(snapshot, view), next: [] },
    text: renderInspect(view, textOptions(context)),
  }
}

function notRead(context: RunContext, { address }: Target, diagnostic: Diagnostic, reached: boolean): Inspected {
  const options = textOptions(context)
  const status = reached ? 'failed' : 'unreachable'
  const diagnostics = [diagnostic]
  const ending = endingUnwritten(context, address, { status, diagnostics, command: { verb: 'inspect' } })
  const next = ending === null ? [] : [ending.next]
  return {
    document: { host: address.name, status, diagnostics, next },
    text: [
      options.paint.strong(escapeForTerminal(address.name)),
      renderDiagnostic(diagnostic, options),
      ...renderEnding({ state: ending?.state ?? null, next }, options),
    ].join('\n'),
  }
}

function absentDevice({ pci }: Snapshot, address: PciAddress): Diagnostic {
  const near = pci.filter(
    (each) =>
      each.address.endsWith(address.slice(address.indexOf(':'))) || each.address.slice(0, -1) === address.slice(0, -1),
  )
  return error('DEVICE_ABSENT', `there is no PCI function ${address}`, {
    hint:
      near.length > 0
        ? `did you mean ${near.map((each) => each.address).join(' or ')}?`
        : 'passway inspect without --device lists all of them; addresses change when cards are moved',
  })
}
