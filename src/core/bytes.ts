/**
 * A file's exact bytes as a string whose every character is one byte (U+0000 to U+00FF, "binary string").
 * Host files need not be valid UTF-8, and an editor must keep every byte; a plain string keeps the editors simple.
 * Text that people write or read is converted at the edge with `bytesFromText` and `textFromBytes`.
 */
export type Bytes = string

/** Encodes text as UTF-8 bytes. */
export function bytesFromText(text: string): Bytes {
  return Buffer.from(text, 'utf8').toString('latin1')
}

/** Decodes UTF-8 bytes; `undefined` when the bytes are not valid UTF-8. */
export function findText(bytes: Bytes): string | undefined {
  const buffer = Buffer.from(bytes, 'latin1')
  const text = buffer.toString('utf8')
  return Buffer.from(text, 'utf8').equals(buffer) ? text : undefined
}

/** Decodes UTF-8 bytes for people; invalid sequences become U+FFFD. */
export function textFromBytes(bytes: Bytes): string {
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
