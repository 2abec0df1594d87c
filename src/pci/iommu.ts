import type { InstalledKernel, PciFunction, Snapshot } from '../core/snapshot.ts'
import { isSameName, parseKernelCommandLine } from '../formats/kernel-arguments.ts'
import { findBootable } from './kernels.ts'

export type Judgement = { readonly state: 'on' | 'off' | 'unknown'; readonly evidence: readonly string[] }

/** Something translates now: a unit is registered, or functions are in groups. */
export function isIommuActive({ iommus, pci }: Pick<Snapshot, 'iommus' | 'pci'>): boolean {
  return iommus.length > 0 || pci.some(({ iommuGroup }) => iommuGroup !== null)
}

const remappingOn = /DMAR-IR: Enabled IRQ remapping|AMD-Vi: Interrupt remapping enabled/
const remappingOff = /Disabling interrupt remapping|Not enabling interrupt remapping|No interrupt remapping support/

/**
 * Interrupt remapping of the running kernel, by what it said (drivers/iommu/intel/irq_remapping.c,
 * drivers/iommu/amd/init.c) and by the interrupt chips in use.
 */
export function judgeRemapping(snapshot: Snapshot): Judgement {
  const { remappedChip, kernelLog, kernelLogReadable } = snapshot
  if (remappedChip !== null) return { state: 'on', evidence: [`/proc/interrupts: ${remappedChip}`] }
  const on = kernelLog.filter((line) => remappingOn.test(line))
  if (on.length > 0) return { state: 'on', evidence: on }
  const off = kernelLog.filter((line) => remappingOff.test(line))
  if (off.length > 0) return { state: 'off', evidence: off }
  const chip = '/proc/interrupts: no chip that remaps'
  if (!kernelLogReadable) return { state: 'unknown', evidence: [chip, 'the kernel log cannot be read'] }
  return { state: 'unknown', evidence: [chip, 'kernel log: neither "Enabled IRQ remapping" nor "enabled"'] }
}

export type Argument = { readonly name: string; readonly value: string | null }

/** True where an Intel kernel translates without `intel_iommu=on`; undefined where its configuration is not known. */
export function isOnByDefault({ config }: Pick<InstalledKernel, 'config'>): boolean | undefined {
  if (config.get('CONFIG_INTEL_IOMMU') === undefined) return undefined
  return defaults.some((name) => config.get(name) === 'y')
}

/** The second is Debian's own: on for all but integrated graphics. */
const defaults = ['CONFIG_INTEL_IOMMU_DEFAULT_ON', 'CONFIG_INTEL_IOMMU_DEFAULT_ON_INTGPU_OFF']

/**
 * Whether an IOMMU will translate after a boot of this kernel with these arguments. The same kernel, told the same, does
 * what it does now: firmware may turn it on without an argument (drivers/iommu/intel/iommu.c platform_optin_force_iommu).
 */
export function judgeNextIommu(
  snapshot: Snapshot,
  kernel: InstalledKernel | undefined,
  args: readonly Argument[],
): Judgement {
  const isIntel = hasIntelUnits(snapshot)
  const next = findSwitch(args, isIntel)
  const isSame = kernel !== undefined && isRunning(snapshot, kernel)
  if (isSame && isIommuActive(snapshot)) {
    const now = findSwitch(parseKernelCommandLine(snapshot.commandLine), isIntel)
    if (now.state === next.state) return { state: 'on', evidence: next.evidence }
  }
  if (next.state === 'off') return { state: 'off', evidence: next.evidence }
  const able = kernel === undefined ? null : judgeKernel(kernel, isIntel, next.state)
  if (able?.state === 'off') return able
  const isKnown = able?.state === 'on' || (isSame && (!isIntel || next.state === 'on'))
  return { state: isKnown && isIommuActive(snapshot) ? 'on' : 'unknown', evidence: next.evidence }
}

/** An Intel IOMMU may stand in a virtual machine with a processor of any vendor; the names of its units tell. */
function hasIntelUnits({ iommus, cpu }: Pick<Snapshot, 'iommus' | 'cpu'>): boolean {
  if (iommus.some((name) => name.startsWith('dmar'))) return true
  return cpu.vendor === 'GenuineIntel' && !iommus.some((name) => name.startsWith('ivhd'))
}

export function isRunning(
  { kernelRelease }: Pick<Snapshot, 'kernelRelease'>,
  { running, release }: Pick<InstalledKernel, 'running' | 'release'>,
): boolean {
  return running || release === kernelRelease
}

type Switch = { readonly state: 'on' | 'off' | null; readonly evidence: readonly string[] }

/**
 * What the arguments say. Every `intel_iommu=` is read in order, the last word wins (drivers/iommu/intel/iommu.c
 * intel_iommu_setup); `amd_iommu=` has no `on` (drivers/iommu/amd/init.c parse_amd_iommu_options), and `iommu=off` is for
 * all of them (arch/x86/kernel/pci-dma.c iommu_setup).
 */
function findSwitch(args: readonly Argument[], isIntel: boolean): Switch {
  const own = isIntel ? 'intel_iommu' : 'amd_iommu'
  const off = args.filter(({ name, value }) => membersOf(value).includes('off') && isOneOf(name, ['iommu', own]))
  const last = listWords(args, own).findLast((word) => word === 'on' || word === 'off')
  const isOff = off.some(({ name }) => name === 'iommu') || (isIntel ? last === 'off' : off.length > 0)
  if (isOff) return { state: 'off', evidence: off.map(formatArgument) }
  return isIntel && last === 'on' ? { state: 'on', evidence: ['intel_iommu=on'] } : { state: null, evidence: [] }
}

/** What the kernel itself does where that is known; null where its configuration is not, or does not decide. */
function judgeKernel(kernel: InstalledKernel, isIntel: boolean, asked: Switch['state']): Judgement | null {
  const option = isIntel ? 'CONFIG_INTEL_IOMMU' : 'CONFIG_AMD_IOMMU'
  const built = kernel.config.get(option)
  const at = `/boot/config-${kernel.release}`
  if (built === undefined) return null
  if (built !== 'y') return { state: 'off', evidence: [`${at}: ${option} is not set`] }
  if (!isIntel || asked === 'on' || isOnByDefault(kernel) === true) return { state: 'on', evidence: [] }
  return { state: 'off', evidence: [`${at}: not on by default`, 'no intel_iommu=on on its command line'] }
}

/**
 * Whether Intel's own graphics are translated where the rest is; undefined where it cannot be told. `igfx_off`, and the
 * `intgpu_off` of Debian's patch, leave them out whatever else is said.
 */
export function coversGraphics(kernel: InstalledKernel, args: readonly Argument[]): boolean | undefined {
  const words = listWords(args, 'intel_iommu')
  if (words.some((word) => word === 'igfx_off' || word === 'intgpu_off')) return false
  if (words.includes('on') || kernel.config.get('CONFIG_INTEL_IOMMU_DEFAULT_ON') === 'y') return true
  return isOnByDefault(kernel) === true ? false : undefined
}

export function isIntelGraphics({ vendor, parent, ...found }: PciFunction): boolean {
  return vendor === '8086' && parent === null && found.class.startsWith('03')
}

function listWords(args: readonly Argument[], name: string): readonly string[] {
  return args.filter((each) => isSameName(each.name, name)).flatMap(({ value }) => membersOf(value))
}

function membersOf(value: string | null): readonly string[] {
  return (value ?? '').split(',')
}

function isOneOf(name: string, names: readonly string[]): boolean {
  return names.some((each) => isSameName(name, each))
}

function formatArgument({ name, value }: Argument): string {
  return value === null ? name : `${name}=${value}`
}

/** True where `intel_iommu=on` must be on the command line, so that these functions are translated with every kernel. */
export function needsIntelArgument(snapshot: Snapshot, functions: readonly PciFunction[]): boolean {
  if (snapshot.cpu.vendor !== 'GenuineIntel') return false
  const isIntegrated = functions.some(isIntelGraphics)
  const needed = isIntegrated ? defaults.slice(0, 1) : defaults
  const kernels = findBootable(snapshot)
  if (kernels.length > 0 && kernels.every(({ config }) => needed.some((name) => config.get(name) === 'y'))) return false
  const isGiven = parseKernelCommandLine(snapshot.commandLine).some(
    ({ name, value }) => name === 'intel_iommu' && (value ?? '').split(',').includes('on'),
  )
  return isGiven || !functions.every(({ iommuGroup }) => iommuGroup !== null)
}
