import type { Bytes } from '../core/bytes.ts'
import { mergeModprobeDirectories, modprobeDirectories } from '../formats/modprobe.ts'
import type { ModprobeEntry } from '../formats/modprobe.ts'
import { listFiles } from './list-files.ts'
import { findFile } from '../core/snapshot.ts'
import type { Snapshot } from '../core/snapshot.ts'
import type { Workspace } from './workspace.ts'

export const ownModprobePath = '/etc/modprobe.d/passway.conf'
export const ownHeader = '# Written by passway. Changes to these lines are replaced at its next run.\n'

/** All files of modprobe.d by the path at which kmod reads them, as edited so far. A link to /dev/null is empty. */
export function readModprobeFiles(workspace: Workspace): readonly { readonly path: string; readonly content: Bytes }[] {
  const { snapshot, drafts } = workspace
  const asked = new Set(modprobeDirectories.flatMap((directory) => listFiles(snapshot, directory, '.conf')))
  if (drafts.has(ownModprobePath)) asked.add(ownModprobePath)
  return [...asked].flatMap((path) => {
    const draft = drafts.get(findFile(snapshot, path).path)
    const content = draft === undefined ? contentOf(snapshot, path) : draft.content
    return content === null ? [] : [{ path, content }]
  })
}

function contentOf(snapshot: Snapshot, path: string): Bytes {
  const { state } = findFile(snapshot, path)
  return state.type === 'file' ? state.content : ''
}

/** Lines that count, in kmod's order, masked files left out. */
export function readModprobeEntries(workspace: Workspace): readonly ModprobeEntry[] {
  return mergeModprobeDirectories(readModprobeFiles(workspace))
}

/** Files of modprobe.d that could not be read: what counts is not known then. */
export function findUnreadableModprobe(snapshot: Snapshot): readonly string[] {
  const all = modprobeDirectories.flatMap((directory) => listFiles(snapshot, directory, '.conf'))
  return all.filter((path) => findFile(snapshot, path).state.type === 'unreadable')
}
