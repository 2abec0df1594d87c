import type { Module } from '../src/core/module.ts'
import { acsOverride } from './acs_override.ts'
import { cpufreqGovernor } from './cpufreq_governor.ts'
import { driverOverride } from './driver_override.ts'
import { grubCmdline } from './grub_cmdline.ts'
import { hugepages } from './hugepages.ts'
import { initramfs } from './initramfs.ts'
import { irqbalance } from './irqbalance.ts'
import { kernelCmdline } from './kernel_cmdline.ts'
import { modulesLoad } from './modules_load.ts'
import { passthrough } from './passthrough.ts'
import { vfioIds } from './vfio_ids.ts'

/** Every module that a playbook may name, sorted by name. */
export const modules: readonly Module[] = [
  acsOverride,
  cpufreqGovernor,
  driverOverride,
  grubCmdline,
  hugepages,
  initramfs,
  irqbalance,
  kernelCmdline,
  modulesLoad,
  passthrough,
  vfioIds,
]
