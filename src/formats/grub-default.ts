import type { Bytes } from '../core/bytes.ts'
import type { GrubCfg, GrubEntry } from './grub-menu.ts'
import type { Grubenv } from './grubenv.ts'
import { readGrubToken } from './grub-words.ts'

/**
 * `once`: chosen by `next_entry` (grub-reboot), which GRUB clears on the way. `isNamed`: by title or id all the way, not
 * by its place, which another entry may have when the menu is generated again.
 */
export type DefaultEntry =
  | { readonly ok: true; readonly entry: GrubEntry; readonly once: boolean; readonly isNamed: boolean }
  | { readonly ok: false; readonly problem: string }

/**
 * The entry that boots by itself. `grubenv` is null where there is none; `grubDefault` is the value of GRUB_DEFAULT
 * to go by instead of what the generated file says (before it is generated again).
 */
export function findDefaultEntry(
  cfg: GrubCfg,
  options: { readonly grubenv?: Grubenv | null | undefined; readonly grubDefault?: Bytes | undefined },
): DefaultEntry {
  const next = options.grubenv?.get('next_entry') ?? ''
  const readsNext = cfg.defaults.some((text) => unquote(text) === null && text.includes('next_entry'))
  if (next !== '' && readsNext) return resolve(cfg.entries, next, { once: true, isNamed: true })
  const spec = options.grubDefault === undefined ? findGenerated(cfg) : fromSetting(options.grubDefault)
  if (spec === undefined) return { ok: false, problem: 'grub.cfg does not say how it chooses the default entry' }
  const text = spec === saved ? (options.grubenv?.get('saved_entry') ?? '') : spec
  return resolve(cfg.entries, text, { once: false, isNamed: true })
}

const saved = Symbol('saved')

function fromSetting(value: Bytes): Bytes | typeof saved {
  return value === 'saved' ? saved : value
}

/** The last `set default=` but for the one of next_entry; 00_header.in. Without any, GRUB takes the first entry. */
function findGenerated(cfg: GrubCfg): Bytes | typeof saved | undefined {
  const text = cfg.defaults.findLast((other) => !other.includes('next_entry'))
  if (text === undefined) return '0'
  const plain = unquote(text)
  if (plain !== null) return plain
  return /^"?\$\{?saved_entry\}?"?$/.test(text) ? saved : undefined
}

function unquote(text: Bytes): Bytes | null {
  return readGrubToken(text, 0).value ?? (text === '' ? '' : null)
}

/** grub-core/normal/menu.c: a number, else a title or id; `>` leads into a submenu; what is not found is the first entry. */
function resolve(
  entries: readonly GrubEntry[],
  spec: Bytes,
  { once, isNamed: isNamedSoFar }: { readonly once: boolean; readonly isNamed: boolean },
): DefaultEntry {
  const found = findBySpec(entries, spec) ?? { entry: entries[0], rest: '', isNamed: false }
  if (found.entry === undefined) return { ok: false, problem: 'the menu has no entry' }
  const isNamed = isNamedSoFar && found.isNamed
  if (found.entry.kind === 'entry') return { ok: true, entry: found.entry, once, isNamed }
  if (found.rest !== '') return resolve(found.entry.entries, found.rest, { once, isNamed })
  return { ok: false, problem: `the default is the submenu ${found.entry.title}, not one of its entries` }
}

function findBySpec(
  entries: readonly GrubEntry[],
  spec: Bytes,
): { readonly entry: GrubEntry | undefined; readonly rest: Bytes; readonly isNamed: boolean } | undefined {
  const number = /^\s*(0x[0-9a-f]+|0[0-7]*|[1-9][0-9]*)\s*>?/i.exec(spec)
  if (number !== null) {
    const digits = number[1] ?? ''
    const index = /^0[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number(digits)
    const entry = entries[index]
    return entry === undefined ? undefined : { entry, rest: spec.slice(number[0].length), isNamed: false }
  }
  for (const entry of entries) {
    const length = matchLength(entry.title, spec) || matchLength(entry.id ?? '', spec)
    if (length > 0) return { entry, rest: spec.slice(length).replace(/^\s*>?/, ''), isNamed: true }
  }
  return undefined
}

/** menuentry_eq(): in a specification `>>` stands for one `>` of a name. 0: no match. */
function matchLength(name: Bytes, spec: Bytes): number {
  if (name === '') return 0
  const escaped = name.replaceAll('>', '>>')
  if (!spec.startsWith(escaped)) return 0
  const next = spec.slice(escaped.length)
  return next === '' || (next.startsWith('>') && !next.startsWith('>>')) ? escaped.length : 0
}
