import type { Bytes } from '../core/bytes.ts'
import { isSameName } from './kernel-arguments.ts'
import type { KernelArgument } from './kernel-arguments.ts'

/** Pages of one size asked for at boot: `total`, and per node where the node form (`0:8,1:8`) was used. */
export type HugepagePoolRequest = {
  readonly sizeKb: number
  readonly total: number
  readonly nodes: ReadonlyMap<number, number> | null
}

export type HugepageArguments = {
  /** Size set by `default_hugepagesz=`, null when it is left to the machine. */
  readonly defaultSizeKb: number | null
  /** In the order in which the sizes were first given a count. */
  readonly pools: readonly HugepagePoolRequest[]
  /** Arguments the kernel ignores with a warning, and why. */
  readonly ignored: readonly { readonly argument: Bytes; readonly why: string }[]
}

type State = {
  defaultSizeKb: number | null
  /** Size the next `hugepages=` counts for; null after a size that was refused. */
  current: number | null
  /** Sizes a `hugepagesz=` or `default_hugepagesz=` has named. */
  seen: Set<number>
  /** The size that got the last count: two counts in a row for it are refused. */
  counted: number | null
  pools: HugepagePoolRequest[]
  ignored: { argument: Bytes; why: string }[]
}

/**
 * Follows hugepages_setup(), hugepagesz_setup() and default_hugepagesz_setup() of mm/hugetlb.c: a count belongs to the
 * size before it; a count before any size is for the default size, and a later pair for that size is ignored.
 * `machineDefaultKb` is the size of the machine without `default_hugepagesz=` (x86: 2048).
 */
export function parseHugepages(args: readonly KernelArgument[], machineDefaultKb = 2048): HugepageArguments {
  const named = args.findLast((argument) => isSameName(argument.name, 'default_hugepagesz'))
  const defaultKb = parseSizeKb(named?.value ?? null) ?? machineDefaultKb
  const state: State = {
    defaultSizeKb: null,
    current: defaultKb,
    seen: new Set(),
    counted: null,
    pools: [],
    ignored: [],
  }
  for (const argument of args) applyArgument(state, argument, defaultKb)
  return { defaultSizeKb: state.defaultSizeKb, pools: state.pools, ignored: state.ignored }
}

function applyArgument(state: State, argument: KernelArgument, defaultKb: number): void {
  if (isSameName(argument.name, 'hugepages')) return applyCount(state, argument)
  if (isSameName(argument.name, 'hugepagesz')) return applySize(state, argument)
  if (!isSameName(argument.name, 'default_hugepagesz')) return
  if (state.defaultSizeKb !== null) return ignore(state, argument, 'the default size was set before')
  const sizeKb = parseSizeKb(argument.value)
  if (sizeKb === null) return ignore(state, argument, 'not a size')
  state.defaultSizeKb = defaultKb
  state.current = sizeKb
}

function applySize(state: State, argument: KernelArgument): void {
  const sizeKb = parseSizeKb(argument.value)
  state.current = null
  if (sizeKb === null) return ignore(state, argument, 'not a size')
  const counted = state.pools.some((pool) => pool.sizeKb === sizeKb)
  if (counted || state.seen.has(sizeKb)) return ignore(state, argument, 'the size was given before')
  state.seen.add(sizeKb)
  state.current = sizeKb
}

function applyCount(state: State, argument: KernelArgument): void {
  const sizeKb = state.current
  if (sizeKb === null) return ignore(state, argument, 'no valid hugepagesz= before it')
  if (state.counted === sizeKb) return ignore(state, argument, 'two counts without a hugepagesz= between them')
  const count = parseCount(argument.value)
  if (count === null) return ignore(state, argument, 'not a count')
  state.counted = sizeKb
  state.pools.push({ sizeKb, ...count })
}

function ignore(state: State, argument: KernelArgument, why: string): void {
  state.ignored.push({ argument: argument.text, why })
}

/** `16`, or the node form `0:8,1:8` (since 5.16). */
function parseCount(value: Bytes | null): { total: number; nodes: ReadonlyMap<number, number> | null } | null {
  if (value === null) return null
  if (/^\d+$/.test(value)) return { total: Number(value), nodes: null }
  if (!/^\d+:\d+(,\d+:\d+)*$/.test(value)) return null
  const nodes = new Map(value.split(',').map((pair) => pair.split(':').map(Number) as [number, number]))
  return { total: [...nodes.values()].reduce((sum, count) => sum + count, 0), nodes }
}

/** Kilobytes of a size as memparse() reads it: `2M`, `1G`, `2048K`, `2097152`; null for anything else. */
export function parseSizeKb(value: Bytes | null): number | null {
  const match = /^(0x[0-9a-f]+|\d+)([kmgt]?)$/i.exec(value ?? '')
  if (match === null) return null
  const factor = { '': 1 / 1024, k: 1, m: 1024, g: 1024 ** 2, t: 1024 ** 3 }[(match[2] ?? '').toLowerCase()]
  const sizeKb = Number(match[1]) * (factor ?? Number.NaN)
  return Number.isInteger(sizeKb) && sizeKb > 0 ? sizeKb : null
}

/** The short spelling of a size: `2M`, `1G`, `64K`. */
export function formatSizeKb(sizeKb: number): string {
  if (sizeKb % 1024 ** 2 === 0) return `${sizeKb / 1024 ** 2}G`
  return sizeKb % 1024 === 0 ? `${sizeKb / 1024}M` : `${sizeKb}K`
}
