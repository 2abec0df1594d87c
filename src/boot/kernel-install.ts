import type { Bytes } from '../core/bytes.ts'
import { findContent, findFile } from '../core/snapshot.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { evaluateShellFiles, findVariable, findWholeProblem } from '../formats/shell-assignments.ts'
import { listFiles } from './list-files.ts'

/** Where kernel-install and the loader look for the partition with entries, in that order (kernel-install(8)). */
export const bootRoots = ['/efi', '/boot', '/boot/efi'] as const

export type KernelInstall = {
  /** BOOT_ROOT of install.conf; null: the first of `bootRoots` that has entries. */
  readonly root: string | null
  /** Names before the release in names of entries: one that is configured, or the candidates in order. */
  readonly tokens: readonly string[]
  readonly machineId: string | null
}

type Found =
  | { readonly ok: true; readonly install: KernelInstall }
  | { readonly ok: false; readonly name: string; readonly evidence: readonly string[] }

/** A program in /etc takes the place of the one of that name in /usr/lib. */
const entryProgram = '/90-loaderentry.install'

/** How kernel-install is set up; refused where it does not write plain Type #1 entries (kernel-install of systemd 252). */
export function findKernelInstall(snapshot: Snapshot): Found {
  const path = isFile(snapshot, '/etc/kernel/install.conf')
    ? '/etc/kernel/install.conf'
    : '/usr/lib/kernel/install.conf'
  const settings = readSettings(path, findContent(snapshot, path) ?? '')
  if (settings === null) return refuse('a kernel-install that cannot be understood', path)
  const layout = settings.get('layout') ?? ''
  if (layout !== '' && layout !== 'bls') return refuse(`kernel-install with layout=${layout}`, path)
  const root = settings.get('BOOT_ROOT') ?? ''
  if (root !== '' && !bootRoots.some((each) => each === root)) return refuse(`entries below ${root}`, path)
  if (isFile(snapshot, '/etc/kernel/tries')) {
    return refuse('entries whose boots are counted', '/etc/kernel/tries')
  }
  const own = listFiles(snapshot, '/etc/kernel/install.d', '.install').find((each) => each.endsWith(entryProgram))
  if (own !== undefined) return refuse('entries that a program of its own writes', own)
  const machineId = settings.get('MACHINE_ID') || findMachineId(snapshot)
  return { ok: true, install: { root: root || null, tokens: listTokens(snapshot, machineId), machineId } }
}

function refuse(name: string, path: string): Found {
  return { ok: false, name: `systemd-boot and ${name}`, evidence: [path] }
}

function isFile(snapshot: Snapshot, path: string): boolean {
  return findFile(snapshot, path).state.type === 'file'
}

const settingNames = ['layout', 'BOOT_ROOT', 'MACHINE_ID'] as const

/** null where a value cannot be known. */
function readSettings(path: string, content: Bytes): ReadonlyMap<string, string> | null {
  const evaluated = evaluateShellFiles([{ path, content }])
  if (findWholeProblem(evaluated) !== undefined) return null
  const found = settingNames.map((name) => [name, findVariable(evaluated, name)] as const)
  if (found.some(([, variable]) => variable.state === 'unknown')) return null
  return new Map(found.flatMap(([name, each]) => (each.state === 'known' ? [[name, each.value] as const] : [])))
}

function findMachineId(snapshot: Snapshot): string | null {
  const info = readFirst(snapshot, '/etc/machine-info', /^KERNEL_INSTALL_MACHINE_ID="?([0-9a-f]{32})"?$/m)
  return info ?? snapshot.machineId
}

function readFirst(snapshot: Snapshot, path: string, pattern: RegExp): string | null {
  return pattern.exec(findContent(snapshot, path) ?? '')?.[1] ?? null
}

function listTokens(snapshot: Snapshot, machineId: string | null): readonly string[] {
  const configured = readFirst(snapshot, '/etc/kernel/entry-token', /^[ \t]*(.*?)[ \t]*$/m)
  if (configured !== null && configured !== '') return [configured]
  const { os } = snapshot
  return [machineId, os.get('IMAGE_ID'), os.get('ID'), 'Default'].flatMap((each) => each || [])
}
