import { structuredPatch, applyPatch } from 'diff'
import type { Bytes } from '../core/bytes.ts'

type Versions = {
  readonly before: Bytes
  /** What the record wrote. */
  readonly written: Bytes
  /** What is there now: edited by someone since. */
  readonly now: Bytes
}

/**
 * Takes back what a record wrote and keeps what someone changed elsewhere in the file since; undefined where the two
 * meet. Each hunk of the way back must find the lines that it replaces, and one line around them, as the record left
 * them.
 */
export function mergeRevert(versions: Versions): Bytes | undefined {
  const { before, written, now } = versions
  if (now === written) return before
  const patch = structuredPatch('', '', written, before, '', '', { context: 1 })
  const merged = applyPatch(now, patch, { fuzzFactor: 0, autoConvertLineEndings: false })
  return merged === false ? undefined : merged
}
