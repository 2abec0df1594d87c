import type { Claim } from '../core/claim.ts'
import { parseHugepages, parseKernelCommandLine } from '../formats/kernel-command-line.ts'

/** A count of huge pages that a claim asks for; `node: null` where the kernel spreads them. */
type Count = { readonly sizeKb: number; readonly node: number | null; readonly count: number }

/** True for claims that ask for huge pages. */
export function concernsPool(claim: Claim): boolean {
  return listCounts(claim).length > 0
}

/**
 * The kernel has one pool per size and node, and the count of all nodes is their sum (Documentation/admin-guide/mm/
 * hugetlbpage.rst): what one claim asks of a pool, another must not ask otherwise, at boot or at run time.
 */
export function findPoolConflict(a: Claim, b: Claim): string | undefined {
  if (a.want === 'absent' || b.want === 'absent') return undefined
  const differs = listCounts(a).some((one) => listCounts(b).some((other) => isOtherwise(one, other)))
  return differs ? 'two counts for one pool of huge pages' : undefined
}

function isOtherwise(a: Count, b: Count): boolean {
  if (a.sizeKb !== b.sizeKb) return false
  if (a.node === null || b.node === null) return a.node !== b.node || a.count !== b.count
  return a.node === b.node && a.count !== b.count
}

function listCounts(claim: Claim): readonly Count[] {
  if (claim.of === 'argument-sequence') return listBootCounts(claim.args)
  if (claim.of !== 'attribute') return []
  const match =
    /^\/sys\/(?:kernel\/mm|devices\/system\/node\/node(\d+))\/hugepages\/hugepages-(\d+)kB\/nr_hugepages$/.exec(
      claim.target,
    )
  if (match === null) return []
  const node = match[1] === undefined ? null : Number(match[1])
  return [{ sizeKb: Number(match[2]), node, count: Number(claim.value) }]
}

function listBootCounts(args: readonly string[]): readonly Count[] {
  const { pools } = parseHugepages(parseKernelCommandLine(args.join(' ')))
  return pools.flatMap(({ sizeKb, total, nodes }): readonly Count[] => {
    if (nodes === null) return [{ sizeKb, node: null, count: total }]
    return [...nodes].map(([node, count]) => ({ sizeKb, node, count }))
  })
}
