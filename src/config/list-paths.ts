import { lstatSync, readdirSync, realpathSync, statSync } from 'node:fs'
import { error, warning } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import { readFailure } from './read-text.ts'

/** A path as it is opened and as it is shown. */
export type ShownPath = { readonly path: string; readonly shown: string }

/** `special`: a pipe, a socket, a device; reading one may never end. */
export type PathKind = 'missing' | 'file' | 'directory' | 'special'

/** What stands there, links followed; undefined, with a diagnostic, where nobody can tell. */
export function findKind({ path, shown }: ShownPath, diagnostics: Diagnostic[]): PathKind | undefined {
  try {
    const status = statSync(path, { throwIfNoEntry: false })
    if (status !== undefined) return status.isDirectory() ? 'directory' : status.isFile() ? 'file' : 'special'
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return 'missing'
    diagnostics.push(error('FILE_UNREADABLE', `${shown} cannot be read: it is a link to something that is not there`))
  } catch (thrown) {
    diagnostics.push(readFailure(shown, thrown))
  }
  return undefined
}

/** Names in a directory, sorted; none of one that was seen before: links may lead back. */
export function listNames({ path, shown }: ShownPath, seen: Set<string>, diagnostics: Diagnostic[]): readonly string[] {
  try {
    const real = realpathSync(path)
    if (seen.has(real)) return []
    seen.add(real)
    return readdirSync(path).sort()
  } catch (thrown) {
    diagnostics.push(readFailure(shown, thrown))
    return []
  }
}

export function specialSkipped(shown: string): Diagnostic {
  return warning('INVENTORY_FILE_SKIPPED', `${shown} is not read: it is neither a file nor a directory`)
}
