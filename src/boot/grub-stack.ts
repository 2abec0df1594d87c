import { findContent } from '../core/snapshot.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { findDefaultEntry, parseGrubCfg } from '../formats/grub-cfg.ts'
import type { DefaultEntry, GrubCfg, GrubEntry } from '../formats/grub-cfg.ts'
import { parseGrubenv } from '../formats/grubenv.ts'
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
  if (state?.type === 'unreadable') return { ok: true, stack: composeStack(null, null, false) }
  const menu = parseGrubCfg(findContent(snapshot, grubConfigurationPath) ?? '')
  const found = findBootEntry(snapshot, menu)
  if (!found.ok)
    return refuseStack('a GRUB menu without a default that can be told', [`${grubConfigurationPath}: ${found.problem}`])
  const { entry, once } = found
  const stack = composeStack(menu, entry, once)
  const problem = describeEntry(entry, once)
  if (problem === undefined) return { ok: true, stack }
  const refused = refuseStack(problem, [`${grubConfigurationPath}:${entry.line}: ${entry.title}`])
  return entry.boots === 'linux' ? { ...refused, boots: stack } : refused
}

function composeStack(menu: GrubCfg | null, entry: GrubEntry | null, once: boolean): BootStack {
  const starts = entry === null || entry.linux === null ? null : { ...entry, linux: entry.linux }
  return {
    entry: starts === null ? null : toBootEntry(starts),
    once,
    entriesBy: 'boot-loader',
    entriesAt: undefined,
    following: () => [],
    settleArguments: settleGrub,
    secureArguments: () => {},
    readArguments: readGrubArguments,
    checkEntries: (workspace, claims) => checkMenu(workspace, menu, claims),
    predictLine: (question) => {
      if (starts === null) return { prefix: [], args: [], uncertain: [] }
      return { prefix: [`BOOT_IMAGE=${starts.linux.path}`], ...predictGrubLine(question, starts) }
    },
  }
}

type LinuxEntry = GrubEntry & { readonly linux: NonNullable<GrubEntry['linux']> }

/** `/boot/vmlinuz-6.1.0-32-amd64` → the release; the bare name where it has none. */
function toBootEntry({ id, title, linux, initrds }: LinuxEntry): BootEntry {
  const release = (linux.path.split('/').at(-1) ?? '').replace(/^(vmlinuz|vmlinux|kernel|linux)-/, '')
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
