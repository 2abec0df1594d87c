import { findFile } from '../core/snapshot.ts'
import type { Bytes } from '../core/bytes.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { evaluateShellFiles, findVariable, findWholeProblem } from '../formats/shell-assignments.ts'
import type { FoundVariable, ShellFile, ShellPosition } from '../formats/shell-assignments.ts'
import { parseGrubLinuxArguments } from '../formats/grub-quoting.ts'
import { parseArgumentList } from './argument-list.ts'
import type { ArgumentLists } from './argument-list.ts'
import { listFiles } from './list-files.ts'

export const grubDefaultsPath = '/etc/default/grub'
export const linuxVariable = 'GRUB_CMDLINE_LINUX'
export const normalVariable = 'GRUB_CMDLINE_LINUX_DEFAULT'

/**
 * Files that grub-mkconfig sources, in order: /etc/default/grub, then /etc/default/grub.d/*.cfg (Debian's and Ubuntu's
 * util/grub-mkconfig.in).
 */
export function listGrubDefaults(snapshot: Snapshot): readonly string[] {
  return [grubDefaultsPath, ...listFiles(snapshot, '/etc/default/grub.d', '.cfg')]
}

/** As `evaluateShellFiles` takes them, at the paths where they really stand. An absent first file is empty. */
export function readGrubDefaults(
  snapshot: Snapshot,
  contents: ReadonlyMap<string, Bytes | null>,
): readonly ShellFile[] {
  return listGrubDefaults(snapshot).flatMap((asked) => {
    const { path, state } = findFile(snapshot, asked)
    const content = contents.get(path) ?? (state.type === 'file' ? state.content : null)
    return content === null && asked !== grubDefaultsPath ? [] : [{ path, content: content ?? '' }]
  })
}

export type GrubArguments =
  | {
      readonly ok: true
      readonly lists: ArgumentLists
      readonly assignedAt: Readonly<Record<string, readonly ShellPosition[]>>
    }
  | { readonly ok: false; readonly path: string; readonly line: number; readonly why: string }

/** Both variables as they are after all files. */
export function evaluateGrubArguments(files: readonly ShellFile[]): GrubArguments {
  const evaluated = evaluateShellFiles(files)
  const whole = findWholeProblem(evaluated)
  if (whole !== undefined) return { ok: false, path: whole.path, line: whole.line, why: whole.why }
  const linux = findVariable(evaluated, linuxVariable)
  const normal = findVariable(evaluated, normalVariable)
  for (const [name, variable] of [
    [linuxVariable, linux],
    [normalVariable, normal],
  ] as const) {
    const problem = findProblem(name, variable)
    if (problem !== undefined) return { ok: false, ...problem }
  }
  return {
    ok: true,
    lists: { linux: parseArgumentList(valueOf(linux)), normal: parseArgumentList(valueOf(normal)) },
    assignedAt: { [linuxVariable]: positionsOf(linux), [normalVariable]: positionsOf(normal) },
  }
}

function findProblem(name: string, variable: FoundVariable): { path: string; line: number; why: string } | undefined {
  if (variable.state === 'unknown') return { path: variable.path, line: variable.line, why: `${name}: ${variable.why}` }
  const { problem } = parseGrubLinuxArguments(valueOf(variable))
  if (problem === null) return undefined
  const at = positionsOf(variable).at(-1) ?? { path: grubDefaultsPath, line: 1 }
  return { ...at, why: `${name}: ${problem.why}` }
}

function valueOf(variable: FoundVariable): Bytes {
  return variable.state === 'known' ? variable.value : ''
}

function positionsOf(variable: FoundVariable): readonly ShellPosition[] {
  return variable.state === 'known' ? variable.assignedAt : []
}

/** Value of another variable of these files (`GRUB_DEFAULT`); `undefined` when unset, null when it cannot be known. */
export function findGrubSetting(files: readonly ShellFile[], name: string): Bytes | null | undefined {
  const found = findVariable(evaluateShellFiles(files), name)
  if (found.state === 'unset') return undefined
  return found.state === 'known' ? found.value : null
}
