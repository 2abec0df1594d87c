import { error } from '../core/diagnostic.ts'
import type { NextBoot } from '../core/plan.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { parseKernelCommandLine } from '../formats/kernel-arguments.ts'
import { judgeNextIommu } from '../pci/iommu.ts'
import { isForGuests } from './vfio-claims.ts'
import type { MergedClaim, TaskDiagnostic } from './tasked.ts'

/** vfio-pci takes nothing without an IOMMU: a plan after which none is at work is refused, whoever turned it off. */
export function checkIommu(
  snapshot: Snapshot,
  nextBoot: NextBoot | null,
  merged: readonly MergedClaim[],
): readonly TaskDiagnostic[] {
  const concerned = merged.filter(({ claim, tasks }) => tasks.length > 0 && isForGuests(claim))
  if (nextBoot === null || concerned.length === 0) return []
  const kernel = snapshot.kernels.find(({ release }) => release === nextBoot.entry.kernel)
  const { state, evidence } = judgeNextIommu(snapshot, kernel, parseKernelCommandLine(nextBoot.kernelCommandLine))
  if (state !== 'off') return []
  const diagnostic = error(
    'IOMMU_OFF',
    'no IOMMU would be at work after the next boot, and vfio-pci takes nothing then',
    {
      hint: 'on Intel add intel_iommu=on (kernel_cmdline); take off what turns it off',
      evidence,
    },
  )
  return [{ diagnostic, tasks: [...new Set(concerned.flatMap(({ tasks }) => tasks))].toSorted((a, b) => a - b) }]
}
