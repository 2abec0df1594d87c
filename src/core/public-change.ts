import { createHash } from 'node:crypto'
import { type Bytes, findText } from './bytes.ts'
import type { Change, DirectoryValue, FileValue } from './change.ts'
import type { NextBoot } from './plan.ts'
import { maskSecrets } from './secrets.ts'

/** sha256 of bytes, hex. */
export function sha256(bytes: Bytes): string {
  return createHash('sha256').update(Buffer.from(bytes, 'latin1')).digest('hex')
}

/** Mode as in the public JSON: "0644". */
export function formatMode(mode: number): string {
  return mode.toString(8).padStart(4, '0')
}

/** Contents that not everybody on the host may read are shown as hashes only. */
export function isWorldReadable(value: FileValue): boolean {
  return (value.mode & 0o004) !== 0
}

type Contents = 'shown' | 'hashed'

/**
 * A change as in the public JSON (design of the contract: file { content | base64 | sha256, mode: "0644", uid, gid }).
 * `hashed` gives every file content as sha256, for records and saved plans.
 */
export function publicChange(change: Change, contents: { before: Contents; after: Contents }): Record<string, unknown> {
  return {
    ...change,
    before: publicValue(change, change.before, contents.before),
    after: publicValue(change, change.after, contents.after),
  }
}

function publicValue(change: Change, value: Change['after'], contents: Contents): unknown {
  if (value === null || typeof value === 'string') return value
  if (change.kind === 'boot-arguments') return (value as readonly string[]).map((argument) => maskSecrets(argument))
  if (change.kind === 'file') return publicFile(value as FileValue, contents)
  if (change.kind === 'directory')
    return { ...(value as DirectoryValue), mode: formatMode((value as DirectoryValue).mode) }
  return value
}

function publicFile(value: FileValue, contents: Contents): Record<string, unknown> {
  const rest = { mode: formatMode(value.mode), uid: value.uid, gid: value.gid }
  if (contents === 'hashed' || !isWorldReadable(value)) return { sha256: sha256(value.content), ...rest }
  const text = findText(value.content)
  if (text === undefined) return { base64: Buffer.from(value.content, 'latin1').toString('base64'), ...rest }
  return { content: maskSecrets(text), ...rest }
}

/** The next boot as in the public JSON, in saved plans and in records. */
export function publicNextBoot(nextBoot: NextBoot): NextBoot {
  return { ...nextBoot, kernelCommandLine: maskSecrets(nextBoot.kernelCommandLine) }
}
