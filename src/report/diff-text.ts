import { structuredPatch } from 'diff'
import { escapeForTerminal } from './escape.ts'
import type { Paint } from './paint.ts'

/** Unified diff of two texts with three lines around; lines without the file header, which the change's own line gives. */
export function renderTextDiff(before: string, after: string, paint: Paint): string[] {
  const patch = structuredPatch('', '', before, after, '', '', { context: 3 })
  const isWhole = before === '' || after === ''
  return patch.hunks.flatMap((hunk) => [
    ...(isWhole ? [] : [renderHunkHead(hunk, paint)]),
    ...hunk.lines.map((line) => paintDiffLine(escapeForTerminal(line), paint)),
  ])
}

type Hunk = {
  readonly oldStart: number
  readonly oldLines: number
  readonly newStart: number
  readonly newLines: number
}

function renderHunkHead(hunk: Hunk, paint: Paint): string {
  return paint.note(`@@ -${hunk.oldStart},${hunk.oldLines} +${hunk.newStart},${hunk.newLines} @@`)
}

function paintDiffLine(line: string, paint: Paint): string {
  if (line.startsWith('+')) return paint.added(line)
  if (line.startsWith('-')) return paint.removed(line)
  return line.startsWith('\\') ? paint.faint(line) : line
}
