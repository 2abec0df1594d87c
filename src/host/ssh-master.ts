import { createHash, randomBytes } from 'node:crypto'
import { lstatSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { HostAddress } from '../core/host-address.ts'
import { findOwnDirectory } from './own-directory.ts'
import { sshExitArguments, type ControlSocket } from './ssh-arguments.ts'
import { startChild } from './start-child.ts'

/** A master that nobody closes ends by itself this long after its last session. */
const persistSeconds = 30

/** sun_path holds 108 bytes and ssh adds up to 18 while it makes the socket (mux.c). */
const longestPath = 88

const masters = new Map<string, { readonly host: HostAddress; readonly control: ControlSocket }>()
let directory: string | undefined
let temporary: string | undefined
const token = randomBytes(8).toString('hex')

/** The control socket of this run for a host; the first connection that uses it becomes the master. */
export function openMaster(host: HostAddress): ControlSocket {
  const key = formatKey(host)
  const known = masters.get(key)
  if (known) return known.control
  directory ??= makeDirectory()
  const name = createHash('sha256').update(`${token} ${key}`).digest('hex').slice(0, 20)
  const control: ControlSocket = { path: join(directory, name), persistSeconds }
  masters.set(key, { host, control })
  return control
}

/** Ends the master of a host, if there is one: before a reboot, for a half-dead one would hold up every later run. */
export async function closeMaster(host: HostAddress): Promise<void> {
  const master = masters.get(formatKey(host))
  if (!master) return
  masters.delete(formatKey(host))
  const child = startChild(sshExitArguments(master.host, master.control), {
    detached: true,
    onStdout: () => {},
    onStderr: () => {},
  })
  child.finish()
  await child.ended
}

/** Ends all masters of this run; to be called before the program ends. */
export async function closeMasters(): Promise<void> {
  await Promise.all([...masters.values()].map(({ host }) => closeMaster(host)))
  if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true })
  directory = undefined
  temporary = undefined
}

/** What makes a connection another one; not the password, which is sudo's. */
function formatKey(host: HostAddress): string {
  return JSON.stringify([host.address, host.port, host.user, host.privateKeyFile, host.commonArgs])
}

function makeDirectory(): string {
  const runtime = findOwnDirectory('XDG_RUNTIME_DIR')
  const wanted = runtime === undefined ? undefined : join(runtime, 'passway')
  if (wanted !== undefined && wanted.length + 21 <= longestPath && isPrivateDirectory(wanted)) return wanted
  const base = tmpdir().length + 36 <= longestPath ? tmpdir() : '/tmp'
  temporary = mkdtempSync(join(base, 'passway-'))
  return temporary
}

/** Makes it where it is missing; false unless it is ours alone. */
function isPrivateDirectory(path: string): boolean {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    const state = lstatSync(path)
    return state.isDirectory() && state.uid === process.getuid?.() && (state.mode & 0o077) === 0
  } catch {
    return false
  }
}
