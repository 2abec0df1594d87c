import type { HostHardware } from '../../src/core/host-hardware.ts'
import type { FileState, InstalledKernel, PciFunction, Snapshot, UnitState } from '../../src/core/snapshot.ts'
import { file, grubConfiguration, kernel, pciFunction, release, snapshot } from '../boot/snapshots.ts'
import { machines } from './machines.ts'
import type { Machine } from './machines.ts'

/** What a case says of its host beyond the machine it names; short forms of what a snapshot holds. */
export type HostOverrides = {
  /** Path → content; null: not there. */
  readonly files?: Readonly<Record<string, string | null>>
  /** Unit → `enabled active`, `disabled inactive`, `absent`. */
  readonly units?: Readonly<Record<string, string>>
  readonly kernels?: readonly KernelOverrides[]
  readonly kallsyms?: readonly string[] | null
  readonly loaded?: readonly string[]
  /** Functions by address: fields to change, or a whole new function. */
  readonly pci?: Readonly<Record<string, Partial<PciFunction>>>
  readonly cpufreq?: Snapshot['cpufreq']
  readonly memoryKb?: number
  /** Sizes of the pools, where not all of the machine's are there. */
  readonly hugepageSizesKb?: readonly number[]
  readonly cpu?: Partial<Snapshot['cpu']>
  readonly tree?: boolean
  /** Whatever else of the hardware is not as on the machine: `kernelLog`, `iommuGroups`, `vfioHolders`, `blockDevices` … */
  readonly hardware?: Partial<HostHardware>
  /** As in pci.ids: `vvvv` and `vvvv:dddd` → name. */
  readonly names?: Readonly<Record<string, string>>
  /** Claims that the last record holds. */
  readonly owned?: readonly unknown[]
  readonly mounts?: Snapshot['mounts']
  readonly sshConnection?: string
}

type KernelOverrides = {
  readonly release?: string
  readonly running?: boolean
  readonly image?: InstalledKernel['image']
  readonly initrd?: InstalledKernel['initrd']
  readonly modules?: Readonly<Record<string, 'loadable' | 'builtin' | 'absent'>>
  readonly builtinAliases?: readonly string[]
  readonly config?: Readonly<Record<string, string>>
  readonly systemMap?: InstalledKernel['systemMap']
}

/** A host in memory: one of the machines, with what the case says. */
export function makeSnapshot(name: string, given: HostOverrides = {}): Snapshot {
  const machine = machines[name]
  if (!machine) throw new Error(`no machine ${name}: ${Object.keys(machines).join(', ')}`)
  const cpufreq = given.cpufreq ?? machine.cpufreq
  const sizes = given.hugepageSizesKb ?? machine.hugepages.map(({ sizeKb }) => sizeKb)
  const kernels = (given.kernels ?? [{}]).map((overrides) => makeKernel(machine, overrides))
  const menu = grubConfiguration(
    'quiet',
    '',
    kernels.map((each) => each.release).filter((each) => each !== release),
  )
  const hugepages = machine.hugepages.filter(({ sizeKb }) => sizes.includes(sizeKb))
  return snapshot({
    cpu: { ...machine.cpu, ...given.cpu },
    memory: { totalKb: given.memoryKb ?? machine.memoryKb, availableKb: machine.memoryKb },
    numa: machine.numa,
    hugepages,
    cpufreq,
    pci: makeFunctions(machine.pci, given.pci ?? {}),
    kernels,
    kallsyms: given.kallsyms === undefined ? [] : given.kallsyms,
    loadedModules: new Set(given.loaded ?? []),
    units: new Map(Object.entries({ ...machine.units, ...given.units }).map(([unit, text]) => [unit, makeUnit(text)])),
    attributes: new Map([...cpufreqAttributes(cpufreq), ...hugepageAttributes(hugepages)]),
    tree: given.tree ?? false,
    remappedChip: 'IR-PCI-MSI',
    iommus: ['ivhd0'],
    pciNames: new Map(Object.entries(given.names ?? {})),
    ...given.hardware,
    ...(given.mounts === undefined ? {} : { mounts: given.mounts }),
    sshConnection: given.sshConnection ?? null,
    lastRecord: given.owned === undefined ? null : JSON.stringify({ format: 1, claims: given.owned }),
    files: Object.fromEntries(
      Object.entries({ '/boot/grub/grub.cfg': menu, ...machine.files, ...given.files }).map(([path, content]) => [
        path,
        makeFile(content),
      ]),
    ),
  })
}

function makeFile(content: string | null): FileState {
  return content === null ? { type: 'absent' } : file(content)
}

function makeFunctions(
  base: readonly PciFunction[],
  given: Readonly<Record<string, Partial<PciFunction>>>,
): readonly PciFunction[] {
  const added = Object.keys(given).filter((address) => !base.some((found) => found.address === address))
  const all = [...base, ...added.map((address) => pciFunction({ address }))]
  return all.map((found) => withModalias({ ...found, ...given[found.address] }))
}

/** As the kernel builds it (drivers/pci/pci-sysfs.c modalias_show). */
function withModalias(found: PciFunction): PciFunction {
  const id = (text: string) => text.toUpperCase().padStart(8, '0')
  const code = found.class.toUpperCase()
  const classes = `bc${code.slice(0, 2)}sc${code.slice(2, 4)}i${code.slice(4, 6)}`
  return { ...found, modalias: `pci:v${id(found.vendor)}d${id(found.device)}sv00000000sd00000000${classes}` }
}

function makeKernel(machine: Machine, given: KernelOverrides): InstalledKernel {
  const { modules = {}, builtinAliases = [], config = {}, ...rest } = given
  return kernel({
    ...rest,
    config: new Map(Object.entries(config)),
    modules: new Map(Object.entries({ ...machine.modules, ...modules })),
    pciAliases: machine.aliases.map((alias) => ({ ...alias, builtin: builtinAliases.includes(alias.module) })),
  })
}

function makeUnit(text: string): UnitState {
  if (text === 'absent') return { exists: false, enabled: null, active: null }
  const [enabled = 'disabled', active] = text.split(' ')
  return { exists: true, enabled, active: active === undefined ? null : active === 'active' }
}

function cpufreqAttributes(policies: Snapshot['cpufreq']): readonly (readonly [string, string])[] {
  return policies.flatMap((policy) => {
    const directory = `/sys/devices/system/cpu/cpufreq/${policy.name}`
    const governor = [`${directory}/scaling_governor`, policy.governor] as const
    if (policy.preference === null) return [governor]
    return [governor, [`${directory}/energy_performance_preference`, policy.preference] as const]
  })
}

function hugepageAttributes(pools: Snapshot['hugepages']): readonly (readonly [string, string])[] {
  return pools.flatMap(({ sizeKb, total, perNode }) => {
    const pool = `hugepages/hugepages-${sizeKb}kB/nr_hugepages`
    const nodes = [...perNode].map(
      ([node, count]) => [`/sys/devices/system/node/node${node}/${pool}`, String(count)] as const,
    )
    return [[`/sys/kernel/mm/${pool}`, String(total)] as const, ...nodes]
  })
}
