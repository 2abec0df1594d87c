import { findSerial } from '../config/load-plays.ts'
import type { RunContext } from './run-context.ts'
import { runHosts } from './run-hosts.ts'

type Batches<Item, Result> = {
  /** Reboots go by `--serial`, one host at a time unless told otherwise; everything else by `--forks`. */
  readonly serial: boolean
  readonly work: (item: Item) => Promise<Result>
  readonly isFailed: (result: Result) => boolean
  /** What becomes of hosts that are not begun because one before them failed. */
  readonly skip: (item: Item) => Result
}

/** Works through hosts in batches; a failure stops the batches not yet begun, unless `--keep-going`. */
export async function runBatches<Item, Result>(
  context: RunContext,
  items: readonly Item[],
  batches: Batches<Item, Result>,
): Promise<Result[]> {
  const size = batches.serial ? batchSize(context.options.serial ?? '1', items.length) : (context.options.forks ?? 20)
  const results: Result[] = []
  for (let at = 0; at < items.length; at += size) {
    const batch = items.slice(at, at + size)
    const isStopped =
      context.signal.aborted ||
      (context.options.keepGoing !== true && results.some((result) => batches.isFailed(result)))
    results.push(
      ...(isStopped ? batch.map((item) => batches.skip(item)) : await runHosts(batch, batch.length, batches.work)),
    )
  }
  return results
}

/** `2`, or `25%` of all, at least one. */
function batchSize(serial: string, total: number): number {
  const parsed = findSerial(serial)
  if (parsed === undefined) return 1
  return 'count' in parsed ? parsed.count : Math.max(1, Math.floor((total * parsed.percent) / 100))
}
