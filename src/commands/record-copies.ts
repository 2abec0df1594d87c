import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { HostRecord } from '../host/read-records.ts'

/**
 * The controller's copies of what hosts told of their records: for when a host does not answer. The host is the truth.
 * One file per inventory name, mode 0600, below XDG_STATE_HOME (XDG Base Directory Specification).
 */
export function keepCopies(host: string, records: readonly HostRecord[]): void {
  if (records.length === 0) return
  const path = copyPath(host)
  try {
    mkdirSync(join(path, '..'), { recursive: true, mode: 0o700 })
    writeFileSync(`${path}.${process.pid}`, JSON.stringify({ host, records }), { mode: 0o600 })
    renameSync(`${path}.${process.pid}`, path)
  } catch {
    // A copy is a convenience; a controller with a read-only home works all the same.
  }
}

/** What was kept last; empty where nothing was. */
export function findCopies(host: string): readonly HostRecord[] {
  try {
    const kept = JSON.parse(readFileSync(copyPath(host), 'utf8')) as { records?: readonly HostRecord[] }
    return Array.isArray(kept.records) ? kept.records : []
  } catch {
    return []
  }
}

/** Host names may hold anything: the file is named by their hash. */
function copyPath(host: string): string {
  const base = process.env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state')
  return join(base, 'passway', 'records', `${createHash('sha256').update(host).digest('hex').slice(0, 32)}.json`)
}
