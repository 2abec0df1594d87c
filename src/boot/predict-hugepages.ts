import type { NextBoot } from '../core/plan.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { formatSizeKb, parseHugepages } from '../formats/hugepage-arguments.ts'
import type { HugepagePoolRequest } from '../formats/hugepage-arguments.ts'
import { parseKernelCommandLine } from '../formats/kernel-command-line.ts'
import type { ArgumentList } from './argument-list.ts'

type Uncertain = NextBoot['uncertain'][number]

export type PredictedHugepages = {
  readonly hugepages: NextBoot['hugepages']
  readonly uncertain: readonly Uncertain[]
}

/** `what` names the row of a boot's comparison that it leaves open. */
export function predictHugepages(snapshot: Snapshot, args: ArgumentList): PredictedHugepages {
  const text = args.map((argument) => argument.text).join(' ')
  const { pools } = parseHugepages(
    parseKernelCommandLine(text),
    snapshot.hugepages.length > 0 ? findDefault(snapshot) : undefined,
  )
  const rows = pools.map((pool) => ({ pool, size: formatSizeKb(pool.sizeKb), nodes: findNodes(snapshot, pool) }))
  const asked = pools.reduce((sum, { sizeKb, total }) => sum + sizeKb * total, 0)
  const uncertain = rows.flatMap(({ pool, size, nodes }) => [
    ...findUnsupported(snapshot, pool, size),
    ...findTooMany(snapshot, asked, size),
    ...(pool.nodes === null ? nodes.map(([node]) => describeSplit(size, node)) : []),
  ])
  const hugepages = rows.map(({ pool, size, nodes }) => [
    size,
    nodes.length === 0 ? { total: pool.total } : { total: pool.total, nodes: Object.fromEntries(nodes) },
  ])
  return { hugepages: Object.fromEntries(hugepages), uncertain }
}

/** The machine's own size, where `default_hugepagesz=` does not stand in the running kernel's line (2M on x86). */
function findDefault(snapshot: Snapshot): number | undefined {
  const isSet = parseKernelCommandLine(snapshot.commandLine).some(({ name }) => name === 'default_hugepagesz')
  return isSet ? undefined : (snapshot.defaultHugepageKb ?? undefined)
}

/** Unstated, the kernel deals pages out to the nodes in turn (mm/hugetlb.c alloc_pool_huge_page). */
function findNodes(snapshot: Snapshot, { total, nodes }: HugepagePoolRequest): readonly (readonly [string, number])[] {
  if (nodes !== null) return [...nodes].map(([node, pages]) => [String(node), pages] as const)
  const all = snapshot.numa.map(({ node }) => node)
  if (all.length < 2) return []
  return all.map((node, index) => {
    const share = Math.floor(total / all.length) + (index < total % all.length ? 1 : 0)
    return [String(node), share] as const
  })
}

function describeSplit(size: string, node: string): Uncertain {
  const why = 'the arguments do not say how many each node gets; the kernel deals them out evenly where memory allows'
  return { code: 'HUGEPAGES_SPLIT', what: `huge pages of ${size} on node ${node}`, why }
}

/** arch/x86/mm/hugetlbpage.c: 1G needs gbpages of the processor. */
function findUnsupported(snapshot: Snapshot, { sizeKb }: HugepagePoolRequest, size: string): readonly Uncertain[] {
  const isThere = snapshot.hugepages.some((pool) => pool.sizeKb === sizeKb)
  if (isThere || snapshot.hugepages.length === 0) return []
  const why = 'this kernel has no huge pages of that size'
  return [{ code: 'HUGEPAGES_SIZE', what: `huge pages of ${size}`, why }]
}

function findTooMany(snapshot: Snapshot, askedKb: number, size: string): readonly Uncertain[] {
  const { totalKb } = snapshot.memory
  if (totalKb === 0 || askedKb <= totalKb * 0.75) return []
  const why = `all sizes together ask for ${formatGib(askedKb)} of ${formatGib(totalKb)}; the kernel may give fewer`
  return [{ code: 'HUGEPAGES_MEMORY', what: `huge pages of ${size}`, why }]
}

function formatGib(kilobytes: number): string {
  return `${(kilobytes / 1024 ** 2).toFixed(1)} GiB`
}
