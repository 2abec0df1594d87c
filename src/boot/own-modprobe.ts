import { parseModprobe } from '../formats/modprobe.ts'
import type { ModprobeLine } from '../formats/modprobe.ts'
import { ownHeader, ownModprobePath } from './modprobe-files.ts'
import { editFile, openFile } from './workspace.ts'
import type { Workspace } from './workspace.ts'

/** Joins lines again, each as `text` says; null leaves one out. */
export function replaceLines(lines: readonly ModprobeLine[], text: (line: ModprobeLine) => string | null): string {
  return lines.map((line) => text(line) ?? '').join('')
}

/**
 * Edits passway's own file of modprobe.d. It begins with a header; when nothing but comments of ours is left it goes.
 * Images hold copies of it, so that they are rebuilt.
 */
export function editOwnModprobe(
  workspace: Workspace,
  tasks: readonly number[],
  edit: (lines: readonly ModprobeLine[]) => string,
): void {
  const file = openFile(workspace, ownModprobePath, tasks)
  if (file === undefined) return
  const text = edit(parseModprobe(file.content ?? ownHeader).lines)
  const content = isEmpty(text) ? null : text
  editFile(workspace, { path: file.path, content, tasks, takesEffect: 'boot', regenerate: ['initramfs'] })
}

function isEmpty(content: string): boolean {
  const { lines } = parseModprobe(content)
  return lines.every((line) => line.kind === 'blank' || ownHeader.includes(line.text))
}
