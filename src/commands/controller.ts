import { randomBytes } from 'node:crypto'
import { hostname, userInfo } from 'node:os'

/** Who applies, for locks and records: `user@machine`. */
export function controllerName(): string {
  return `${findUser()}@${hostname()}`
}

/** A user id without an entry in passwd has no name. */
function findUser(): string {
  try {
    return userInfo().username
  } catch {
    return `uid${process.getuid?.() ?? ''}`
  }
}

/** The ID of a run, the same on all its hosts: UTC time and six random hex digits. */
export function createRunId(now: Date): string {
  return `${now.toISOString().replaceAll(/[-:]|\.\d+/g, '')}-${randomBytes(3).toString('hex')}`
}
