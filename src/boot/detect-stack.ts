import { error } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import { findContent } from '../core/snapshot.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { findDefaultEntry, parseGrubCfg } from '../formats/grub-cfg.ts'
import type { DefaultEntry, GrubCfg, GrubEntry } from '../formats/grub-cfg.ts'
import { parseGrubenv } from '../formats/grubenv.ts'
import { findGrubSetting, readGrubDefaults } from './grub-defaults.ts'
import { linuxScripts } from './linux-scripts.ts'

export const grubConfigurationPath = '/boot/grub/grub.cfg'
const grubenvPath = '/boot/grub/grubenv'

/** How this host boots. One stack is known so far: Debian's and Ubuntu's GRUB with initramfs-tools. */
export type BootStack = {
  readonly loader: 'grub'
  readonly initramfs: 'initramfs-tools'
  /** The generated menu, null where it may not be read (a plan without root). */
  readonly menu: GrubCfg | null
  /** The entry that boots by itself; null where the menu could not be read. */
  readonly entry: GrubEntry | null
  /** `next_entry` is set: the next boot is not the default. */
  readonly once: boolean
}

export type DetectedStack =
  | { readonly ok: true; readonly stack: BootStack }
  /** `boots`: an entry that passway does not change; what it boots can be told all the same. */
  | { readonly ok: false; readonly diagnostic: Diagnostic; readonly boots?: BootStack }

/** Finds the boot stack by files, which trees have as well; a stack that is not known is refused by name. */
export function detectBootStack(snapshot: Snapshot): DetectedStack {
  const foreign = findForeignLoader(snapshot) ?? findForeignInitramfs(snapshot)
  if (foreign !== undefined) return unsupported(foreign.name, foreign.evidence)
  const state = snapshot.files.get(grubConfigurationPath)
  if (state?.type === 'unreadable') {
    return { ok: true, stack: { loader: 'grub', initramfs: 'initramfs-tools', menu: null, entry: null, once: false } }
  }
  const menu = parseGrubCfg(findContent(snapshot, grubConfigurationPath) ?? '')
  const found = findBootEntry(snapshot, menu)
  if (!found.ok)
    return unsupported('a GRUB menu without a default that can be told', [`${grubConfigurationPath}: ${found.problem}`])
  const { entry, once } = found
  const stack: BootStack = { loader: 'grub', initramfs: 'initramfs-tools', menu, entry, once }
  const problem = describeEntry(entry, once)
  if (problem === undefined) return { ok: true, stack }
  const refused = unsupported(problem, [`${grubConfigurationPath}:${entry.line}: ${entry.title}`])
  return entry.boots === 'linux' ? { ...refused, boots: stack } : refused
}

function unsupported(name: string, evidence: readonly string[]): Extract<DetectedStack, { ok: false }> {
  return {
    ok: false,
    diagnostic: error('BOOT_UNSUPPORTED', `This host boots with ${name}, which passway does not know how to change`, {
      hint: 'supported: GRUB with initramfs-tools, as Debian and Ubuntu install them',
      evidence,
    }),
  }
}

/** GRUB_DEFAULT as it stands counts, as the menu is generated again; without it, what the generated menu says. */
export function findBootEntry(snapshot: Snapshot, menu: GrubCfg): DefaultEntry {
  const setting = findGrubSetting(readGrubDefaults(snapshot, new Map()), 'GRUB_DEFAULT')
  const grubenv = parseGrubenv(findContent(snapshot, grubenvPath) ?? '') ?? null
  return findDefaultEntry(menu, { grubenv, ...(typeof setting === 'string' ? { grubDefault: setting } : {}) })
}

/** Entries of other scripts do not get the arguments that 10_linux composes; one chosen once is not the default. */
function describeEntry(entry: GrubEntry, once: boolean): string | undefined {
  if (entry.boots === 'xen') return 'Xen by default'
  if (entry.boots === 'other') return 'another operating system by default'
  if (entry.linux === null) return 'an entry that cannot be read'
  if (once || entry.section === null || linuxScripts.has(entry.section)) {
    return entry.isRecovery && !once ? 'a recovery entry by default' : undefined
  }
  if (entry.section === '30_os-prober') return 'another operating system by default'
  return `an entry of /etc/grub.d/${entry.section} by default`
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
  if (isDebianGrub(snapshot)) return undefined
  if (isThere(snapshot, '/boot/grub2')) return { name: 'GRUB as Fedora and SUSE install it', evidence: ['/boot/grub2'] }
  return findLoaderWithoutGrub(snapshot)
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

const systemdBootPaths = ['/boot/loader', '/boot/efi/loader', '/efi/loader', '/etc/kernel/cmdline']

function findLoaderWithoutGrub(snapshot: Snapshot): Found {
  if (isThere(snapshot, grubConfigurationPath)) {
    const lacks = isThere(snapshot, '/etc/default/grub') ? 'no update-grub' : 'no /etc/default/grub'
    return { name: `a GRUB that is not Debian's`, evidence: [grubConfigurationPath, lacks] }
  }
  const loader = systemdBootPaths.filter((path) => isThere(snapshot, path))
  if (loader.length > 0) return { name: 'systemd-boot', evidence: [...loader, `no ${grubConfigurationPath}`] }
  return { name: 'no boot loader that was found', evidence: [`no ${grubConfigurationPath}`] }
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
