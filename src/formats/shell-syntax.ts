import type { ShellAssignment } from './shell-word-text.ts'
import type { ShellWord } from './shell-words.ts'

/**
 * A command list as a tree. `maybe`: the commands may or may not run, or run several times; `apart`: they run in a
 * shell of their own and change nothing here.
 */
export type ShellCommand =
  | {
      readonly kind: 'simple'
      readonly start: number
      readonly assignments: readonly ShellAssignment[]
      readonly words: readonly ShellWord[]
    }
  | { readonly kind: 'group'; readonly start: number; readonly commands: readonly ShellCommand[] }
  | { readonly kind: 'apart'; readonly start: number; readonly commands: readonly ShellCommand[] }
  | {
      readonly kind: 'maybe'
      readonly start: number
      readonly what: string
      readonly sets: readonly string[]
      readonly words: readonly ShellWord[]
      readonly commands: readonly ShellCommand[]
    }
  | {
      readonly kind: 'function'
      readonly start: number
      readonly name: string
      readonly commands: readonly ShellCommand[]
    }

export type ShellSyntax = {
  readonly commands: readonly ShellCommand[]
  /** The first thing that the shell would refuse, or that is not followed here. */
  readonly problem: { readonly line: number; readonly why: string } | null
}
