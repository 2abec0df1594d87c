import type { InstalledKernel, Snapshot } from '../core/snapshot.ts'
import type { PlainValue } from './source-node.ts'

/** Symbols that only a kernel with the ACS override patch has: its boot parameter's handler and its quirk. */
export const acsOverrideSymbols: readonly string[] = ['pcie_acs_override_setup', 'pcie_acs_overrides']

/** All facts, for the reference. Types are those of expressions; `|none` is where the host does not say. */
export const factsReference: readonly { readonly name: string; readonly type: string; readonly meaning: string }[] = [
  { name: 'facts.hostname', type: 'string', meaning: 'the name the host gives itself' },
  { name: 'facts.os.id', type: 'string', meaning: 'ID of /etc/os-release: debian, ubuntu' },
  { name: 'facts.os.version', type: 'string', meaning: 'VERSION_ID: "12"; empty where there is none' },
  { name: 'facts.os.name', type: 'string', meaning: 'NAME: Debian GNU/Linux' },
  { name: 'facts.os.codename', type: 'string', meaning: 'VERSION_CODENAME: bookworm' },
  { name: 'facts.os.like', type: 'list of strings', meaning: 'ID_LIKE' },
  { name: 'facts.kernel.release', type: 'string', meaning: 'the running kernel: 6.1.0-37-amd64' },
  { name: 'facts.kernel.command_line', type: 'string', meaning: '/proc/cmdline' },
  { name: 'facts.kernel.installed', type: 'list of strings', meaning: 'releases of all installed kernels' },
  {
    name: 'facts.kernel.acs_override',
    type: 'boolean|none',
    meaning: 'whether the running kernel has the ACS override patch, by its symbols; none where they cannot be read',
  },
  {
    name: 'facts.kernel.config',
    type: 'mapping',
    meaning: 'options of the running kernel that passway reads: CONFIG_VFIO_PCI → y, m, n',
  },
  {
    name: 'facts.cpu.vendor',
    type: 'string',
    meaning: 'intel, amd, hygon, zhaoxin, centaur; else as /proc/cpuinfo has it',
  },
  { name: 'facts.cpu.model', type: 'string', meaning: 'model name of /proc/cpuinfo' },
  { name: 'facts.cpu.flags', type: 'list of strings', meaning: 'flags of /proc/cpuinfo' },
  { name: 'facts.cpu.count', type: 'number', meaning: 'logical CPUs that are online' },
  { name: 'facts.cpu.online', type: 'string', meaning: 'their list as the kernel writes it: 0-15' },
  { name: 'facts.cpu.isolated', type: 'string', meaning: 'list of isolated CPUs, mostly empty' },
  { name: 'facts.memory.total_mb', type: 'number', meaning: 'MemTotal in MiB, rounded down' },
  { name: 'facts.memory.available_mb', type: 'number', meaning: 'MemAvailable in MiB, rounded down' },
  {
    name: 'facts.numa.nodes',
    type: 'list of mappings',
    meaning: 'node, cpus, total_mb of every NUMA node; empty where the kernel has no NUMA',
  },
  {
    name: 'facts.cpufreq.driver',
    type: 'string|none',
    meaning: 'cpufreq driver of the first policy; none where there is no policy',
  },
  { name: 'facts.cpufreq.governor', type: 'string|none', meaning: 'governor of the first policy' },
  { name: 'facts.cpufreq.governors', type: 'list of strings', meaning: 'governors that every policy offers' },
  {
    name: 'facts.pci',
    type: 'list of mappings',
    meaning:
      'PCI functions: address (0000:01:00.0), id (10de:1c82), vendor, device, class (030000), driver|none, group|none, numa_node|none',
  },
]

/** `facts.*` of a host, from what the probe read. See `factsReference`. */
export function factsFrom(snapshot: Snapshot): PlainValue {
  return {
    hostname: snapshot.hostname,
    os: osFacts(snapshot),
    kernel: kernelFacts(snapshot),
    cpu: cpuFacts(snapshot),
    memory: { total_mb: megabytes(snapshot.memory.totalKb), available_mb: megabytes(snapshot.memory.availableKb) },
    numa: { nodes: snapshot.numa.map(({ node, cpus, totalKb }) => ({ node, cpus, total_mb: megabytes(totalKb) })) },
    cpufreq: cpufreqFacts(snapshot),
    pci: snapshot.pci.map(pciFacts),
  }
}

function megabytes(kilobytes: number): number {
  return Math.floor(kilobytes / 1024)
}

function osFacts({ os }: Snapshot): PlainValue {
  return {
    id: os.get('ID') ?? '',
    version: os.get('VERSION_ID') ?? '',
    name: os.get('NAME') ?? '',
    codename: os.get('VERSION_CODENAME') ?? '',
    like: (os.get('ID_LIKE') ?? '').split(/\s+/).filter(Boolean),
  }
}

function kernelFacts(snapshot: Snapshot): PlainValue {
  const running = snapshot.kernels.find((kernel) => kernel.running)
  return {
    release: snapshot.kernelRelease,
    command_line: snapshot.commandLine,
    installed: snapshot.kernels.map((kernel) => kernel.release),
    acs_override: hasAcsOverride(snapshot.kallsyms, running),
    config: Object.fromEntries(running?.config ?? []),
  }
}

/** A stub System.map proves nothing; either of two full lists of symbols does. */
function hasAcsOverride(kallsyms: readonly string[] | null, running: InstalledKernel | undefined): boolean | null {
  const map = running?.systemMap.state === 'real' ? running.systemMap.symbols : null
  const lists = [kallsyms, map].filter((symbols) => symbols !== null)
  if (lists.some((symbols) => symbols.some((symbol) => acsOverrideSymbols.includes(symbol)))) return true
  return lists.length > 0 ? false : null
}

const cpuVendors: Readonly<Record<string, string>> = {
  GenuineIntel: 'intel',
  AuthenticAMD: 'amd',
  HygonGenuine: 'hygon',
  CentaurHauls: 'centaur',
  Shanghai: 'zhaoxin',
}

function cpuFacts({ cpu }: Snapshot): PlainValue {
  const vendor = cpu.vendor.trim()
  return {
    vendor: cpuVendors[vendor] ?? vendor,
    model: cpu.model,
    flags: cpu.flags,
    count: countCpus(cpu.online),
    online: cpu.online,
    isolated: cpu.isolated,
  }
}

/** Length of a CPU list such as `0-7,16-23` (Documentation/core-api/kernel-api, `bitmap_parselist`). */
function countCpus(list: string): number {
  let count = 0
  for (const range of list.split(',')) {
    const [, first, last = first] = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(range) ?? []
    if (first !== undefined) count += Number(last) - Number(first) + 1
  }
  return count
}

function cpufreqFacts({ cpufreq }: Snapshot): PlainValue {
  const [first, ...others] = cpufreq
  const offered = first?.availableGovernors ?? []
  return {
    driver: first?.driver ?? null,
    governor: first?.governor ?? null,
    governors: offered.filter((governor) => others.every((policy) => policy.availableGovernors.includes(governor))),
  }
}

function pciFacts(device: Snapshot['pci'][number]): PlainValue {
  return {
    address: device.address,
    id: `${device.vendor}:${device.device}`,
    vendor: device.vendor,
    device: device.device,
    class: device.class,
    driver: device.driver,
    group: device.iommuGroup,
    numa_node: device.numaNode,
  }
}
