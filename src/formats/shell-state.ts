import type { Bytes } from '../core/bytes.ts'
import { lineNumberAt } from './lines.ts'
import type { ShellCommand } from './shell-syntax.ts'
import type { ShellAssignment } from './shell-word-text.ts'
import type { ShellContext } from './shell-words.ts'

export type ShellFile = { readonly path: string; readonly content: Bytes }

export type ShellPosition = { readonly path: string; readonly line: number }

/**
 * `syntax` and `abort` concern everything: dash refuses the file, or grub-mkconfig (which runs under `set -e`) would
 * stop there. `unknown` concerns one variable, or every variable when none is named: what it holds is known only at
 * run time.
 */
export type ShellProblem = ShellPosition & {
  readonly kind: 'syntax' | 'abort' | 'unknown'
  readonly why: string
  readonly variable?: string
}

/** One byte of a value and the source it came from. `owner` is the variable in whose assignment it stands. */
export type ShellByte = {
  readonly byte: string
  readonly file: number
  readonly start: number
  readonly end: number
  readonly context: ShellContext
  readonly owner: string
}

export type ShellVariable =
  | {
      readonly state: 'known'
      readonly bytes: readonly ShellByte[]
      readonly assignedAt: readonly ShellPosition[]
      /** The last assignment. */
      readonly last: { readonly file: number; readonly assignment: ShellAssignment }
    }
  | { readonly state: 'unset' }
  | ({ readonly state: 'unknown'; readonly why: string } & ShellPosition)

export type EvaluatedShell = {
  readonly files: readonly ShellFile[]
  readonly variables: ReadonlyMap<string, ShellVariable>
  /** What every other variable is: unset, or unknown after something that may set any. */
  readonly others: ShellVariable
  /** Values of the variables that are known. */
  readonly values: ReadonlyMap<string, Bytes>
  readonly problems: readonly ShellProblem[]
}

export type Unknown = Extract<ShellVariable, { state: 'unknown' }>

export type State = {
  readonly files: readonly ShellFile[]
  file: number
  variables: Map<string, ShellVariable>
  /** What any variable that has no entry is. */
  others: ShellVariable
  readonly frozen: Set<string>
  readonly functions: Map<string, readonly ShellCommand[]>
  readonly running: Set<string>
  readonly problems: ShellProblem[]
  /** Set once it is not known whether the rest runs at all. */
  stopped: Unknown | null
}

/** Why what is being read may not run just so; null at the top level. */
export type Doubt = string | null

/** Set by grub-mkconfig or the shell before the files are read (util/grub-mkconfig.in): known only on the host. */
const outside =
  /^(PATH|HOME|PWD|OLDPWD|IFS|PPID|OPTIND|OPTARG|PS[124]|LANG|LC_\w+|TERM|USER|LOGNAME|SHELL|TMPDIR|self|prefix|exec_prefix|datarootdir|datadir|bindir|sbindir|sysconfdir|libdir|localedir|PACKAGE_\w+|VERSION|TEXTDOMAIN\w*|pkgdatadir|host_os|bootdir|grub_\w+|GRUB_(PREFIX|DEVICE\w*|FS|UUID|EARLY_INITRD_LINUX_STOCK))$/

export function textOf(bytes: readonly ShellByte[]): Bytes {
  return bytes.map((byte) => byte.byte).join('')
}

export function positionAt(state: State, offset: number): ShellPosition {
  const file = state.files[state.file]
  return { path: file?.path ?? '', line: lineNumberAt(file?.content ?? '', offset) }
}

export function setUnknown(state: State, name: string, offset: number, why: string): void {
  const unknown: Unknown = { state: 'unknown', ...positionAt(state, offset), why }
  state.variables.set(name, unknown)
  state.problems.push({ kind: 'unknown', path: unknown.path, line: unknown.line, why, variable: name })
}

export function setAllUnknown(state: State, offset: number, why: string): Unknown {
  const unknown: Unknown = { state: 'unknown', ...positionAt(state, offset), why }
  state.variables = new Map()
  state.others = unknown
  state.problems.push({ kind: 'unknown', path: unknown.path, line: unknown.line, why })
  return unknown
}

export function abort(state: State, offset: number, why: string): void {
  state.problems.push({ kind: 'abort', ...positionAt(state, offset), why })
}

export function lookUp(state: State, name: string): ShellVariable {
  const variable = state.variables.get(name)
  if (variable !== undefined) return variable
  if (state.others.state === 'unset' && outside.test(name)) {
    return { state: 'unknown', path: '', line: 0, why: `$${name} comes from outside these files` }
  }
  return state.others
}
