import { defineModule } from './shared/define-module.ts'
import { argumentDescription, argumentParams, argumentRefusals, planArguments } from './shared/plan-arguments.ts'
import type { ArgumentParams } from './shared/plan-arguments.ts'

export const kernelCmdline = defineModule<ArgumentParams>({
  name: 'kernel_cmdline',
  summary: 'Puts arguments on the kernel command line and takes others off, whatever the boot loader is.',
  description: argumentDescription,
  params: argumentParams,
  example: `- name: The IOMMU is on, and devices of the host keep identity mapping
  kernel_cmdline:
    present: [intel_iommu=on, iommu=pt]
    absent: [quiet]`,
  refusals: argumentRefusals,
  reads: () => ({}),
  plan: (params, _snapshot, options) => planArguments(params, options),
})
