import type { Bytes } from '../core/bytes.ts'

const grubenvHeader = '# GRUB Environment Block\n'

/** Variables in order of the block; null where the header is missing and GRUB refuses the file. */
export type Grubenv = ReadonlyMap<Bytes, Bytes>

/**
 * Reads an environment block (grub-core/lib/envblk.c): lines `NAME=value`, `#` at the start of a line is a comment or
 * the padding; a backslash stands before a backslash or newline of the value. The length is not checked, as
 * grub-editenv lists short blocks too.
 */
export function parseGrubenv(content: Bytes): Grubenv | undefined {
  if (!content.startsWith(grubenvHeader)) return undefined
  const variables = new Map<Bytes, Bytes>()
  const lines = content.slice(grubenvHeader.length).match(/(?:\\[^]|[^\\\n])*(?:\n|$)/g) ?? []
  for (const line of lines) {
    const text = line.replace(/\n$/, '')
    const equals = text.indexOf('=')
    if (text.startsWith('#') || equals < 1) continue
    variables.set(text.slice(0, equals), text.slice(equals + 1).replace(/\\([^])/g, '$1'))
  }
  return variables
}
