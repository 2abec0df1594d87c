import type { Bytes } from '../core/bytes.ts'
import { parseGrubCommands } from './grub-commands.ts'
import type { GrubCommand } from './grub-commands.ts'
import { lineNumberAt } from './lines.ts'

/** What a `linux` line says: the kernel's path and the text of its arguments as it stands. */
export type GrubLinux = { readonly path: Bytes; readonly args: Bytes; readonly line: number }

export type GrubEntry = {
  readonly kind: 'entry' | 'submenu'
  readonly title: Bytes
  /** What stands behind `$menuentry_id_option` or `--id`; null without one. */
  readonly id: Bytes | null
  /** Script of /etc/grub.d that wrote it: `10_linux`; null outside of the marked sections. */
  readonly section: string | null
  /** Titles of the submenus around it. */
  readonly parents: readonly Bytes[]
  /** Place among its siblings, from 0: what a number in GRUB_DEFAULT means. */
  readonly index: number
  readonly isRecovery: boolean
  /** `linux`: boots a kernel directly; `xen`: by multiboot; `other`: chain loaders, firmware setup. */
  readonly boots: 'linux' | 'xen' | 'other'
  readonly linux: GrubLinux | null
  readonly initrds: readonly Bytes[]
  /** The exact text, from `menuentry` to the closing brace, with its place. */
  readonly start: number
  readonly end: number
  readonly text: Bytes
  readonly line: number
  /** Of a submenu. */
  readonly entries: readonly GrubEntry[]
}

export type GrubCfg = {
  readonly content: Bytes
  readonly sections: readonly { readonly name: string; readonly start: number; readonly end: number }[]
  /** The top level of the menu. */
  readonly entries: readonly GrubEntry[]
  /** Values of `set default=` outside of entries, in order, as written. */
  readonly defaults: readonly Bytes[]
  /** Whether it loads custom.cfg (41_custom). */
  readonly sourcesCustom: boolean
}

type Section = GrubCfg['sections'][number]

/** Reads a grub.cfg as grub-mkconfig generates it. */
export function parseGrubCfg(content: Bytes): GrubCfg {
  const { commands, comments } = parseGrubCommands(content)
  const sections = findSections(comments.map((token) => ({ start: token.start, text: token.value ?? '' })))
  const entries = toEntries(content, sections, commands, [])
  const plain = commands.filter((command) => !isMenu(command))
  return {
    content,
    sections,
    entries,
    defaults: plain.flatMap((command) => findDefault(content, command) ?? []),
    sourcesCustom: plain.some((command) => sourcesCustom(content, command)),
  }
}

export function formatGrubCfg(cfg: GrubCfg): Bytes {
  return cfg.content
}

/** All entries that boot something, those of submenus included, in the order of the file. */
export function listGrubEntries(cfg: GrubCfg): readonly GrubEntry[] {
  const flatten = (entry: GrubEntry): readonly GrubEntry[] =>
    entry.kind === 'submenu' ? entry.entries.flatMap(flatten) : [entry]
  return cfg.entries.flatMap(flatten)
}

function findSections(comments: readonly { start: number; text: Bytes }[]): readonly Section[] {
  const sections: Section[] = []
  let open: { name: string; start: number } | null = null
  for (const { start, text } of comments) {
    const [, word, path] = /^### (BEGIN|END) (.+) ###\s*$/.exec(text) ?? []
    if (path === undefined) continue
    const name = path.split('/').at(-1) ?? path
    if (word === 'BEGIN') open = { name, start }
    else if (open?.name === name) sections.push({ ...open, end: start + text.length })
  }
  return sections
}

function wordAt(command: GrubCommand, index: number): Bytes | null {
  return command.words[index]?.value ?? null
}

/** `menuentry` and `submenu` also stand behind `then` and the like on one line. */
function isMenu(command: GrubCommand): boolean {
  const name = wordAt(command, 0)
  return command.block !== null && (name === 'menuentry' || name === 'submenu')
}

function toEntries(
  content: Bytes,
  sections: readonly Section[],
  commands: readonly GrubCommand[],
  parents: readonly Bytes[],
): readonly GrubEntry[] {
  return commands.filter(isMenu).map((command, index) => toEntry(content, sections, command, parents, index))
}

function toEntry(
  content: Bytes,
  sections: readonly Section[],
  command: GrubCommand,
  parents: readonly Bytes[],
  index: number,
): GrubEntry {
  const { start, end } = command
  const title = findTitle(command)
  const id = findId(content, command)
  const block = command.block ?? []
  const kind = wordAt(command, 0) === 'submenu' ? 'submenu' : 'entry'
  return {
    kind,
    title,
    id,
    section: sections.find((section) => section.start <= start && end <= section.end)?.name ?? null,
    parents,
    index,
    isRecovery:
      /\((?:[^()]*[ ,])?(?:recovery mode|single-user mode)\)/.test(title) || (id?.includes('-recovery-') ?? false),
    ...(kind === 'submenu' ? noBoot : findBoot(content, block)),
    start,
    end,
    text: content.slice(start, end),
    line: lineNumberAt(content, start),
    entries: kind === 'submenu' ? toEntries(content, sections, block, [...parents, title]) : [],
  }
}

/** Options of menuentry that take a word (grub-core/commands/menuentry.c). */
const optionsWithWord = new Set(['--class', '--users', '--hotkey', '--source', '--id', '--function'])

function findTitle(command: GrubCommand): Bytes {
  for (let index = 1; index < command.words.length; index++) {
    const value = wordAt(command, index)
    if (value !== null && optionsWithWord.has(value)) index++
    else if (value !== null && !value.startsWith('--')) return value
  }
  return ''
}

function findId(content: Bytes, command: GrubCommand): Bytes | null {
  const at = command.words.findIndex((word) => {
    const text = content.slice(word.start, word.end)
    return word.value === '--id' || text === '$menuentry_id_option' || text === '${menuentry_id_option}'
  })
  return at === -1 ? null : wordAt(command, at + 1)
}

type Boot = Pick<GrubEntry, 'boots' | 'linux' | 'initrds'>

const noBoot: Boot = { boots: 'other', linux: null, initrds: [] }

function findBoot(content: Bytes, block: readonly GrubCommand[]): Boot {
  const named = (...names: string[]) => block.filter((command) => names.includes(wordAt(command, 0) ?? ''))
  const initrds = named('initrd', 'initrdefi', 'initrd16').flatMap((command) =>
    command.words.slice(1).map((word) => word.value ?? content.slice(word.start, word.end)),
  )
  if (named('multiboot', 'multiboot2', 'xen_hypervisor').length > 0) return { ...noBoot, boots: 'xen', initrds }
  const [line] = named('linux', 'linuxefi', 'linux16')
  const path = line?.words[1]
  if (line === undefined || path === undefined) return { ...noBoot, initrds }
  const linux = {
    path: path.value ?? content.slice(path.start, path.end),
    args: content.slice(path.end, findLineEnd(content, path.end, line.end)).replace(/^[ \t]+/, ''),
    line: lineNumberAt(content, line.start),
  }
  return { boots: 'linux', linux, initrds }
}

/** The rest of the line as it stands, also where GRUB would end the command before: the reader of `args` must see that. */
function findLineEnd(content: Bytes, from: number, end: number): number {
  const newline = content.indexOf('\n', Math.max(from, end))
  return newline === -1 ? content.length : newline
}

function findDefault(content: Bytes, command: GrubCommand): readonly Bytes[] | undefined {
  const at = command.words.findIndex((word) => word.value === 'set')
  const word = at === -1 ? undefined : command.words[at + 1]
  const text = word === undefined ? '' : content.slice(word.start, word.end)
  return text.startsWith('default=') ? [text.slice('default='.length)] : undefined
}

function sourcesCustom(content: Bytes, command: GrubCommand): boolean {
  const text = command.words.map((word) => content.slice(word.start, word.end))
  return text.some(
    (word, index) => (word === 'source' || word === 'configfile') && /\/custom\.cfg"?$/.test(text[index + 1] ?? ''),
  )
}
