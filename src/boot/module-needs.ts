import type { InstalledKernel } from '../core/snapshot.ts'
import { displayDrivers } from '../pci/driver-names.ts'

/** `MODULE_SOFTDEP` aside, what depmod finds by symbols: each with what must be there first, in the order of loading. */
const needs: ReadonlyMap<string, readonly string[]> = new Map([
  ['nvidia_modeset', ['nvidia']],
  ['nvidia_uvm', ['nvidia']],
  ['nvidia_drm', ['nvidia', 'nvidia_modeset']],
])

/**
 * Dependencies of a module as far as they are known without modules.dep, which the probe does not read whole. modprobe
 * loads them with their softdeps and whatever is on the blacklist (libkmod-module.c __kmod_module_get_probe_list).
 */
export function findNeeds({ modules }: Pick<InstalledKernel, 'modules'>, module: string): readonly string[] {
  const own = needs.get(module) ?? []
  const isDisplay = displayDrivers.has(module) || module === 'nvidia_drm'
  return isDisplay && modules.get('drm') === 'loadable' ? ['drm', ...own] : own
}
