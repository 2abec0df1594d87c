import { error } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import { findContent } from '../core/snapshot.ts'
import type { InstalledKernel, Snapshot } from '../core/snapshot.ts'
import { findDefaultEntry, listGrubEntries, parseGrubCfg } from '../formats/grub-cfg.ts'
import type { DefaultEntry, GrubCfg, GrubEntry } from '../formats/grub-cfg.ts'
import { parseGrubenv } from '../formats/grubenv.ts'
import { compareVersions } from '../formats/loader-order.ts'
import { composeNormal } from './argument-list.ts'
import type { ArgumentList } from './argument-list.ts'
import { refuseStack } from './boot-stack.ts'
import type { BootEntry, BootStack, DetectedStack } from './boot-stack.ts'
import { checkMenu } from './check-menu.ts'
import { evaluateGrubArguments, findGrubSetting, readGrubDefaults } from './grub-defaults.ts'
import { linuxScripts } from './linux-scripts.ts'
import { predictGrubLine } from './predict-grub-line.ts'
import { settleGrub } from './settle-grub.ts'

export const grubConfigurationPath = '/boot/grub/grub.cfg'
const grubenvPath = '/boot/grub/grubenv'

/** GRUB as Debian and Ubuntu install it: arguments in /etc/default/grub, a menu that grub-mkconfig generates. */
export function detectGrub(snapshot: Snapshot): DetectedStack {
  const state = snapshot.files.get(grubConfigurationPath)
  if (state?.type === 'unreadable') return { ok: true, stack: composeStack(null, null, undefined) }
  const menu = parseGrubCfg(findContent(snapshot, grubConfigurationPath) ?? '')
  const found = findBootEntry(snapshot, menu)
  if (!found.ok)
    return refuseStack('a GRUB menu without a default that can be told', [`${grubConfigurationPath}: ${found.problem}`])
  const { entry, once } = found
  const stack = composeStack(menu, found, findUnlisted(snapshot, menu, found))
  const problem = describeEntry(entry, once)
  if (problem === undefined) return { ok: true, stack }
  const refused = refuseStack(problem, [`${grubConfigurationPath}:${entry.line}: ${entry.title}`])
  return entry.boots === 'linux' ? { ...refused, boots: stack } : refused
}

type FoundEntry = Extract<DefaultEntry, { ok: true }>

/** `unlisted`: a kernel that would take the place of the default if the menu were generated again. */
function composeStack(
  menu: GrubCfg | null,
  found: FoundEntry | null,
  unlisted: InstalledKernel | undefined,
): BootStack {
  const entry = found?.entry ?? null
  const starts = entry === null || entry.linux === null ? null : { ...entry, linux: entry.linux }
  return {
    entry: starts === null ? null : toBootEntry(starts),
    once: found?.once ?? false,
    entriesBy: 'boot-loader',
    entriesAt: undefined,
    following: () => [],
    settleArguments: settleGrub,
    secureArguments: () => {},
    readArguments: readGrubArguments,
    refuseRebuild: () => (unlisted === undefined ? undefined : describeUnlisted(unlisted)),
    checkEntries: (workspace, claims) => checkMenu(workspace, menu, claims),
    predictLine: (question) => {
      if (starts === null) return { prefix: [], args: [], uncertain: [] }
      return { prefix: [`BOOT_IMAGE=${starts.linux.path}`], ...predictGrubLine(question, starts) }
    },
  }
}

/**
 * 10_linux puts the newest kernel first and gives it the entry `gnulinux-simple-…`: a kernel that is in no entry yet would
 * boot instead of this one, unless that is chosen by a name with its release.
 */
function findUnlisted(
  snapshot: Snapshot,
  menu: GrubCfg,
  { entry, once, isNamed }: FoundEntry,
): InstalledKernel | undefined {
  if (once || entry.linux === null || entry.section === null || !linuxScripts.has(entry.section)) return undefined
  const release = releaseOf(entry.linux.path)
  if (isNamed && [entry.id ?? '', entry.title].some((name) => name.includes(release))) return undefined
  const listed = new Set(listGrubEntries(menu).map(({ linux }) => releaseOf(linux?.path ?? '')))
  return snapshot.kernels.find(
    (kernel) => kernel.image !== null && !listed.has(kernel.release) && compareVersions(kernel.release, release) > 0,
  )
}

function describeUnlisted({ release, image }: InstalledKernel): Diagnostic {
  return error(
    'BOOT_UNSUPPORTED',
    `The menu of GRUB lacks the newer kernel ${release}, which would boot if it were made anew`,
    {
      hint: 'run update-grub, see to it that this kernel boots, then plan again; or choose the default by its id',
      evidence: [`${image ?? release}: in no entry of ${grubConfigurationPath}`],
    },
  )
}

type LinuxEntry = GrubEntry & { readonly linux: NonNullable<GrubEntry['linux']> }

/** `/boot/vmlinuz-6.1.0-32-amd64` → the release; the bare name where it has none. */
function releaseOf(path: string): string {
  return (path.split('/').at(-1) ?? '').replace(/^(vmlinuz|vmlinux|kernel|linux)-/, '')
}

function toBootEntry({ id, title, linux, initrds }: LinuxEntry): BootEntry {
  const release = releaseOf(linux.path)
  return { id: id ?? title, title, release, hasImage: initrds.length > 0 }
}

function readGrubArguments(snapshot: Snapshot): ArgumentList {
  const found = evaluateGrubArguments(readGrubDefaults(snapshot, new Map()))
  return found.ok ? composeNormal(found.lists) : []
}

/** GRUB_DEFAULT as it stands counts, as the menu is generated again; without it, what the generated menu says. */
function findBootEntry(snapshot: Snapshot, menu: GrubCfg): DefaultEntry {
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
