import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { error, hasErrors, type Diagnostic } from '../core/diagnostic.ts'
import { exitCodes } from '../core/exit-codes.ts'
import type { HostAddress } from '../core/host-address.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { readSnapshot } from '../host/read-snapshot.ts'
import { findLivesOn } from '../pci/lives-on/find-lives-on.ts'
import { formatDeviceName } from '../pci/names.ts'
import { listOffers, type Offer } from '../pci/offers.ts'
import { renderInspect } from '../report/inspect-text.ts'
import { startProgress } from '../report/progress.ts'
import { askChoices, askText, confirm } from './ask.ts'
import { findAllHosts } from './find-hosts.ts'
import { finish, printDiagnostics } from './finish.ts'
import { exampleFiles, formatInventory, formatPlaybook, type ChosenDevice } from './init-files.ts'
import { describeOffer, nameOffer } from './offer-text.ts'
import { NobodyToAsk } from './nobody-to-ask.ts'
import { textOptions, type RunContext } from './run-context.ts'

const files = { inventory: 'inventory.yaml', playbook: 'playbook.yaml' } as const

/** `passway init`: asks for a host and its devices and writes an inventory and a playbook. Writes nothing on the host. */
export async function runInit(context: RunContext): Promise<number> {
  if (!context.isInteractive)
    throw new NobodyToAsk(`init asks questions and needs a terminal; without one write two files:\n\n${exampleFiles}\n`)
  const host = await chooseHost(context)
  if ('diagnostics' in host) return finish(context, { ...host, hosts: [], text: [] })
  const read = await readHost(context, host)
  if (!read.ok) {
    const { diagnostic, reached } = read
    printDiagnostics(context, [diagnostic])
    return reached ? exitCodes.failed : exitCodes.unreachable
  }
  const chosen = await chooseDevices(context, host, read.snapshot)
  if (chosen.length === 0) {
    context.write('No device was chosen: nothing was written.\n')
    return exitCodes.ok
  }
  return writeFiles(context, host, chosen)
}

type Refused = { readonly diagnostics: readonly Diagnostic[] }

async function chooseHost(context: RunContext): Promise<HostAddress | Refused> {
  if (context.options.inventory === undefined) {
    const answer = await askText(context, 'Host (user@name as for ssh, or "local" for this machine)', 'local')
    if (answer === 'local') return localHost()
    return chooseListed({ ...context, options: { ...context.options, inventory: [`${answer},`] } })
  }
  return chooseListed(context)
}

function localHost(): HostAddress {
  const become = process.getuid?.() !== 0
  return { name: 'localhost', connection: 'local', address: 'localhost', become, root: null }
}

async function chooseListed(context: RunContext): Promise<HostAddress | Refused> {
  const { targets, diagnostics } = await findAllHosts(context)
  const [only, ...others] = targets.map(({ address }) => address)
  if (hasErrors(diagnostics)) return { diagnostics }
  if (only === undefined) return { diagnostics: [error('HOST_ABSENT', 'the inventory names no host')] }
  if (others.length > 0)
    return { diagnostics: [error('HOSTS_SEVERAL', 'init is about one host', { hint: 'name one with -l HOST' })] }
  return only
}

async function readHost(context: RunContext, host: HostAddress) {
  const progress = startProgress(context.writeError, { isTerminal: context.isProgressWanted, width: context.width })
  const result = await readSnapshot(host, { modules: ['vfio_pci'] }, { signal: context.signal })
  progress.end()
  return result
}

async function chooseDevices(
  context: RunContext,
  host: HostAddress,
  snapshot: Snapshot,
): Promise<readonly ChosenDevice[]> {
  const livesOn = findLivesOn(snapshot)
  const view = { host: host.name, snapshot, livesOn, diagnostics: [], closure: null, refusals: [] }
  context.write(`${renderInspect(view, textOptions(context))}\n\n`)
  const offers = listOffers(snapshot)
  const answers = await askChoices(
    context,
    'Which devices are for virtual machines?',
    offers.map((offer) => describeOffer(snapshot, offer)),
  )
  const chosen: ChosenDevice[] = []
  for (const index of answers) {
    const offer = offers[index]
    const device = offer === undefined ? null : await settleOffer(context, snapshot, offer)
    if (device !== null) chosen.push(device)
  }
  return chosen
}

/** Companions and risks are each agreed to, or the device is left out. */
async function settleOffer(context: RunContext, snapshot: Snapshot, offer: Offer): Promise<ChosenDevice | null> {
  const title = nameOffer(snapshot, offer)
  if (offer.companions.length > 0) {
    const names = offer.companions.map((found) => `${found.address} ${formatDeviceName(snapshot, found)}`.trim())
    if (!(await confirm(context, `${title}: these must come along: ${names.join('; ')}. Hand them over as well?`)))
      return null
  }
  const accept: Record<string, string> = {}
  for (const code of new Set(offer.risks.map((risk) => risk.code))) {
    const messages = offer.risks.filter((risk) => risk.code === code).map(({ message }) => message)
    const why = await askText(
      context,
      `${code}: ${messages.join('; ')}. Why is that acceptable? (empty: leave it out)`,
      '',
    )
    if (why.trim() === '') return null
    accept[code] = why.trim()
  }
  return { title, functions: offer.functions, isWhole: offer.companions.length > 0, accept }
}

async function writeFiles(context: RunContext, host: HostAddress, chosen: readonly ChosenDevice[]): Promise<number> {
  const there = Object.values(files).filter((name) => existsSync(join(context.cwd, name)))
  if (there.length > 0 && !(await confirm(context, `${there.join(' and ')} will be overwritten. Go on?`))) {
    context.write('Nothing was written.\n')
    return exitCodes.failed
  }
  writeFileSync(join(context.cwd, files.inventory), formatInventory(host))
  writeFileSync(join(context.cwd, files.playbook), formatPlaybook(host.name, chosen))
  context.write(
    `\nWrote ${files.inventory} and ${files.playbook}. Nothing was written on the host. Next:\n\n  passway plan ${files.playbook} -i ${files.inventory}\n`,
  )
  return exitCodes.ok
}
