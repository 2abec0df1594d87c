import type { NextBoot } from '../core/plan.ts'
import type { InstalledKernel, PciFunction, Snapshot } from '../core/snapshot.ts'
import { parseKernelCommandLine } from '../formats/kernel-command-line.ts'
import type { ArgumentList } from './argument-list.ts'
import { hasName } from './argument-list.ts'
import { foldName } from './fold-name.ts'

export type PredictedGroups = {
  readonly groups: NextBoot['groups']
  readonly uncertain: NextBoot['uncertain']
  /** Whether a function will be in a group; null where that cannot be told. */
  readonly hasGroup: ((target: PciFunction) => boolean) | null
}

/** Groups are formed by the kernel at boot: those of today hold where kernel and arguments that form them stay. */
export function predictGroups(snapshot: Snapshot, kernel: InstalledKernel, args: ArgumentList): PredictedGroups {
  const isActive = snapshot.iommus.length > 0 || snapshot.pci.some(({ iommuGroup }) => iommuGroup !== null)
  const changed = findChanged(snapshot, args, isActive)
  const isSame = kernel.running || kernel.release === snapshot.kernelRelease
  const hasOne = ({ iommuGroup }: PciFunction) => iommuGroup !== null
  if (changed.length === 0 && isSame) return { groups: groupsOf(snapshot), uncertain: [], hasGroup: hasOne }
  if (isTurnedOff(args)) return { groups: {}, uncertain: [], hasGroup: () => false }
  const why =
    changed.length === 0
      ? 'another kernel boots, which may form them otherwise'
      : `arguments that form them are not those of this boot: ${changed.join(', ')}`
  const uncertain = [{ code: 'GROUPS_MAY_CHANGE', what: 'IOMMU groups', why }]
  return { groups: {}, uncertain, hasGroup: isActive ? hasOne : null }
}

function groupsOf({ pci }: Snapshot): NextBoot['groups'] {
  return Object.fromEntries(
    pci.flatMap(({ address, iommuGroup }) => (iommuGroup === null ? [] : [[address, iommuGroup]])),
  )
}

const groupArguments = ['pcie_acs_override', 'intel_iommu', 'amd_iommu', 'iommu', 'pci'] as const

/** Names of arguments that turn the IOMMU on or off, or say more or less isolation, where they are not as now. */
function findChanged(snapshot: Snapshot, args: ArgumentList, isActive: boolean): readonly string[] {
  const live = parseKernelCommandLine(snapshot.commandLine)
  return groupArguments.filter((name) => {
    if (name === 'pcie_acs_override' && lacksOverride(snapshot)) return false
    const now = live
      .filter((each) => foldName(each.name) === name)
      .flatMap(({ value }) => relevant(name, value, isActive))
    const next = args.filter((each) => hasName(each, name)).flatMap(({ value }) => relevant(name, value, isActive))
    return now.toSorted().join() !== next.toSorted().join()
  })
}

/** `on` changes nothing where groups exist already, `pt` only how the host's own devices are mapped. */
function relevant(name: string, value: string | null, isActive: boolean): readonly string[] {
  if (name === 'pci') return /^(config_acs|disable_acs_redir)=/.test(value ?? '') ? [value ?? ''] : []
  const members = (value ?? '').split(',').filter((member) => member !== '')
  if (name === 'pcie_acs_override') return members
  const wanted = isActive ? ['off', 'igfx_off'] : ['off', 'igfx_off', 'on', 'force_enable']
  return members.filter((member) => wanted.includes(member))
}

/** The running kernel has no such argument: it said so, or its symbols were asked for and are not there. */
function lacksOverride({ kernelLog, kallsyms }: Snapshot): boolean {
  const said = kernelLog.some((line) => /Unknown kernel command line param.*pcie_acs_override/.test(line))
  return said || (kallsyms !== null && kallsyms.length === 0)
}

/** `iommu=off` and the vendor's `off` (drivers/iommu/intel/iommu.c, amd/init.c, arch/x86/kernel/pci-dma.c). */
function isTurnedOff(args: ArgumentList): boolean {
  const isOff = (name: string) => {
    const words = args.filter((each) => hasName(each, name)).flatMap(({ value }) => (value ?? '').split(','))
    return words.findLast((word) => word === 'on' || word === 'off') === 'off'
  }
  return ['iommu', 'intel_iommu', 'amd_iommu'].some(isOff)
}
