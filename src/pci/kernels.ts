import { note } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import type { InstalledKernel, Snapshot } from '../core/snapshot.ts'

/** Kernels that may boot: all that have modules, without those of which only modules are left. */
export function findBootable(snapshot: Snapshot): readonly InstalledKernel[] {
  return snapshot.kernels.filter((kernel) => !isLeftOver(snapshot, kernel))
}

/** Tells of kernels that are left out though they lack what is asked for, as a package that was removed may leave modules. */
export function noteLeftOver(snapshot: Snapshot, lacks: (kernel: InstalledKernel) => boolean): readonly Diagnostic[] {
  const lacking = snapshot.kernels.filter((kernel) => isLeftOver(snapshot, kernel) && lacks(kernel))
  if (lacking.length === 0) return []
  const releases = lacking.map(({ release }) => release)
  return [
    note('KERNEL_LEFT_OVER', `kernel ${releases.join(', ')} is not looked at: only its modules are there`, {
      evidence: releases.map((release) => `/lib/modules/${release}: no /boot/vmlinuz-${release}`),
    }),
  ]
}

/**
 * It does not run, /boot has no image of it, and no entry of systemd-boot, which has images of its own, is named after it.
 * Where /boot has an image of no kernel it is not mounted, or images have other names: then nothing is left over.
 */
function isLeftOver({ kernels, files }: Snapshot, { release, running, image, initrd }: InstalledKernel): boolean {
  if (running || image !== null || initrd !== null || kernels.every((kernel) => kernel.image === null)) return false
  const isEntry = (path: string) => /\/loader\/entries\/[^/]+$/.test(path) && path.includes(`-${release}`)
  return ![...files].some(([path, { type }]) => type !== 'absent' && isEntry(path))
}
