import type { Bytes } from '../core/bytes.ts'

/** A line of loader.conf or of an entry: `key value`, with its number from 1. */
export type LoaderLine = { readonly key: Bytes; readonly value: Bytes; readonly line: number }

/** A Type #1 entry of the Boot Loader Specification. Paths are from the root of the entry's own file system. */
export type LoaderEntry = {
  readonly title: Bytes | null
  readonly version: Bytes | null
  readonly machineId: Bytes | null
  readonly sortKey: Bytes | null
  /** What `linux` or `efi` names; null where the loader would leave the entry out. */
  readonly starts: { readonly key: 'linux' | 'efi' | 'uki'; readonly path: Bytes } | null
  readonly initrds: readonly Bytes[]
  /** All `options` lines, joined by blanks. */
  readonly options: Bytes
}

/** Lines as systemd-boot reads them (src/boot/efi/util.c line_get_key_value): one pair of quotes around a value goes. */
export function parseLoaderLines(content: Bytes): readonly LoaderLine[] {
  return content.split(/[\n\r]/).flatMap((text, index) => {
    const match = /^[ \t]*([^ \t#][^ \t]*)[ \t]+(.*?)[ \t]*$/.exec(text)
    if (match === null || match[2] === '') return []
    return [{ key: match[1] ?? '', value: unquote(match[2] ?? ''), line: index + 1 }]
  })
}

function unquote(value: Bytes): Bytes {
  return value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value
}

/** The last value of a key counts; of `options` and `initrd` all do (boot.c config_entry_add_type1). */
export function parseLoaderEntry(content: Bytes): LoaderEntry {
  const lines = parseLoaderLines(content)
  const all = (key: string) => lines.filter((line) => line.key === key).map(({ value }) => value)
  const last = (key: string) => all(key).at(-1) ?? null
  const starts = lines.findLast(({ key }) => key === 'linux' || key === 'efi' || key === 'uki')
  return {
    title: last('title'),
    version: last('version'),
    machineId: last('machine-id'),
    sortKey: last('sort-key'),
    starts: starts === undefined ? null : { key: starts.key as 'linux', path: starts.value },
    initrds: all('initrd'),
    options: all('options').join(' '),
  }
}
