import type { Bytes } from '../core/bytes.ts'
import { findFile } from '../core/snapshot.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { parseModuleList } from '../formats/module-list.ts'
import type { ModuleListDialect } from '../formats/module-list.ts'
import type { ListedModule } from './simulate-boot.ts'

/** Content behind any links; empty where there is no file, or one that cannot be read. */
export function contentAt(snapshot: Snapshot, path: string): Bytes {
  const { state } = findFile(snapshot, path)
  return state.type === 'file' ? state.content : ''
}

export function readListed(snapshot: Snapshot, path: string, dialect: ModuleListDialect): readonly ListedModule[] {
  const { entries } = parseModuleList(contentAt(snapshot, path), dialect)
  return entries.map(({ module, args, line }) => ({ module, args, place: `${path}:${line}` }))
}
