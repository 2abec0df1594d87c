import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import type { Verdict } from '../../src/pci/judge-closure.ts'
import type { TreeEntry } from '../../src/host/tree.ts'
import { packageRoot } from '../../src/package-root.ts'
import { pciTree, type PciPart } from '../host-trees/pci-tree.ts'

/** What is asked about one machine: a target, and what must be said of it. Lists hold addresses. */
export type Question = {
  readonly target: string
  /** Missing: the facts below are all that is asked. */
  readonly verdict?: Verdict
  /** Missing, as `along` and `bridges`: the source states no groups. */
  readonly group?: number
  /** Endpoints that travel with the target. */
  readonly along?: readonly string[]
  readonly bridges?: readonly string[]
  /** All other functions of the target's device, whatever their groups. */
  readonly sameSlot: readonly string[]
  /** `vendor:device` of the target and of all that comes along. */
  readonly ids: readonly string[]
  /** Others that have one of these ids. */
  readonly shared: readonly string[]
}

export type Topology = {
  readonly name: string
  readonly commandLine?: string
  readonly devices: readonly PciPart[]
  readonly questions: readonly Question[]
}

const directory = join(packageRoot, 'test/topologies')

export const topologyNames = readdirSync(directory)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => name.slice(0, -5))

/** Real machines as their owners listed them; each file names its source. */
export function readTopology(name: string): Topology {
  const text = readFileSync(join(directory, `${name}.yaml`), 'utf8')
  const written = parse(text) as Pick<Topology, 'commandLine' | 'questions'> & { readonly devices: readonly string[] }
  return {
    ...written,
    name,
    devices: written.devices.map(parseDevice),
  }
}

/** `ADDRESS CLASS VENDOR:DEVICE`, then `group= parent= root= subsystem= driver= sriov=TOTAL/ENABLED pf= bootVga`. */
function parseDevice(line: string): PciPart {
  const [address = '', kind = '', id = '', ...rest] = line.split(' ')
  const given = new Map(rest.map((word): [string, string] => [word.split('=')[0] ?? '', word.split('=')[1] ?? '']))
  const read = (name: string): string | undefined => given.get(name)
  const [total, enabled] = (read('sriov') ?? '').split('/').map(Number)
  const optional = {
    group: read('group') === undefined ? undefined : Number(read('group')),
    parent: read('parent'),
    root: read('root'),
    subsystem: read('subsystem'),
    driver: read('driver'),
    physicalFunction: read('pf'),
    sriov: total === undefined || enabled === undefined ? undefined : { total, enabled },
    bootVga: given.has('bootVga') ? true : kind.startsWith('0300') ? false : undefined,
    // The sources are silent about resets; a machine without any would be refused for that alone.
    resetMethods: kind.startsWith('06') ? undefined : 'flr',
  }
  const stated = Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined))
  return { address, class: kind, id, ...stated }
}

/** The machine as a host tree: its PCI functions, its command line, nothing else. */
export function topologyTree(topology: Topology): TreeEntry[] {
  const content = `${topology.commandLine ?? 'quiet'}\n`
  return [...pciTree(topology.devices), { type: 'file', path: '/proc/cmdline', uid: 0, gid: 0, mode: 0o444, content }]
}
