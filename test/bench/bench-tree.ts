import { readFileSync } from 'node:fs'
import { parseTree, type TreeEntry } from '../../src/host/tree.ts'
import { demoTree } from '../host-trees/open-tree.ts'
import { pciTree, type PciPart } from '../host-trees/pci-tree.ts'

/**
 * The demo host grown to the size of a server: `functions` PCI functions (150), module tables as long as those of a
 * distribution kernel (20 000 aliases, 6000 modules, 11 000 lines of configuration) for both kernels.
 */
export function benchTree(functions = 150): TreeEntry[] {
  const base = parseTree(readFileSync(demoTree, 'utf8'))
  const own = new Map(base.map((entry) => [entry.path, entry]))
  const added = [...growPci(functions - countFunctions(base)), ...growTables(own)]
  return [...new Map([...base, ...added].map((entry) => [entry.path, entry])).values()]
}

function countFunctions(entries: readonly TreeEntry[]): number {
  return entries.filter((entry) => /^\/sys\/bus\/pci\/devices\/[^/]+$/.test(entry.path)).length
}

/** Further root ports, each with a two-port card of virtual functions below; a second PCI domain, as VMD has. */
function growPci(count: number): TreeEntry[] {
  const parts: PciPart[] = []
  for (let bus = 0; parts.length < count; bus += 1) parts.push(...card(bus))
  return pciTree(parts.slice(0, count))
}

function card(bus: number): PciPart[] {
  const domain = bus % 2 === 0 ? '0001' : '10000'
  const [slot, below] = [(bus % 32).toString(16).padStart(2, '0'), (bus + 64).toString(16).padStart(2, '0')]
  const port = `${domain}:00:${slot}.0`
  const first: PciPart = {
    address: `${domain}:${below}:00.0`,
    class: '020000',
    id: '15b3:1015',
    driver: 'mlx5_core',
    parent: port,
    group: 100 + bus,
    numaNode: bus % 2,
    resetMethods: 'flr bus',
    sriov: { total: 8, enabled: 2 },
  }
  const virtual = (index: number): PciPart => ({
    address: `${domain}:${below}:00.${index}`,
    class: '020000',
    id: '15b3:1016',
    driver: 'mlx5_core',
    parent: port,
    group: 200 + bus * 4 + index,
    physicalFunction: first.address,
    resetMethods: 'flr',
  })
  const bridge: PciPart = { address: port, class: '060400', id: '8086:2030', driver: 'pcieport', group: 60 + bus }
  return [bridge, first, virtual(1), virtual(2)]
}

const kernels = ['6.8.12-4-pve', '6.5.13-6-pve']

function growTables(own: ReadonlyMap<string, TreeEntry>): TreeEntry[] {
  const grow = (path: string, lines: string): TreeEntry => {
    const entry = own.get(path)
    if (entry?.type !== 'file') throw new Error(`the demo tree has no ${path}`)
    return { ...entry, content: entry.content + lines }
  }
  return kernels.flatMap((release) => {
    const modules = `/usr/lib/modules/${release}/modules`
    return [
      grow(`${modules}.alias`, aliasLines(20_000)),
      grow(
        `${modules}.dep`,
        numbered(6000, (n) => `kernel/drivers/group${n % 90}/module_${n}.ko: kernel/lib/lib${n % 40}.ko\n`),
      ),
      grow(
        `${modules}.builtin`,
        numbered(900, (n) => `kernel/drivers/group${n % 90}/builtin_${n}.ko\n`),
      ),
      grow(
        `${modules}.builtin.modinfo`,
        numbered(6000, (n) => `builtin_${n % 900}.parm=option_${n}:what it does (bool)\0`),
      ),
      grow(
        `/boot/config-${release}`,
        numbered(11_000, (n) => (n % 4 === 0 ? `# CONFIG_N${n} is not set\n` : `CONFIG_N${n}=m\n`)),
      ),
    ]
  })
}

/** A third of a real table are PCI ids, most of them of few vendors. */
function aliasLines(count: number): string {
  const vendors = ['8086', '10DE', '1022', '14E4', '15B3', '1077', '1002', '10EC']
  const hex = (n: number): string => n.toString(16).toUpperCase().padStart(4, '0')
  return numbered(count, (n) =>
    n % 3 === 0
      ? `alias pci:v0000${vendors[n % vendors.length]}d0000${hex(0x8000 + (n % 32_000))}sv*sd*bc*sc*i* module_${n % 900}\n`
      : `alias usb:v${hex(n % 65_000)}p${hex((n * 7) % 65_000)}d*dc*dsc*dp*ic*isc*ip*in* module_${n % 900}\n`,
  )
}

function numbered(count: number, line: (n: number) => string): string {
  return Array.from({ length: count }, (_, n) => line(n)).join('')
}
