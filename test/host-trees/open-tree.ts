import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import type { Reads, Snapshot } from '../../src/core/snapshot.ts'
import { parseSnapshot, type ParsedSnapshot } from '../../src/host/parse-snapshot.ts'
import { formatProbeRequest } from '../../src/host/probe-request.ts'
import { readProbeProgram } from '../../src/host/programs.ts'
import { unpackTree, writeTree, type TreeEntry } from '../../src/host/tree.ts'

/** The tree of playbooks/demo. */
export const demoTree = new URL('../../playbooks/demo/host.tree', import.meta.url).pathname

/**
 * Unpacks a host tree into a temporary directory, which the test's end removes, and gives its path.
 * `tree`: the tree's text, the path of a file that holds it, or entries.
 */
export function makeTree(t: ExecutionContext, tree: string | readonly TreeEntry[]): string {
  const directory = mkdtempSync(join(tmpdir(), 'passway-tree-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  if (typeof tree !== 'string') writeTree(tree, directory)
  else unpackTree(!tree.includes('\n') && existsSync(tree) ? readFileSync(tree, 'utf8') : tree, directory)
  return directory
}

export type ProbeSetting = {
  /** The shell and its arguments before `-c`. */
  readonly shell?: readonly string[]
  /** Runs the probe as another user; for root only. */
  readonly uid?: number
  /** null: the machine itself. */
  readonly root?: string | null
  readonly program?: string
}

/** Runs probe.sh here, without a transport, and gives its raw output. */
export async function runProbe(request: string, setting: ProbeSetting = {}): Promise<Buffer> {
  const [shell = 'sh', ...shellArguments] = setting.shell ?? ['sh']
  const program = setting.program ?? readProbeProgram()
  const child = spawn(shell, [...shellArguments, '-c', program, 'passway', request, '', 'n0nce'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(setting.uid === undefined ? {} : { uid: setting.uid, gid: setting.uid }),
  })
  const chunks: Buffer[] = []
  const complaints: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => complaints.push(chunk))
  const status = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve))
  if (status !== 0 || complaints.length > 0) {
    throw new Error(`the probe ended with ${status}: ${Buffer.concat(complaints).toString()}`)
  }
  return Buffer.concat(chunks)
}

export async function probeTree(
  directory: string,
  reads: Reads = {},
  setting: ProbeSetting = {},
): Promise<ParsedSnapshot> {
  const request = { root: setting.root === undefined ? directory : setting.root, reads }
  return parseSnapshot(await runProbe(formatProbeRequest(request), setting), request)
}

/** The snapshot of a tree that was unpacked; fails when there is none. */
export async function snapshotOf(directory: string, reads: Reads = {}, setting: ProbeSetting = {}): Promise<Snapshot> {
  const parsed = await probeTree(directory, reads, setting)
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.diagnostic))
  return parsed.snapshot
}
