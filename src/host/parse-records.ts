import type { RecordState, RecordSummary } from '../core/record.ts'
import type { ImageListing, Snapshot } from '../core/snapshot.ts'
import { grepLines, sectionLines, type ProbeOutput } from './probe-sections.ts'

const states: readonly RecordState[] = ['staged', 'armed', 'trial', 'confirmed', 'committed', 'reverted']

export type RecordPlace = { readonly directory: string; readonly summary: RecordSummary }

/** Records of every state directory that is there, oldest first. */
export function parseRecords(output: ProbeOutput): RecordPlace[] {
  const records: RecordPlace[] = []
  for (const line of sectionLines(output, 'records')) {
    const [directory = '', id = '', seq = '', word = ''] = line.split('\t')
    if (!/^[\w.+-]+$/.test(id) || !/^\d{1,9}$/.test(seq)) output.problems.push(`record not understood: ${line}`)
    const state = states.find((each) => each === word) ?? 'interrupted'
    records.push({ directory, summary: { id, seq: Number(seq), state } })
  }
  return records.sort((a, b) => a.summary.seq - b.summary.seq)
}

/** The agent's note of what is in the images: lines `image PATH INODE SIZE MTIME` and what follows each. */
export function parseImages(text: string): ImageListing[] {
  const listings: MutableListing[] = []
  for (const line of text.split('\n')) {
    const [kind, ...fields] = line.split('\t').map(decodePercent)
    if (kind === 'image') listings.push(startListing(fields))
    else addToListing(listings.at(-1), kind, fields)
  }
  return listings
}

type MutableListing = ImageListing & { modules: string[]; early: string[]; configuration: Map<string, string> }

function startListing([path = '', inode, size, mtime]: readonly string[]): MutableListing {
  const numbers = { inode: Number(inode), size: Number(size), mtime: Number(mtime) }
  return { path, ...numbers, modules: [], early: [], configuration: new Map() }
}

function addToListing(listing: MutableListing | undefined, kind: string | undefined, fields: readonly string[]): void {
  const [name = '', hash = ''] = fields
  if (name === '') return
  if (kind === 'module') listing?.modules.push(name)
  else if (kind === 'early') listing?.early.push(name)
  else if (kind === 'file') listing?.configuration.set(name, hash)
}

function decodePercent(text: string): string {
  return text.replaceAll(/%([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

/** Running guests: processes by name, and those that only a pid file tells of. */
export function parseGuests(output: ProbeOutput): Snapshot['guests'] {
  const guests = new Map<string, string>()
  for (const { match, text } of grepLines(output, 'guests', /^\.\/proc\/(\d+)\/comm(?=:)/)) {
    guests.set(match[1] ?? '', text)
  }
  for (const { match, text } of grepLines(
    output,
    'guests',
    /^\.\/run\/(?:qemu-server|libvirt\/qemu)\/([^/:]+)\.pid(?=:)/,
  )) {
    const name = guests.get(text)
    guests.set(text, name === undefined ? `guest ${match[1]}` : `${name} ${match[1]}`)
  }
  return [...guests].map(([pid, name]) => `${name} (pid ${pid})`)
}
