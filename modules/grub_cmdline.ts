import { error } from '../src/core/diagnostic.ts'
import type { Diagnostic } from '../src/core/diagnostic.ts'
import { findContent } from '../src/core/snapshot.ts'
import type { Snapshot } from '../src/core/snapshot.ts'
import { defineModule } from './shared/define-module.ts'
import { argumentDescription, argumentParams, argumentRefusals, planArguments } from './shared/plan-arguments.ts'
import type { ArgumentParams } from './shared/plan-arguments.ts'

/** Where GRUB's own configuration is generated, by distribution (grub-mkconfig -o). */
const generated = ['/boot/grub/grub.cfg', '/boot/grub2/grub.cfg']

export const grubCmdline = defineModule<ArgumentParams>({
  name: 'grub_cmdline',
  summary: 'The same as kernel_cmdline on hosts that boot with GRUB; refused on others.',
  description: `For playbooks that are written for GRUB and must not touch anything else. A host counts as booting with GRUB where the
configuration that GRUB reads (/boot/grub/grub.cfg or /boot/grub2/grub.cfg) is there.

${argumentDescription}`,
  params: argumentParams,
  example: `- name: The IOMMU is on
  grub_cmdline:
    present: [intel_iommu=on]
    entries: all`,
  refusals: { LOADER_NOT_GRUB: 'The host does not boot with GRUB.', ...argumentRefusals },
  reads: () => ({ paths: generated }),
  plan: (params, snapshot, options) => {
    const { claims, diagnostics } = planArguments(params, options)
    const problem = findLoaderProblem(snapshot)
    return { claims, diagnostics: problem ? [problem, ...diagnostics] : diagnostics }
  },
})

function findLoaderProblem(snapshot: Snapshot): Diagnostic | undefined {
  if (generated.some((path) => findContent(snapshot, path) !== undefined)) return undefined
  return error('LOADER_NOT_GRUB', 'the host does not boot with GRUB', {
    hint: 'use kernel_cmdline, which knows no loader',
    evidence: generated.map((path) => `${path}: not there`),
  })
}
