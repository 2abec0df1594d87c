import { chmodSync, lchownSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { bytesFromText, findText, textFromBytes, type Bytes } from '../core/bytes.ts'

/**
 * One path of a host tree. Paths are absolute below the tree's root, as byte strings; modes are permission bits.
 * Two trees are the same when their entries are deeply equal.
 */
export type TreeEntry = { readonly path: Bytes; readonly uid: number; readonly gid: number } & (
  | { readonly type: 'file'; readonly mode: number; readonly content: Bytes }
  | { readonly type: 'directory'; readonly mode: number }
  | { readonly type: 'link'; readonly to: Bytes }
)

/**
 * Parses a host tree written as text:
 *
 *     # a comment
 *     dir 0755 0:0 /etc/default
 *     file 0644 0:0 /etc/default/grub
 *     |GRUB_TIMEOUT=5
 *     |GRUB_CMDLINE_LINUX=""
 *     \
 *     base64 0600 0:0 /boot/grub/grubenv
 *     |IyBHUlVCIEVudmlyb25tZW50IEJsb2NrCg==
 *     link 0:0 /etc/os-release -> ../usr/lib/os-release
 *
 * Each `|` line is a line of content. A `\` after them says that the last one has no line end. In paths and link targets
 * a byte that is white space, `%`, or no printable ASCII is `%XX`. Parents that are not named are made by `unpackTree`.
 * Throws on a line that it does not understand: trees come with the program.
 */
export function parseTree(text: string): TreeEntry[] {
  const entries: TreeEntry[] = []
  let content: string[] = []
  for (const [index, line] of text.split('\n').entries()) {
    if (line.startsWith('|')) content.push(line.slice(1))
    else if (line === '\\') content.push('\\')
    else if (line !== '' && !line.startsWith('#')) {
      finishContent(entries, content)
      content = []
      entries.push(parseEntry(line, index + 1))
    }
  }
  finishContent(entries, content)
  return entries.map(decodeBase64)
}

/** Content is known only after the entry's own line; a base64 file is marked by `base64` until then. */
type OpenEntry = TreeEntry & { base64?: true }

const entryLine = /^(?:(file|base64|dir) ([0-7]{3,4}) (\d+):(\d+) (\/\S*)|link (\d+):(\d+) (\/\S*) -> (\S+))$/

function parseEntry(line: string, number: number): OpenEntry {
  const match = entryLine.exec(line)
  const path = decodePath(match?.[5] ?? match?.[8] ?? '..')
  if (!match || path.split('/').includes('..')) throw new Error(`host tree, line ${number}: not understood: ${line}`)
  if (match[8] !== undefined) {
    return { type: 'link', path, uid: Number(match[6]), gid: Number(match[7]), to: decodePath(match[9] ?? '') }
  }
  const owner = { path, uid: Number(match[3]), gid: Number(match[4]), mode: Number.parseInt(match[2] ?? '', 8) }
  if (match[1] === 'dir') return { type: 'directory', ...owner }
  return { type: 'file', ...owner, content: '', ...(match[1] === 'base64' ? { base64: true } : {}) }
}

function finishContent(entries: OpenEntry[], lines: string[]): void {
  if (lines.length === 0) return
  const entry = entries.pop()
  if (entry?.type !== 'file') throw new Error('host tree: content that belongs to no file')
  const open = lines.at(-1) === '\\'
  const text = open ? lines.slice(0, -1).join('\n') : `${lines.join('\n')}\n`
  entries.push({ ...entry, content: bytesFromText(text) })
}

function decodeBase64(entry: OpenEntry): TreeEntry {
  if (entry.type !== 'file' || !entry.base64) return entry
  const { base64: _, ...rest } = entry
  return { ...rest, content: Buffer.from(entry.content, 'base64').toString('latin1') }
}

function decodePath(text: string): Bytes {
  return text.replaceAll(/%([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

function encodePath(path: Bytes): string {
  return path.replaceAll(/[^!-$&-~]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)
}

/** Formats entries as the text that `parseTree` reads. */
export function formatTree(entries: readonly TreeEntry[]): string {
  return entries.map((entry) => formatEntry(entry)).join('')
}

function formatEntry(entry: TreeEntry): string {
  const owner = `${entry.uid}:${entry.gid} ${encodePath(entry.path)}`
  if (entry.type === 'link') return `link ${owner} -> ${encodePath(entry.to)}\n`
  const mode = entry.mode.toString(8).padStart(4, '0')
  if (entry.type === 'directory') return `dir ${mode} ${owner}\n`
  const text = findPlainText(entry.content)
  if (text !== undefined) return `file ${mode} ${owner}\n${formatLines(text)}`
  const base64 = Buffer.from(entry.content, 'latin1').toString('base64')
  return `base64 ${mode} ${owner}\n${base64.replaceAll(/.{1,100}/g, '|$&\n')}`
}

/** Text that survives an editor and git; anything else is written as base64. */
function findPlainText(content: Bytes): string | undefined {
  return /[\x00-\x08\x0b-\x1f\x7f]/.test(content) ? undefined : findText(content)
}

function formatLines(text: string): string {
  if (text === '') return ''
  const closed = text.endsWith('\n')
  const lines = (closed ? text.slice(0, -1) : text).split('\n')
  return `${lines.map((line) => `|${line}\n`).join('')}${closed ? '' : '\\\n'}`
}

/** Writes a tree below `directory`, which is made. Owners are set only by root. */
export function unpackTree(text: string, directory: string): void {
  writeTree(parseTree(text), directory)
}

/** The same for entries. Of two entries for one path the later one counts. */
export function writeTree(entries: readonly TreeEntry[], directory: string): void {
  const all = [...new Map(entries.map((entry) => [entry.path, entry])).values()]
  const made = new Set<string>()
  const asRoot = process.getuid?.() === 0
  mkdirSync(directory, { recursive: true })
  for (const entry of all) writeEntry(entry, directory, made, asRoot)
  // Links come last, so that nothing is written through one; modes of directories after what is in them.
  for (const entry of all) if (entry.type === 'link') writeLink(entry, directory, made, asRoot)
  for (const entry of all.toReversed()) {
    if (entry.type === 'directory') chmodSync(place(directory, entry.path), entry.mode)
  }
}

function writeEntry(entry: TreeEntry, directory: string, made: Set<string>, asRoot: boolean): void {
  if (entry.type === 'link') return
  const path = place(directory, entry.path)
  makeParents(path, made)
  if (entry.type === 'directory') mkdirSync(path, { recursive: true })
  else {
    writeFileSync(path, Buffer.from(entry.content, 'latin1'))
    chmodSync(path, entry.mode)
  }
  if (asRoot && (entry.uid !== 0 || entry.gid !== 0)) {
    lchownSync(path, entry.uid, entry.gid)
    if (entry.type === 'file') chmodSync(path, entry.mode)
  }
}

function writeLink(entry: TreeEntry & { type: 'link' }, directory: string, made: Set<string>, asRoot: boolean): void {
  const path = place(directory, entry.path)
  makeParents(path, made)
  symlinkSync(Buffer.from(entry.to, 'latin1'), path)
  if (asRoot && (entry.uid !== 0 || entry.gid !== 0)) lchownSync(path, entry.uid, entry.gid)
}

function makeParents(path: string, made: Set<string>): void {
  const parent = dirname(path)
  if (made.has(parent)) return
  mkdirSync(parent, { recursive: true, mode: 0o755 })
  made.add(parent)
}

/** Node takes file names as UTF-8; a name that is not gets replacement characters, which no tree of ours has. */
function place(directory: string, path: Bytes): string {
  return join(directory, textFromBytes(path))
}

/** Reads a directory as entries in byte order of their paths, the root itself left out. */
export function readTree(directory: string): TreeEntry[] {
  const entries: TreeEntry[] = []
  readInto(directory, '', entries)
  return entries.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
}

function readInto(directory: string, below: string, entries: TreeEntry[]): void {
  for (const name of readdirSync(join(directory, below))) {
    const path = `${below}/${name}`
    const entry = readEntry(join(directory, path), bytesFromText(path))
    if (entry) entries.push(entry)
    if (entry?.type === 'directory') readInto(directory, path, entries)
  }
}

function readEntry(place: string, path: Bytes): TreeEntry | undefined {
  const stat = lstatSync(place)
  const common = { path, uid: stat.uid, gid: stat.gid }
  const mode = stat.mode & 0o7777
  if (stat.isSymbolicLink()) return { type: 'link', ...common, to: readlinkSync(place, 'latin1') }
  if (stat.isDirectory()) return { type: 'directory', ...common, mode }
  return stat.isFile() ? { type: 'file', ...common, mode, content: readFileSync(place, 'latin1') } : undefined
}
