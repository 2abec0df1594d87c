import type { InstalledKernel, PciFunction, Snapshot } from '../core/snapshot.ts'
import { parseKernelCommandLine } from '../formats/kernel-arguments.ts'
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

/** Whether an IOMMU will translate after a boot of this kernel with these arguments. */
export function judgeNextIommu(
  snapshot: Snapshot,
  kernel: InstalledKernel | undefined,
  args: readonly Argument[],
): Judgement {
  const isIntel = snapshot.cpu.vendor === 'GenuineIntel'
  const off = args.filter((argument) => isOff(argument, isIntel))
  if (off.length > 0 && !isIntel) return { state: 'off', evidence: off.map(formatArgument) }
  if (!isIntel) return { state: isIommuActive(snapshot) ? 'on' : 'unknown', evidence: [] }
  return judgeIntel(snapshot, kernel, args, off)
}

/** Every `intel_iommu=` is read in order, the last word wins (drivers/iommu/intel/iommu.c intel_iommu_setup). */
function judgeIntel(
  snapshot: Snapshot,
  kernel: InstalledKernel | undefined,
  args: readonly Argument[],
  off: readonly Argument[],
): Judgement {
  const words = args.filter(({ name }) => name === 'intel_iommu').flatMap(({ value }) => (value ?? '').split(','))
  const last = words.findLast((word) => word === 'on' || word === 'off')
  if (last === 'off' || off.some(({ name }) => name === 'iommu')) {
    return { state: 'off', evidence: off.map(formatArgument) }
  }
  if (last === 'on') return { state: isIommuActive(snapshot) ? 'on' : 'unknown', evidence: ['intel_iommu=on'] }
  const byDefault = kernel === undefined ? undefined : isOnByDefault(kernel)
  if (byDefault !== false) return { state: isIommuActive(snapshot) ? 'on' : 'unknown', evidence: [] }
  const evidence = [`/boot/config-${kernel?.release}: not on by default`, 'no intel_iommu=on on its command line']
  return { state: 'off', evidence }
}

function isOff({ name, value }: Argument, isIntel: boolean): boolean {
  const members = (value ?? '').split(',')
  return members.includes('off') && (name === 'iommu' || name === (isIntel ? 'intel_iommu' : 'amd_iommu'))
}

function formatArgument({ name, value }: Argument): string {
  return value === null ? name : `${name}=${value}`
}

/** True where `intel_iommu=on` must be on the command line, so that these functions are translated with every kernel. */
export function needsIntelArgument(snapshot: Snapshot, functions: readonly PciFunction[]): boolean {
  if (snapshot.cpu.vendor !== 'GenuineIntel') return false
  const isIntegrated = functions.some(
    ({ vendor, parent, ...found }) => vendor === '8086' && parent === null && found.class.startsWith('03'),
  )
  const needed = isIntegrated ? defaults.slice(0, 1) : defaults
  const kernels = findBootable(snapshot)
  if (kernels.length > 0 && kernels.every(({ config }) => needed.some((name) => config.get(name) === 'y'))) return false
  const isGiven = parseKernelCommandLine(snapshot.commandLine).some(
    ({ name, value }) => name === 'intel_iommu' && (value ?? '').split(',').includes('on'),
  )
  return isGiven || !functions.every(({ iommuGroup }) => iommuGroup !== null)
}
