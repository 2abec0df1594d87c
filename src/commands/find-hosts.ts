import { readHostAddress } from '../config/connection-variables.ts'
import { readExtraVariables } from '../config/extra-variables.ts'
import { selectHosts, type PlayHosts } from '../config/host-pattern.ts'
import type { AdjacentVariables, Inventory } from '../config/inventory.ts'
import { loadInventory, type RunInventoryScript } from '../config/load-inventory.ts'
import { readPlaybookVariables, type PlaybookVariables } from '../config/playbook-variables.ts'
import type { PlayHeader } from '../config/playbook.ts'
import { sourceText, type Variables } from '../config/source-node.ts'
import { hostScope, hostVariables } from '../config/variables.ts'
import { error, hasErrors, type Diagnostic } from '../core/diagnostic.ts'
import type { HostAddress } from '../core/host-address.ts'
import type { RunContext } from './run-context.ts'

/** A host of a run: where it is, and which plays are for it. */
export type Target = {
  readonly address: HostAddress
  /** Indexes of the plays, in playbook order. */
  readonly plays: readonly number[]
}

export type FoundHosts = {
  readonly inventory: Inventory
  readonly targets: readonly Target[]
  readonly besidePlaybooks: PlaybookVariables
  readonly diagnostics: readonly Diagnostic[]
}

type Search = {
  readonly plays: readonly PlayHeader[]
  readonly extra: Variables
}

const everyHost: PlayHosts = { hosts: [writtenScalar('--limit', 'all')] }

function writtenScalar(file: string, text: string): PlayHosts['hosts'][number] {
  const source = sourceText(file, text)
  return { kind: 'scalar', value: text, style: 'plain', literal: true, span: { source, start: 0, end: text.length } }
}

/** The hosts of a command that takes no playbook: all of the inventory, within `--limit`. */
export async function findAllHosts(context: RunContext): Promise<FoundHosts> {
  const extra = readExtraVariables(context.options.extraVars ?? [], context.cwd)
  const found = await search(context, { plays: [], extra: extra.variables }, [everyHost])
  return { ...found, diagnostics: [...extra.diagnostics, ...found.diagnostics] }
}

/** Loads the inventory and finds the hosts of plays. Loads nothing that starting a connection does not need. */
export async function findHosts(context: RunContext, wanted: Search): Promise<FoundHosts> {
  return search(context, wanted, wanted.plays)
}

async function search(context: RunContext, wanted: Search, plays: readonly PlayHosts[]): Promise<FoundHosts> {
  const { options, cwd } = context
  const becomePassword = await askBecomePassword(context)
  const { inventory, diagnostics } = await loadInventory({ sources: options.inventory ?? [], cwd, runScript })
  const beside = readPlaybookVariables(wanted.plays, inventory, cwd)
  const selection = selectHosts(inventory, plays, options.limit)
  const found = selection.hosts.map((host) =>
    findTarget(context, {
      inventory,
      host,
      plays: selection.plays.get(host) ?? [],
      becomePassword,
      extra: wanted.extra,
      beside: [...beside.variables.values()],
    }),
  )
  const isInventoryBroken = hasErrors(diagnostics)
  return {
    inventory,
    targets: found.flatMap(({ target }) => target ?? []),
    besidePlaybooks: beside.variables,
    diagnostics: [
      ...diagnostics,
      ...beside.diagnostics,
      // A broken inventory names no hosts; saying so as well would only hide the reason.
      ...(isInventoryBroken ? [] : selection.diagnostics),
      ...found.flatMap((each) => each.diagnostics),
    ],
  }
}

const runScript: RunInventoryScript = async (path) => {
  const { runInventoryScript } = await import('../host/read-inventory-script.ts')
  const answer = await runInventoryScript(path)
  if (answer.ok) return { ok: true, output: answer.text }
  const evidence = typeof answer.evidence === 'string' ? [answer.evidence] : answer.evidence
  return {
    ok: false,
    diagnostic: error('INVENTORY_SCRIPT_FAILED', `${path} --list failed: ${answer.reason}`, { evidence }),
  }
}

type TargetSearch = {
  readonly inventory: Inventory
  readonly host: string
  readonly plays: readonly number[]
  readonly becomePassword: string | undefined
  readonly extra: Variables
  readonly beside: readonly AdjacentVariables[]
}

function findTarget(
  { options }: RunContext,
  search: TargetSearch,
): { readonly target?: Target; readonly diagnostics: readonly Diagnostic[] } {
  const { inventory, host, becomePassword } = search
  const variables = hostVariables(inventory, host, search.beside)
  const layers = [variables, search.extra]
  const read = readHostAddress({
    inventory,
    host,
    variables: new Map([...variables, ...search.extra]),
    scope: hostScope({ inventory, host, variables: layers, facts: null }),
    options: {
      ...(options.user !== undefined && { user: options.user }),
      ...(options.privateKey !== undefined && { privateKeyFile: options.privateKey }),
      ...(options.become !== undefined && { become: options.become }),
      ...(becomePassword !== undefined && { becomePassword }),
    },
  })
  if (!read.ok) return { diagnostics: read.diagnostics }
  const target = { address: read.address, plays: search.plays }
  return { target, diagnostics: read.diagnostics }
}

/** `-K`: asks once, before anything starts. */
export async function askBecomePassword(context: RunContext): Promise<string | undefined> {
  if (context.options.askBecomePass !== true) return undefined
  const { askPassword } = await import('./ask.ts')
  return askPassword(context, 'sudo password:')
}
