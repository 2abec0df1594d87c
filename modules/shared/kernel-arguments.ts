import { foldName } from '../../src/core/fold-name.ts'
import type { Claim } from '../../src/core/claim.ts'
import { parseMembers } from '../../src/formats/kernel-command-line.ts'

/** One argument as the kernel reads it: quotes that enclose the value are gone, `value: null` is a bare word. */
export type KernelArgument = { readonly name: string; readonly value: string | null }

/**
 * Arguments whose value is a list of flags or names that different tasks and people add to. Every one is read by
 * splitting at commas: intel_iommu (drivers/iommu/intel/iommu.c intel_iommu_setup), amd_iommu (drivers/iommu/amd/init.c
 * parse_amd_iommu_options), iommu (arch/x86/kernel/pci-dma.c iommu_setup), pci (drivers/pci/pci.c pci_setup),
 * initcall_blacklist (init/main.c), module_blacklist (kernel/module/main.c), modprobe.blacklist (kmod libkmod-config.c),
 * rd.driver.* (dracut), usbcore.quirks and libata.force (their drivers). Not here: mitigations (`auto,nosmt` is one word
 * to the kernel) and CPU lists (isolcpus, nohz_full, rcu_nocbs), which are one value.
 */
const listArguments: ReadonlySet<string> = new Set(
  [
    'intel_iommu',
    'amd_iommu',
    'iommu',
    'pci',
    'pcie_acs_override',
    'vfio-pci.ids',
    'initcall_blacklist',
    'module_blacklist',
    'modprobe.blacklist',
    'rd.driver.blacklist',
    'rd.driver.pre',
    'usbcore.quirks',
    'libata.force',
  ].map(foldName),
)

/** Members of one list that undo each other: asking for one removes the others. */
const opposites: Readonly<Record<string, readonly (readonly string[])[]>> = {
  intel_iommu: [['on', 'off']],
  iommu: [
    ['pt', 'nopt'],
    ['force', 'noforce', 'off'],
  ],
}

function isListArgument(name: string): boolean {
  return listArguments.has(foldName(name))
}

/** Claims that make an argument hold: of a list argument one per member, and none of their opposites. */
export function planArgument(argument: KernelArgument, entries: 'normal' | 'all'): Claim[] {
  const { name, value } = argument
  if (value === null || value === '' || !isListArgument(name)) return [claimArgument('present', name, value, entries)]
  const members = splitMembers(value)
  const unwanted = members.flatMap((member) => oppositesOf(name, member)).filter((member) => !members.includes(member))
  return [
    ...unwanted.map((member) => claimMember('absent', name, member, entries)),
    ...members.map((member) => claimMember('present', name, member, entries)),
  ]
}

/** Claims that remove an argument: a bare name removes every value, `name=value` that value, of a list those members. */
export function planRemoval(argument: KernelArgument, entries: 'normal' | 'all'): Claim[] {
  const { name, value } = argument
  if (value === null || value === '' || !isListArgument(name)) return [claimArgument('absent', name, value, entries)]
  return splitMembers(value).map((member) => claimMember('absent', name, member, entries))
}

export function claimMember(want: Claim['want'], name: string, value: string, entries: 'normal' | 'all'): Claim {
  return { want, of: 'kernel-argument', name, value, member: true, entries }
}

function claimArgument(want: Claim['want'], name: string, value: string | null, entries: 'normal' | 'all'): Claim {
  return { want, of: 'kernel-argument', name, value, entries }
}

function splitMembers(value: string): readonly string[] {
  return [...new Set(parseMembers(value))].filter((member) => member !== '')
}

function oppositesOf(name: string, member: string): readonly string[] {
  const sets = opposites[foldName(name)] ?? []
  return sets.filter((set) => set.includes(member)).flatMap((set) => set.filter((other) => other !== member))
}
