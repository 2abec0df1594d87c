import type { Snapshot } from '../core/snapshot.ts'
import { refuseStack } from './boot-stack.ts'
import type { DetectedStack } from './boot-stack.ts'
import { detectGrub, grubConfigurationPath } from './grub-stack.ts'
import { bootRoots } from './kernel-install.ts'
import { detectSystemdBoot } from './systemd-boot-stack.ts'

/** Finds the boot stack by files, which trees have as well; a stack that is not known is refused by name. */
export function detectBootStack(snapshot: Snapshot): DetectedStack {
  const foreign = findForeignLoader(snapshot) ?? findForeignInitramfs(snapshot)
  if (foreign !== undefined) return refuseStack(foreign.name, foreign.evidence)
  return startsSystemdBoot(snapshot) ? detectSystemdBoot(snapshot) : detectGrub(snapshot)
}

type Found = { readonly name: string; readonly evidence: readonly string[] }

function isThere(snapshot: Snapshot, path: string): boolean {
  const state = snapshot.files.get(path)
  return state !== undefined && state.type !== 'absent'
}

function findForeignLoader(snapshot: Snapshot): Found | undefined {
  const marks: readonly (readonly [string, string])[] = [
    ['/run/ostree-booted', 'ostree deployments'],
    ['/etc/kernel/proxmox-boot-uuids', 'proxmox-boot-tool'],
    ['/boot/loader/entries', 'boot loader specification entries (BLS, grubby)'],
  ]
  const mark = marks.find(([path]) => isThere(snapshot, path))
  if (mark !== undefined && (mark[0] !== '/boot/loader/entries' || hasGrubby(snapshot))) {
    return { name: mark[1], evidence: [mark[0]] }
  }
  if (startsSystemdBoot(snapshot) || isDebianGrub(snapshot)) return undefined
  if (isThere(snapshot, '/boot/grub2')) return { name: 'GRUB as Fedora and SUSE install it', evidence: ['/boot/grub2'] }
  return findLoaderWithoutGrub(snapshot)
}

/** The loader that ran leaves its name in a variable; where there is none, Debian's GRUB goes before what files suggest. */
function startsSystemdBoot(snapshot: Snapshot): boolean {
  const info = snapshot.efi.variables.get('LoaderInfo')
  if (info !== undefined) return info.startsWith('systemd-boot')
  if (isThere(snapshot, grubConfigurationPath) || isThere(snapshot, '/boot/grub2')) return false
  return bootRoots.some((root) => isThere(snapshot, `${root}/loader`))
}

/** Entries of that kind are GRUB's only where grubby writes them; systemd-boot has the same folder on a shared /boot. */
function hasGrubby(snapshot: Snapshot): boolean {
  return !isDebianGrub(snapshot) && (snapshot.tools.has('grubby') || isThere(snapshot, '/boot/grub2'))
}

/** The generated menu and its source. update-grub is asked for only where tools can be run at all. */
function isDebianGrub(snapshot: Snapshot): boolean {
  const hasTool = snapshot.tree || snapshot.tools.has('update-grub')
  return hasTool && isThere(snapshot, grubConfigurationPath) && isThere(snapshot, '/etc/default/grub')
}

function findLoaderWithoutGrub(snapshot: Snapshot): Found {
  if (isThere(snapshot, grubConfigurationPath)) {
    const lacks = isThere(snapshot, '/etc/default/grub') ? 'no update-grub' : 'no /etc/default/grub'
    return { name: `a GRUB that is not Debian's`, evidence: [grubConfigurationPath, lacks] }
  }
  return { name: 'no boot loader that was found', evidence: [`no ${grubConfigurationPath}`, 'no /efi/loader'] }
}

function findForeignInitramfs(snapshot: Snapshot): Found | undefined {
  const { tools, tree } = snapshot
  const hasConfiguration = isThere(snapshot, '/etc/initramfs-tools')
  if (tree ? hasConfiguration : hasConfiguration && tools.has('update-initramfs')) return undefined
  const other = [
    ['dracut', '/etc/dracut.conf'],
    ['mkinitcpio', '/etc/mkinitcpio.conf'],
  ] as const
  const found = other.find(([tool, path]) => tools.has(tool) || isThere(snapshot, path))
  if (found !== undefined)
    return { name: `initramfs images by ${found[0]}`, evidence: [tools.get(found[0]) ?? found[1]] }
  return { name: 'no initramfs-tools', evidence: ['no /etc/initramfs-tools or no update-initramfs'] }
}
