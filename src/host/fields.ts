import { createHash } from 'node:crypto'
import { bytesFromText, textFromBytes, type Bytes } from '../core/bytes.ts'

/**
 * A field of the agent's lines: percent-encoded outside `A-Za-z0-9_./:@,+-`; `-` alone is none, `%` alone is empty.
 * Tabs separate fields, so none may be empty for a shell that splits by IFS.
 */
export function encodeField(bytes: Bytes | null): string {
  if (bytes === null) return '-'
  if (bytes === '') return '%'
  if (bytes === '-') return '%2D'
  return bytes.replaceAll(/[^A-Za-z0-9_./:@,+-]/g, (byte) => `%${hex(byte)}`)
}

export function decodeField(field: string): Bytes | null {
  if (field === '-') return null
  return field.replaceAll(/%([0-9A-Fa-f]{2})|%/g, (_, code?: string) =>
    code === undefined ? '' : String.fromCharCode(Number.parseInt(code, 16)),
  )
}

function hex(byte: string): string {
  return byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')
}

/** Text of ours (ids, names of people) as a field. */
export function encodeText(text: string): string {
  return encodeField(bytesFromText(text))
}

/** A field that is read by people: UTF-8 where it is. */
export function decodeText(field: string | undefined): string {
  return textFromBytes(decodeField(field ?? '-') ?? '')
}

export type Blob = { readonly name: string; readonly content: Bytes }

/**
 * A line `blob NAME SHA256 TEXT`. TEXT is for `printf %b`: printable ASCII, `\n`, `\t`, `\\`, and `\0ooo` with exactly
 * three digits, the one octal form that POSIX gives %b (XCU printf).
 */
export function formatBlob(blob: Blob): string {
  const hash = createHash('sha256').update(blob.content, 'latin1').digest('hex')
  return `blob\t${blob.name}\t${hash}\t${escapeForPrintf(blob.content)}`
}

function escapeForPrintf(bytes: Bytes): string {
  return bytes.replaceAll(/[^ -[\]-~]/g, (byte) => {
    if (byte === '\n') return '\\n'
    if (byte === '\t') return '\\t'
    if (byte === '\\') return '\\\\'
    return `\\0${byte.charCodeAt(0).toString(8).padStart(3, '0')}`
  })
}
