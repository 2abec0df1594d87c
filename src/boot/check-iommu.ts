import { error, warning } from '../core/diagnostic.ts'
import type { NextBoot } from '../core/plan.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { parseKernelCommandLine } from '../formats/kernel-arguments.ts'
import { judgeNextIommu } from '../pci/iommu.ts'
import { foldName } from '../core/fold-name.ts'
import { isForGuests } from './vfio-claims.ts'
import type { MergedClaim, TaskDiagnostic } from './tasked.ts'

/**
 * vfio-pci takes nothing without an IOMMU: a plan after which none is at work is refused, whoever turned it off. Where only
 * records want functions for guests, and no task has to do with arguments, it is said.
 */
export function checkIommu(
  snapshot: Snapshot,
  nextBoot: NextBoot | null,
  merged: readonly MergedClaim[],
): readonly TaskDiagnostic[] {
  const concerned = merged.filter(({ claim }) => isForGuests(claim))
  if (nextBoot === null || concerned.length === 0) return []
  const kernel = snapshot.kernels.find(({ release }) => release === nextBoot.entry.kernel)
  const { state, evidence } = judgeNextIommu(snapshot, kernel, parseKernelCommandLine(nextBoot.kernelCommandLine))
  if (state !== 'off') return []
  const asked = concerned.filter(({ tasks }) => tasks.length > 0)
  const blamed = asked.length > 0 ? asked : merged.filter(isSwitch)
  const tasks = [...new Set(blamed.flatMap((each) => each.tasks))].toSorted((a, b) => a - b)
  const report = tasks.length > 0 ? error : warning
  const diagnostic = report(
    'IOMMU_OFF',
    'no IOMMU would be at work after the next boot, and vfio-pci takes nothing then',
    {
      hint: 'on Intel add intel_iommu=on (kernel_cmdline); take off what turns it off',
      evidence: asked.length > 0 ? evidence : [...evidence, ...concerned.map(describeHeld)],
    },
  )
  return [{ diagnostic, tasks }]
}

/** A task's, or one of a record that is pruned: both are of this plan. */
function isSwitch({ claim }: MergedClaim): boolean {
  return claim.of === 'kernel-argument' && ['iommu', 'intel_iommu', 'amd_iommu'].includes(foldName(claim.name))
}

function describeHeld({ claim }: MergedClaim): string {
  return `held by the last record: ${claim.of === 'driver' ? `vfio-pci for ${claim.device.address}` : 'ids of vfio-pci'}`
}
