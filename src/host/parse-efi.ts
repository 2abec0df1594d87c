import type { Snapshot } from '../core/snapshot.ts'
import { sectionLines, type ProbeOutput } from './probe-sections.ts'

/** Lines `variable NAME TEXT` and `image PATH` of the probe. */
export function parseEfi(output: ProbeOutput): Snapshot['efi'] {
  const rows = sectionLines(output, 'efi').map((line) => line.split('\t'))
  const variables = rows.flatMap(([kind, name = '', text = '']) => (kind === 'variable' ? [[name, text] as const] : []))
  const images = rows.flatMap(([kind, path = '']) => (kind === 'image' ? [path] : []))
  return { variables: new Map(variables), images: [...new Set(images)].toSorted() }
}
