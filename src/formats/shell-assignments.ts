import type { Bytes } from '../core/bytes.ts'
import { parseShellCommands } from './shell-commands.ts'
import type { ShellSyntax } from './shell-syntax.ts'
import { textOf } from './shell-state.ts'
import type { EvaluatedShell, ShellPosition, ShellProblem } from './shell-state.ts'

export { evaluateShellFiles } from './shell-evaluation.ts'
export type { EvaluatedShell, ShellFile, ShellPosition, ShellProblem } from './shell-state.ts'
export { editTokens, editVariable } from './shell-edits.ts'
export type { ShellEdit, TokenEdit } from './shell-edits.ts'

/** A file of shell assignments (/etc/default/grub and its .d) with the commands it holds. */
export type ShellDocument = ShellSyntax & { readonly content: Bytes }

/** Reads the file as dash does. What dash would refuse is in `problem`; the bytes are kept all the same. */
export function parseShellAssignments(content: Bytes): ShellDocument {
  return { content, ...parseShellCommands(content) }
}

export function formatShellAssignments(document: ShellDocument): Bytes {
  return document.content
}

export type FoundVariable =
  | {
      readonly state: 'known'
      readonly value: Bytes
      /** Every assignment that gave a part of the value, the last one at the end. */
      readonly assignedAt: readonly ShellPosition[]
    }
  | { readonly state: 'unset' }
  | { readonly state: 'unknown'; readonly path: string; readonly line: number; readonly why: string }

/** What a variable holds after all files. `unknown` names the line that makes it so. */
export function findVariable(evaluated: EvaluatedShell, name: string): FoundVariable {
  const variable = evaluated.variables.get(name) ?? evaluated.others
  if (variable.state !== 'known') return variable
  return { state: 'known', value: textOf(variable.bytes), assignedAt: variable.assignedAt }
}

/** The first problem that concerns every variable: the files must not be edited before it is mended. */
export function findWholeProblem(evaluated: EvaluatedShell): ShellProblem | undefined {
  return evaluated.problems.find((problem) => problem.kind !== 'unknown')
}
