import type { NextBoot } from '../core/plan.ts'
import type { InstalledKernel, PciFunction, Snapshot } from '../core/snapshot.ts'
import { parseKernelCommandLine } from '../formats/kernel-command-line.ts'
import type { ArgumentList } from './argument-list.ts'
import { coversGraphics, isIntelGraphics, isIommuActive, isRunning, judgeNextIommu } from '../pci/iommu.ts'
import type { Argument } from '../pci/iommu.ts'
import { foldName } from '../core/fold-name.ts'

export type PredictedGroups = {
  readonly groups: NextBoot['groups']
  readonly uncertain: NextBoot['uncertain']
  /** Whether a function will be in a group; null where that cannot be told. */
  readonly hasGroup: (target: PciFunction) => boolean | null
}

/** Groups are formed by the kernel at boot: those of today hold where kernel and arguments that form them stay. */
export function predictGroups(snapshot: Snapshot, kernel: InstalledKernel, list: ArgumentList): PredictedGroups {
  const args = parseKernelCommandLine(list.map(({ text }) => text).join(' '))
  const { state } = judgeNextIommu(snapshot, kernel, args)
  if (state === 'off') return { groups: {}, uncertain: [], hasGroup: () => false }
  const why = findDoubt(snapshot, kernel, args, state)
  const hasOne = ({ iommuGroup }: PciFunction) => iommuGroup !== null
  if (why === undefined) return { groups: groupsOf(snapshot), uncertain: [], hasGroup: hasOne }
  const keepsGraphics = staysWithGraphics(snapshot, kernel, args)
  return {
    groups: {},
    uncertain: [{ code: 'GROUPS_MAY_CHANGE', what: 'IOMMU groups', why }],
    hasGroup: (target) => (state === 'unknown' || (!keepsGraphics && isIntelGraphics(target)) ? null : hasOne(target)),
  }
}

/** Why groups may not be those of today; undefined where they are. */
function findDoubt(
  snapshot: Snapshot,
  kernel: InstalledKernel,
  args: readonly Argument[],
  state: 'on' | 'unknown',
): string | undefined {
  const isActive = isIommuActive(snapshot)
  const changed = findChanged(snapshot, args, isActive)
  if (changed.length > 0) return `arguments that form them are not those of this boot: ${changed.join(', ')}`
  if (!isRunning(snapshot, kernel)) return 'another kernel boots, which may form them otherwise'
  if (isActive && state === 'unknown') return 'whether an IOMMU is at work without intel_iommu=on cannot be told'
  if (!isActive || !snapshot.pci.some(isIntelGraphics) || staysWithGraphics(snapshot, kernel, args)) return undefined
  return 'intel_iommu=on also decides whether integrated graphics are translated'
}

/** Integrated graphics are translated, or left out, as they are now. */
function staysWithGraphics(snapshot: Snapshot, kernel: InstalledKernel, args: readonly Argument[]): boolean {
  const running = snapshot.kernels.find((each) => isRunning(snapshot, each))
  const live = parseKernelCommandLine(snapshot.commandLine)
  const now = running === undefined ? undefined : coversGraphics(running, live)
  const isSaid = running === kernel && formatWords(live) === formatWords(args)
  return isSaid || (now !== undefined && now === coversGraphics(kernel, args))
}

function formatWords(args: readonly Argument[]): string {
  return args.flatMap(({ name, value }) => (foldName(name) === 'intel_iommu' ? [value ?? ''] : [])).join()
}

function groupsOf({ pci }: Snapshot): NextBoot['groups'] {
  return Object.fromEntries(
    pci.flatMap(({ address, iommuGroup }) => (iommuGroup === null ? [] : [[address, iommuGroup]])),
  )
}

const groupArguments = ['pcie_acs_override', 'intel_iommu', 'amd_iommu', 'iommu', 'pci'] as const

/** Names of arguments that turn the IOMMU on or off, or say more or less isolation, where they are not as now. */
function findChanged(snapshot: Snapshot, args: readonly Argument[], isActive: boolean): readonly string[] {
  const live = parseKernelCommandLine(snapshot.commandLine)
  return groupArguments.filter((name) => {
    if (name === 'pcie_acs_override' && lacksOverride(snapshot)) return false
    const membersIn = (list: readonly Argument[]) =>
      list
        .filter((each) => foldName(each.name) === name)
        .flatMap(({ value }) => relevant(name, value, isActive))
        .toSorted()
        .join()
    return membersIn(live) !== membersIn(args)
  })
}

/** `on` changes nothing where groups exist already (whether it may go is asked before), `pt` only how the host's own devices are mapped. */
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
