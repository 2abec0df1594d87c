import type { Bytes } from '../core/bytes.ts'
import { findContent, findFile } from '../core/snapshot.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { parseCommandLineParts, parseKernelArgument } from '../formats/kernel-arguments.ts'
import type { ArgumentList, ListedArgument } from './argument-list.ts'

export const cmdlinePath = '/etc/kernel/cmdline'
/** Taken where the first is not there, before the line of the running kernel (90-loaderentry.install). */
const vendorCmdlinePath = '/usr/lib/kernel/cmdline'

/** The text from which kernel-install makes `options`, as it stands in its file or would be taken from elsewhere. */
export type SavedCmdline = { readonly from: 'file' | 'vendor' | 'running'; readonly path: string; readonly text: Bytes }

export function readCmdline(snapshot: Snapshot, names: EntryNames): SavedCmdline {
  const { path, state } = findFile(snapshot, cmdlinePath)
  if (state.type === 'file') return { from: 'file', path, text: state.content }
  const vendor = findContent(snapshot, vendorCmdlinePath)
  if (vendor !== undefined) return { from: 'vendor', path: vendorCmdlinePath, text: vendor }
  const words = snapshot.commandLine.split(/[ \t\n]+/).filter((word) => !/^(BOOT_IMAGE|initrd)=/.test(word))
  const text = words.filter((word) => word !== machineWord(names)).join(' ')
  return { from: 'running', path: '/proc/cmdline', text: text.trim() }
}

/** Runs of blanks shrink, also inside quotes (`tr -s`). What init gets is one word at the end. */
export function listWords(text: Bytes): ArgumentList {
  const { args, init } = parseCommandLineParts(text)
  const kernels = args.map((argument, origin) => toListed(squeeze(argument.text), origin))
  if (init === null) return kernels
  return [...kernels, { origin: args.length, text: squeeze(`-- ${init}`).trimEnd(), name: null, value: null }]
}

function squeeze(text: Bytes): Bytes {
  return text.replaceAll(/[ \t\n]+/g, ' ')
}

function toListed(text: Bytes, origin: number): ListedArgument {
  const argument = parseKernelArgument(text)
  return { origin, text, name: argument?.name ?? null, value: argument?.value ?? null }
}

/** How entries are named: `TOKEN-RELEASE.conf`. */
export type EntryNames = { readonly token: string; readonly machineId: string | null }

const machineArgument = 'systemd.machine_id'

/** What kernel-install adds to entries that are named after the machine. */
function machineWord({ token, machineId }: EntryNames): string | undefined {
  return machineId === null || token !== machineId ? undefined : `${machineArgument}=${machineId}`
}

/** The words as kernel-install puts them into an entry: the machine's id is added unless there is one. */
export function withMachineId(words: ArgumentList, names: EntryNames): ArgumentList {
  const text = machineWord(names)
  if (text === undefined || words.some((word) => word.text.includes(`${machineArgument}=`))) return words
  return [...words, { origin: null, text, name: machineArgument, value: names.machineId }]
}

/** The words of an entry without what `withMachineId` adds. */
export function withoutMachineId(words: ArgumentList, names: EntryNames): ArgumentList {
  return words.filter(({ text }) => text !== machineWord(names))
}
