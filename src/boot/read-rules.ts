import type { Snapshot } from '../core/snapshot.ts'
import { listFiles } from './list-files.ts'
import { readOverrideRules } from './override-rules.ts'
import type { OverrideRule } from './override-rules.ts'
import { contentAt } from './read-listed.ts'

/** Rules of udev that people write, as the root file system has them. */
export function readRules(snapshot: Snapshot): readonly OverrideRule[] {
  const paths = listFiles(snapshot, '/etc/udev/rules.d', '.rules')
  return readOverrideRules(paths.map((path) => ({ path, content: contentAt(snapshot, path) })))
}
