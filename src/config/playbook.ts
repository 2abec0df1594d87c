import type { SourcePosition } from '../core/diagnostic.ts'
import type { SourceEntry, SourceMap, SourceNode, SourceScalar, Variables } from './source-node.ts'

/** A play as far as it is needed to find its hosts. */
export type PlayHeader = {
  readonly name: string
  readonly hosts: readonly SourceScalar[]
  readonly node: SourceMap
  /** The playbook as named by the user. */
  readonly file: string
  /** The playbook's directory, absolute: group_vars and host_vars stand there. */
  readonly directory: string
}

/** One host after the other, or a share of them. */
export type Serial = { readonly count: number } | { readonly percent: number }

export type Task = {
  readonly name: SourceScalar | null
  readonly module: string
  /** The module's key with its parameters. */
  readonly entry: SourceEntry
  readonly when: SourceNode | null
  readonly variables: Variables
  readonly accept: ReadonlyMap<string, string>
  readonly adopt: boolean
  readonly source: SourcePosition
}

export type Play = PlayHeader & {
  readonly variables: Variables
  readonly tasks: readonly Task[]
  readonly serial: Serial | null
  readonly source: SourcePosition
}
