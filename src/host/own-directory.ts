import { isAbsolute } from 'node:path'

/**
 * A directory that the environment names for the user's own files (XDG Base Directory Specification): one that is empty
 * or relative counts as not set.
 */
export function findOwnDirectory(variable: 'XDG_STATE_HOME' | 'XDG_RUNTIME_DIR'): string | undefined {
  const path = process.env[variable]
  return path !== undefined && isAbsolute(path) ? path : undefined
}
