import { findContent } from '../../src/core/snapshot.ts'
import type { Snapshot } from '../../src/core/snapshot.ts'
import { parseEnvironmentFile } from '../../src/formats/environment-file.ts'

/** The unit by precedence (systemd.unit(5)); each names the environment file of its distribution. */
const unitFiles = [
  '/etc/systemd/system/irqbalance.service',
  '/usr/lib/systemd/system/irqbalance.service',
  '/lib/systemd/system/irqbalance.service',
]

/** Debian and Ubuntu; Red Hat and SUSE. */
const environmentFiles = ['/etc/default/irqbalance', '/etc/sysconfig/irqbalance']

export const environmentPaths = {
  paths: [...unitFiles, ...environmentFiles],
  globs: ['/etc/systemd/system/irqbalance.service.d/*.conf'],
} as const

/** The file that the service reads: what its unit says last, else the one that is there. */
export function findEnvironmentFile(snapshot: Snapshot): string {
  const unit = unitFiles.map((path) => findContent(snapshot, path)).find((content) => content !== undefined)
  const dropIns = (snapshot.globs.get(environmentPaths.globs[0]) ?? []).map((path) => findContent(snapshot, path))
  const named = [unit, ...dropIns].flatMap((content) => [
    ...(content ?? '').matchAll(/^EnvironmentFile=-?(\/\S+)\s*$/gm),
  ])
  const present = environmentFiles.find((path) => findContent(snapshot, path) !== undefined)
  return named.at(-1)?.[1] ?? present ?? environmentFiles[0] ?? ''
}

type Variable = { readonly path: string; readonly line: number; readonly value: string }

/** The assignment that counts, which is the last one. */
export function findVariable(snapshot: Snapshot, name: string): Variable | undefined {
  const path = findEnvironmentFile(snapshot)
  const { entries } = parseEnvironmentFile(findContent(snapshot, path) ?? '')
  const entry = entries.findLast((found) => found.name === name)
  return entry && { path, line: entry.line, value: entry.value }
}
