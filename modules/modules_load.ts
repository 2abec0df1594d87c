import { z } from 'zod'
import type { Claim } from '../src/core/claim.ts'
import type { Snapshot } from '../src/core/snapshot.ts'
import { defineModule } from './shared/define-module.ts'
import { checkModules, findAvailability, modulesToLookUp } from './shared/kernel-modules.ts'

const params = z.strictObject({
  modules: z.array(z.string().min(1)).min(1).describe('Kernel modules to load, in this order.'),
  load: z
    .enum(['now', 'boot'])
    .default('now')
    .describe('`now`: at every boot and at once. `boot`: only at every boot, beginning with the next one.'),
})

export const modulesLoad = defineModule<z.output<typeof params>>({
  name: 'modules_load',
  summary: 'Loads kernel modules at every boot, and at once unless told otherwise.',
  description: `Saved: the list of modules that are loaded at boot from the root file system (modules-load.d).
Live: with \`load: now\` the modules that are not loaded yet are loaded; a rollback unloads those again that this task loaded.

Every name is checked against every installed kernel. A module that is built in everywhere, or that has become part of
another one (vfio_virqfd went into vfio), is left out with a note. The list takes names only: options belong into modprobe.d.`,
  params,
  example: `- name: VFIO is there after every boot
  modules_load:
    modules: [vfio, vfio_pci, vfio_iommu_type1]
    load: boot`,
  refusals: {
    MODULE_ABSENT: 'An installed kernel has no such module.',
    MODULE_NAME: 'The text is no module name; arguments do not belong here.',
    KERNEL_ABSENT: 'No installed kernel was found, so that no name can be checked.',
  },
  reads: ({ modules }) => ({ modules: modulesToLookUp(modules) }),
  plan: ({ modules, load }, snapshot) => {
    const { names, diagnostics } = checkModules(modules, snapshot)
    const atBoot = names.map((module): Claim => ({ want: 'present', of: 'boot-module', module }))
    const now = load === 'now' ? names.filter((name) => isLoadableNow(name, snapshot)) : []
    return { claims: [...atBoot, ...now.map(loadedNow)], diagnostics }
  },
})

function loadedNow(name: string): Claim {
  return { want: 'present', of: 'kernel-module', target: name }
}

/** Built in to the running kernel: nothing to load, and /proc/modules will never show it. */
function isLoadableNow(name: string, snapshot: Snapshot): boolean {
  const running = snapshot.kernels.find((kernel) => kernel.running)
  return running === undefined || findAvailability(running, name) === 'loadable'
}
