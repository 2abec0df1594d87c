import type { Bytes } from '../core/bytes.ts'
import { parseModprobeOptions } from '../formats/modprobe.ts'
import type { ModprobeOption } from '../formats/modprobe.ts'
import { parseModuleList } from '../formats/module-list.ts'
import type { ModuleListEntry } from '../formats/module-list.ts'
import { foldName } from '../core/fold-name.ts'
import { earlyModulesPath } from './settle-module-lists.ts'
import { openFile } from './workspace.ts'
import type { Workspace } from './workspace.ts'

/** An option of a module, as lines of the list of early modules give it too. */
export type OptionName = { readonly module: string; readonly option: string }

/**
 * The option where it stands behind a module's name in the list of early modules (`vfio_pci ids=…`, as guides write
 * it): the initramfs hands it to modprobe, which puts it behind all of modprobe.d and of the kernel command line.
 */
export function findEarlyOptions(workspace: Workspace, wanted: OptionName): readonly ModprobeOption[] {
  const content = contentOf(workspace)
  return listEntries(content, wanted).flatMap(({ args, line }) =>
    parseModprobeOptions(args)
      .filter(({ name }) => foldName(name) === foldName(wanted.option))
      .map((option) => ({ ...option, path: earlyModulesPath, line })),
  )
}

/** The list without the option: the old lines stay as comments. */
export function dropEarlyOption(content: Bytes, wanted: OptionName): Bytes {
  let text = ''
  let at = 0
  for (const entry of listEntries(content, wanted)) {
    const kept = parseModprobeOptions(entry.args).filter(({ name }) => foldName(name) !== foldName(wanted.option))
    const words = kept.map(({ name, value }) => (value === null ? name : `${name}=${value}`))
    const line = content.slice(entry.start, entry.end)
    const lineEnd = line.endsWith('\n') ? '\n' : ''
    const old = line.slice(0, line.length - lineEnd.length)
    text += `${content.slice(at, entry.start)}# passway: ${old}\n${[entry.module, ...words].join(' ')}${lineEnd}`
    at = entry.end
  }
  return text + content.slice(at)
}

function listEntries(content: Bytes, { module, option }: OptionName): readonly ModuleListEntry[] {
  return parseModuleList(content, 'initramfs').entries.filter(
    (entry) =>
      foldName(entry.module) === foldName(module) &&
      parseModprobeOptions(entry.args).some(({ name }) => foldName(name) === foldName(option)),
  )
}

function contentOf(workspace: Workspace): Bytes {
  const state = workspace.snapshot.files.get(earlyModulesPath)
  const isUsable = state !== undefined && state.type !== 'absent' && state.type !== 'unreadable'
  return isUsable ? (openFile(workspace, earlyModulesPath, [])?.content ?? '') : ''
}
