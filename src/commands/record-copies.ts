import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { findOwnDirectory } from '../host/own-directory.ts'
import { isRecordId } from '../host/told-record.ts'
import type { HostRecord } from '../host/read-records.ts'

/**
 * The controller's copies of what hosts told of their records: for when a host does not answer. The host is the truth.
 * One file per inventory name, mode 0600, below XDG_STATE_HOME (XDG Base Directory Specification). Nothing that a host
 * says becomes part of a path.
 */
export function keepCopies(host: string, records: readonly HostRecord[]): void {
  if (records.length === 0) return
  const path = copyPath(host)
  // A name that nobody can guess, made anew: nothing is written through a link that somebody put there.
  const fresh = `${path}.${randomBytes(8).toString('hex')}`
  try {
    const text = JSON.stringify({ host, records })
    if (text.length > copyLimit) return
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    writeFileSync(fresh, text, { mode: 0o600, flag: 'wx' })
    renameSync(fresh, path)
  } catch {
    // A copy is a convenience; a controller with a read-only home works all the same.
    rmSync(fresh, { force: true })
  }
}

/** Characters of one host's copy; a thousand records of ours are less. */
const copyLimit = 16 * 1024 * 1024

/** What was kept last; empty where nothing was. */
export function findCopies(host: string): readonly HostRecord[] {
  try {
    const kept = JSON.parse(readFileSync(copyPath(host), 'utf8')) as { records?: readonly HostRecord[] }
    return Array.isArray(kept.records) ? kept.records.filter(({ id }) => isRecordId(id)) : []
  } catch {
    return []
  }
}

/** Host names may hold anything: the file is named by their hash. */
function copyPath(host: string): string {
  const base = findOwnDirectory('XDG_STATE_HOME') ?? join(homedir(), '.local', 'state')
  return join(base, 'passway', 'records', `${createHash('sha256').update(host).digest('hex').slice(0, 32)}.json`)
}
