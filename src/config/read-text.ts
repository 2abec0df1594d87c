import { readFileSync } from 'node:fs'
import { error } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'

export type ReadText =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly diagnostic: Diagnostic }

/** Reads a file of the user as UTF-8. `shown` is its name in messages. */
export function readText(path: string, shown: string): ReadText {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path))
    return { ok: true, text }
  } catch (thrown) {
    return { ok: false, diagnostic: readFailure(shown, thrown) }
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'it may not be read (permissions)',
  EISDIR: 'it is a directory',
  ELOOP: 'its links lead in a circle',
  ERR_ENCODING_INVALID_ENCODED_DATA: 'it is not UTF-8 text',
}

/** `code` of a failed system call, in words. */
export function readFailure(shown: string, thrown: unknown): Diagnostic {
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : ''
  const reason = reasons[code] ?? (thrown instanceof Error ? thrown.message : String(thrown))
  return error('FILE_UNREADABLE', `${shown} cannot be read: ${reason}`)
}
