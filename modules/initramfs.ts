import { z } from 'zod'
import type { Claim } from '../src/core/claim.ts'
import { defineModule } from './shared/define-module.ts'
import { checkModules, modulesToLookUp } from './shared/kernel-modules.ts'

const params = z.strictObject({
  modules: z
    .array(z.string().min(1))
    .min(1)
    .describe('Kernel modules to put into the images and to load early, in this order.'),
})

export const initramfs = defineModule<z.output<typeof params>>({
  name: 'initramfs',
  summary: 'Puts kernel modules into the initramfs images of every installed kernel and loads them early, in order.',
  description: `Saved: the list of early modules that the initramfs tool of the host reads. The images of all installed kernels are
regenerated once, after everything that goes into them has been written, and each is listed to prove that it holds the modules.
Live: nothing changes before the next boot.

Every name is checked against every installed kernel. A module that is built in everywhere, or that has become part of
another one (vfio_virqfd went into vfio), is left out with a note.`,
  params,
  example: `- name: vfio-pci is loaded before any graphics driver
  initramfs:
    modules: [vfio_pci, vfio, vfio_iommu_type1]`,
  refusals: {
    MODULE_ABSENT: 'An installed kernel has no such module.',
    MODULE_NAME: 'The text is no module name; arguments do not belong here.',
    KERNEL_ABSENT: 'No installed kernel was found, so that no name can be checked.',
  },
  reads: ({ modules }) => ({ modules: modulesToLookUp(modules) }),
  plan: ({ modules }, snapshot) => {
    const { names, diagnostics } = checkModules(modules, snapshot)
    return { claims: names.map((module): Claim => ({ want: 'present', of: 'early-module', module })), diagnostics }
  },
})
