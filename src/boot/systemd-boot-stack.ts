import { findContent } from '../core/snapshot.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { compareEntries } from '../formats/loader-order.ts'
import type { BootEntry, BootStack, DetectedStack } from './boot-stack.ts'
import { refuseStack } from './boot-stack.ts'
import { checkEntries } from './check-entries.ts'
import { listWords, readCmdline, withMachineId, withoutMachineId } from './kernel-cmdline.ts'
import { findKernelInstall } from './kernel-install.ts'
import type { KernelInstall } from './kernel-install.ts'
import { chooseEntry, isOurs, listMenu } from './loader-entries.ts'
import type { ChosenEntry, MenuEntry } from './loader-entries.ts'
import { secureCmdline, settleCmdline } from './settle-cmdline.ts'

/** Entries that kernel-install wrote, one a kernel, and how it names them. */
type Generated = {
  readonly root: string
  readonly token: string
  readonly machineId: string | null
  readonly entries: readonly MenuEntry[]
}

/**
 * systemd-boot with entries that kernel-install writes from /etc/kernel/cmdline, as Debian's package systemd-boot sets it
 * up (its hooks /etc/kernel/postinst.d/zz-systemd-boot and /etc/initramfs/post-update.d/systemd-boot).
 */
export function detectSystemdBoot(snapshot: Snapshot): DetectedStack {
  const lacking = findLacking(snapshot)
  if (lacking !== undefined) return refuseStack(`systemd-boot ${lacking}`, [lacking])
  const found = findKernelInstall(snapshot)
  if (!found.ok) return refuseStack(found.name, found.evidence)
  const menu = listMenu(snapshot)
  if (menu === null) return { ok: true, stack: composeStack(snapshot, found.install, null, null) }
  const generated = findGenerated(snapshot, found.install, menu)
  if (typeof generated === 'string') {
    return refuseStack('systemd-boot and entries of another tool than kernel-install', [generated])
  }
  const chosen = chooseEntry(snapshot, menu)
  if (chosen === undefined) return refuseStack('systemd-boot without an entry', ['no entry in its menu'])
  const stack = composeStack(snapshot, found.install, generated, chosen)
  const problem = describeChosen(snapshot, chosen, generated, menu)
  if (problem === undefined) return { ok: true, stack }
  const refused = refuseStack(problem, [`${chosen.entry.path}: by ${chosen.because}`])
  return chosen.entry.entry?.starts?.key === 'linux' ? { ...refused, boots: stack } : refused
}

/** Entries are ordered as they are here since version 250; a tree's tools are not asked for. */
function findLacking({ efi, tools, tree }: Snapshot): string | undefined {
  const version = /^systemd-boot (\d+)/.exec(efi.variables.get('LoaderInfo') ?? '')?.[1]
  if (version !== undefined && Number(version) < 250) return `of version ${version}`
  return tree
    ? undefined
    : ['bootctl', 'kernel-install'].filter((name) => !tools.has(name)).map((name) => `without ${name}`)[0]
}

/** The first candidate for the token that entries of installed kernels are named after; else what keeps it from being told. */
function findGenerated(snapshot: Snapshot, install: KernelInstall, menu: readonly MenuEntry[]): Generated | string {
  const releases = snapshot.kernels.map(({ release }) => release)
  for (const token of install.tokens) {
    const entries = menu.filter(({ name }) => releases.some((release) => name === `${token}-${release}`))
    const roots = [...new Set(entries.map(({ root }) => root))]
    const [root] = roots
    if (root === undefined) continue
    if (roots.length > 1 || (install.root !== null && install.root !== root)) return `entries below ${roots.join(', ')}`
    const spec = findContent(snapshot, `${root}/loader/entries.srel`)?.trim()
    if (spec !== undefined && spec !== 'type1') return `${root}/loader/entries.srel: ${spec}`
    const other = entries.find((each) => !isPlain(each, token))
    if (other !== undefined) return `${other.path}: boots ${other.entry?.starts?.path ?? 'nothing'}`
    return { root, token, machineId: install.machineId, entries }
  }
  return `no entry of an installed kernel is named ${install.tokens.join(' or ')}`
}

/** `linux /TOKEN/RELEASE/linux`, not counted: as 90-loaderentry.install writes it. */
function isPlain({ name, entry, triesLeft }: MenuEntry, token: string): boolean {
  const release = name.slice(token.length + 1)
  return (
    triesLeft === null && entry?.starts?.key === 'linux' && entry.starts.path.endsWith(`/${token}/${release}/linux`)
  )
}

function describeChosen(
  snapshot: Snapshot,
  { entry, once, exact }: ChosenEntry,
  generated: Generated,
  menu: readonly MenuEntry[],
): string | undefined {
  if (!exact && menu.some((each) => each.entry === null)) return 'systemd-boot and unified kernel images in its menu'
  if (entry.entry?.starts?.key !== 'linux') return 'a unified kernel image or another system by default'
  if (once || isOurs(entry.id)) return once ? undefined : 'an entry of an earlier change by default'
  if (!generated.entries.includes(entry)) return 'an entry that kernel-install did not write by default'
  const missing = exact ? undefined : findNewer(snapshot, generated, entry)
  return missing === undefined ? undefined : `entries that lack the newer kernel ${missing}`
}

/** A kernel without an entry gets one when images are built, and would then go first. */
function findNewer(snapshot: Snapshot, { token, entries }: Generated, chosen: MenuEntry): string | undefined {
  const without = snapshot.kernels.filter(
    ({ release, image, initrd }) =>
      image !== null && initrd !== null && !entries.some(({ name }) => name === `${token}-${release}`),
  )
  return without.find(({ release }) => {
    const id = `${token}-${release}.conf`.toLowerCase()
    return compareEntries({ ...chosen, id, version: release }, chosen) < 0
  })?.release
}

function composeStack(
  snapshot: Snapshot,
  { machineId, tokens }: KernelInstall,
  generated: Generated | null,
  chosen: ChosenEntry | null,
): BootStack {
  const entry = chosen?.entry ?? null
  const names = { token: generated?.token ?? tokens[0] ?? '', machineId }
  const words = listWords(entry?.entry?.options ?? '')
  const booting = entry === null ? null : { id: entry.id, words: withoutMachineId(words, names) }
  const readWords = (of: Snapshot) => listWords(readCmdline(of, names).text)
  return {
    entry: entry === null ? null : toBootEntry(snapshot, entry),
    once: chosen?.once ?? false,
    entriesBy: 'esp',
    entriesAt: generated === null ? undefined : { root: generated.root, token: generated.token },
    // The hook of initramfs-tools copies a new image to the partition; the copy is made and read back by us as well.
    following: (wanted) => (wanted.has('initramfs') ? ['esp'] : []),
    settleArguments: (workspace, claims, context) => settleCmdline(workspace, claims, context, { ...names, booting }),
    secureArguments: (workspace) => secureCmdline(workspace, { ...names, booting }),
    readArguments: readWords,
    // A kernel that would go first is refused when the stack is detected: its entry is made with its image.
    refuseRebuild: () => undefined,
    checkEntries: (workspace, claims) => checkEntries(workspace, generated?.entries ?? null, claims),
    predictLine: ({ after, rebuilt }) => {
      const isMade = entry !== null && (generated?.entries.includes(entry) ?? false)
      return {
        prefix: (entry?.entry?.initrds ?? []).map((path) => `initrd=${path.replaceAll('/', '\\')}`),
        args: rebuilt && isMade ? withMachineId(readWords(after), names) : words,
        uncertain: [],
      }
    },
  }
}

function toBootEntry(snapshot: Snapshot, { id, name, entry }: MenuEntry): BootEntry {
  const known = snapshot.kernels.find(({ release }) => release === entry?.version || name.endsWith(`-${release}`))
  const file = (entry?.starts?.path.split('/').at(-1) ?? '').replace(/^(vmlinuz|linux)-/, '')
  const release = known?.release ?? entry?.version ?? file
  return { id, title: entry?.title ?? id, release, hasImage: (entry?.initrds.length ?? 0) > 0 }
}
