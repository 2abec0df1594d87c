import { error } from '../../src/core/diagnostic.ts'
import type { Diagnostic } from '../../src/core/diagnostic.ts'
import type { ModuleDiagnostic } from '../../src/core/module.ts'
import type { InstalledKernel, Snapshot } from '../../src/core/snapshot.ts'
import { findBootable, noteLeftOver } from '../../src/pci/kernels.ts'
import { sizeOf } from './format-hugepages.ts'
import type { PageRequest } from './format-hugepages.ts'

export type HugepageRequest = {
  readonly pages: readonly PageRequest[]
  readonly at: 'boot' | 'runtime' | 'both'
  readonly reserveKb: number
}

const gigabyte = 1024 ** 2

/** Each at the parameter it is about. */
export function checkHugepages(request: HugepageRequest, snapshot: Snapshot): readonly ModuleDiagnostic[] {
  return [
    ...checkSizes(request, snapshot),
    ...atParameter('pages', checkRepeats(request.pages)),
    ...checkNodes(request.pages, snapshot),
    ...atParameter('at', checkNodeForm(request, snapshot)),
    ...atParameter('pages', [...checkReserve(request, snapshot), ...checkNodeReserve(request, snapshot)]),
  ]
}

function atParameter(name: keyof HugepageRequest, diagnostics: readonly Diagnostic[]): readonly ModuleDiagnostic[] {
  return diagnostics.map((found) => ({ ...found, path: [name] }))
}

function checkSizes({ pages, at }: HugepageRequest, snapshot: Snapshot): readonly ModuleDiagnostic[] {
  const sizes = new Map(pages.map((page) => [sizeOf(page), page.size]))
  return [...sizes].flatMap(([sizeKb, size]) => {
    const path = ['pages', pages.findIndex((page) => sizeOf(page) === sizeKb), 'size']
    return checkSize(sizeKb, size, at, snapshot).map((found) => ({ ...found, path }))
  })
}

function checkSize(sizeKb: number, size: string, at: HugepageRequest['at'], snapshot: Snapshot): readonly Diagnostic[] {
  if (snapshot.hugepages.some((pool) => pool.sizeKb === sizeKb)) return []
  const lacks1G = sizeKb === gigabyte && !snapshot.cpu.flags.includes('pdpe1gb')
  if (lacks1G) {
    return [
      error('HUGEPAGES_1G', 'this processor has no pages of 1G', {
        hint: 'use 2M; in a virtual machine the flag pdpe1gb must be handed through',
        evidence: [`/proc/cpuinfo: ${snapshot.cpu.model || 'processor'} without the flag pdpe1gb`],
      }),
    ]
  }
  // Before the first boot with such pages the kernel need not have set up the pool; the processor's flag is enough then.
  if (at === 'boot' && sizeKb === gigabyte) return []
  return [
    error('HUGEPAGES_SIZE', `the running kernel has no huge pages of ${size}`, {
      evidence: [
        `/sys/kernel/mm/hugepages: ${snapshot.hugepages.map((pool) => `${pool.sizeKb}kB`).join(', ') || 'empty'}`,
      ],
    }),
  ]
}

function checkRepeats(pages: readonly PageRequest[]): readonly Diagnostic[] {
  const sizes = [...new Set(pages.map(({ size }) => size))]
  const sizesKb = new Set(pages.map(sizeOf))
  const twice = sizes.filter((size) => {
    const requests = pages.filter((page) => page.size === size)
    const nodes = new Set(requests.map(({ node }) => node))
    return nodes.size < requests.length || (nodes.has(undefined) && nodes.size > 1)
  })
  const found = twice.map((size) => repeated(`pages of ${size} are listed twice, or both with and without a node`))
  return sizesKb.size < sizes.length ? [...found, repeated('one size is written in two ways')] : found
}

function repeated(message: string): Diagnostic {
  return error('HUGEPAGES_TWICE', message, { hint: 'one item per size, or one per size and node' })
}

function checkNodes(pages: readonly PageRequest[], snapshot: Snapshot): readonly ModuleDiagnostic[] {
  const known = snapshot.numa.map(({ node }) => node)
  const asked = [...new Set(pages.flatMap(({ node }) => (node === undefined ? [] : [node])))]
  return asked
    .filter((node) => !known.includes(node))
    .map((node) => ({
      ...error('HUGEPAGES_NODE', `this host has no NUMA node ${node}`, {
        evidence: [`/sys/devices/system/node: ${known.map((other) => `node${other}`).join(', ') || 'no nodes'}`],
      }),
      path: ['pages', pages.findIndex((page) => page.node === node), 'node'],
    }))
}

/** Since 5.16 (commit b5389086ad7b, `hugetlbfs: extend the definition of hugepages parameter to support node allocation`). */
function checkNodeForm({ pages, at }: HugepageRequest, snapshot: Snapshot): readonly Diagnostic[] {
  if (at === 'runtime' || pages.every(({ node }) => node === undefined)) return []
  const isOld = ({ release }: InstalledKernel) => isBefore(release, 5, 16)
  const old = findBootable(snapshot)
    .filter(isOld)
    .map(({ release }) => release)
  if (old.length === 0) return noteLeftOver(snapshot, isOld)
  return [
    error('HUGEPAGES_NODE_BOOT', `kernel ${old.join(', ')} takes no counts per node from its command line`, {
      hint: 'use at: runtime, or no node',
    }),
  ]
}

function isBefore(release: string, major: number, minor: number): boolean {
  const match = /^(\d+)\.(\d+)/.exec(release)
  if (!match) return false
  return Number(match[1]) < major || (Number(match[1]) === major && Number(match[2]) < minor)
}

function checkReserve({ pages, at, reserveKb }: HugepageRequest, snapshot: Snapshot): readonly Diagnostic[] {
  const askedKb = pages.reduce((sum, page) => sum + sizeOf(page) * page.count, 0)
  const othersKb = at === 'runtime' ? sumOtherPools(pages, snapshot) : 0
  const leftKb = snapshot.memory.totalKb - askedKb - othersKb
  if (leftKb >= reserveKb) return []
  return [
    error(
      'HUGEPAGES_RESERVE',
      `the host would keep ${formatKb(leftKb)} of memory; the reserve is ${formatKb(reserveKb)}`,
      {
        hint: 'ask for fewer pages, or set a smaller reserve',
        evidence: [
          `/proc/meminfo: MemTotal ${formatKb(snapshot.memory.totalKb)}`,
          `huge pages asked for: ${formatKb(askedKb)}`,
          ...(othersKb > 0 ? [`huge pages of other sizes: ${formatKb(othersKb)}`] : []),
        ],
      },
    ),
  ]
}

/** Pools of sizes that the task does not name stay as they are at run time. */
function sumOtherPools(pages: readonly PageRequest[], snapshot: Snapshot): number {
  const named = new Set(pages.map(sizeOf))
  const others = snapshot.hugepages.filter((pool) => !named.has(pool.sizeKb))
  return others.reduce((sum, pool) => sum + pool.sizeKb * pool.total, 0)
}

/** A node must keep its share of the reserve. */
function checkNodeReserve({ pages, reserveKb }: HugepageRequest, snapshot: Snapshot): readonly Diagnostic[] {
  if (snapshot.numa.length < 2) return []
  const shareKb = Math.floor(reserveKb / snapshot.numa.length)
  return snapshot.numa.flatMap(({ node, totalKb }) => {
    const askedKb = pages.filter((page) => page.node === node).reduce((sum, page) => sum + sizeOf(page) * page.count, 0)
    if (askedKb === 0 || totalKb - askedKb >= shareKb) return []
    const left = formatKb(totalKb - askedKb)
    return [
      error(
        'HUGEPAGES_RESERVE',
        `node ${node} would keep ${left} of memory; its share of the reserve is ${formatKb(shareKb)}`,
        {
          evidence: [`node ${node}: ${formatKb(totalKb)} of memory, ${formatKb(askedKb)} asked for`],
        },
      ),
    ]
  })
}

function formatKb(kb: number): string {
  const gigabytes = kb / gigabyte
  return Math.abs(gigabytes) >= 1 ? `${gigabytes.toFixed(1)} GiB` : `${Math.round(kb / 1024)} MiB`
}
