import { findSerial } from '../config/load-plays.ts'
import type { RunContext } from './run-context.ts'
import { findEndpoint } from '../host/find-endpoint.ts'
import { runHosts } from './run-hosts.ts'
import { rankByJumps } from './rank-by-jumps.ts'
import type { HostAddress } from '../core/host-address.ts'

type Batches<Item, Result> = {
  /** Reboots go by `--serial`, one host at a time unless told otherwise; everything else by `--forks`. */
  readonly serial: boolean
  readonly addressOf: (item: Item) => HostAddress
  readonly work: (item: Item) => Promise<Result>
  readonly isFailed: (result: Result) => boolean
  /** What becomes of hosts that are not begun because one before them failed. */
  readonly skip: (item: Item) => Result
}

/**
 * Works through hosts in batches; a failure stops the batches not yet begun, unless `--keep-going`. Hosts that reboot
 * stand in no batch with a host that others of them are reached through: that one comes after them, and this machine
 * last. ssh is asked for the ways that its configuration names. Results are in the order of the items.
 */
export async function runBatches<Item, Result>(
  context: RunContext,
  items: readonly Item[],
  batches: Batches<Item, Result>,
): Promise<Result[]> {
  const results = new Map<Item, Result>()
  if (batches.serial && items.length > 1) await Promise.all(items.map((item) => findEndpoint(batches.addressOf(item))))
  for (const batch of formBatches(context, items, batches)) {
    const isStopped =
      context.signal.aborted ||
      (context.options.keepGoing !== true && [...results.values()].some((result) => batches.isFailed(result)))
    const done = isStopped ? batch.map((item) => batches.skip(item)) : await runHosts(batch, batch.length, batches.work)
    for (const [index, item] of batch.entries()) results.set(item, done[index] as Result)
  }
  return items.map((item) => results.get(item) as Result)
}

function formBatches<Item, Result>(
  { options }: RunContext,
  items: readonly Item[],
  { serial, addressOf }: Batches<Item, Result>,
): Item[][] {
  if (!serial) return split(items, options.forks ?? 20)
  const ranks = rankByJumps(items.map(addressOf))
  const levels = [...new Set(ranks)].toSorted((a, b) => a - b)
  const size = batchSize(options.serial ?? '1', items.length)
  return levels.flatMap((level) =>
    split(
      items.filter((_, index) => ranks[index] === level),
      size,
    ),
  )
}

function split<Item>(items: readonly Item[], size: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, at) => items.slice(at * size, (at + 1) * size))
}

/** `2`, or `25%` of all, at least one. */
function batchSize(serial: string, total: number): number {
  const parsed = findSerial(serial)
  if (parsed === undefined) return 1
  return 'count' in parsed ? parsed.count : Math.max(1, Math.floor((total * parsed.percent) / 100))
}
