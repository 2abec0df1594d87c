import { error } from '../core/diagnostic.ts'
import type { Claim } from '../core/claim.ts'
import { effectiveOptions, parseModprobe, parseModprobeOptions } from '../formats/modprobe.ts'
import type { ModprobeLine, ModprobeOption } from '../formats/modprobe.ts'
import { hasName } from './argument-list.ts'
import type { ListedArgument } from './argument-list.ts'
import { dropEarlyOption, findEarlyOptions } from './early-options.ts'
import { foldName } from '../core/fold-name.ts'
import { ownModprobePath, readModprobeEntries } from './modprobe-files.ts'
import { editOwnModprobe, replaceLines } from './own-modprobe.ts'
import type { SettleContext } from './settle-context.ts'
import { earlyModulesPath } from './settle-module-lists.ts'
import type { MergedClaim } from './tasked.ts'
import { editFile, openFile } from './workspace.ts'
import type { Workspace } from './workspace.ts'

export type OptionClaim = Extract<Claim, { of: 'module-option' }>
export type OptionMerged = MergedClaim & { readonly claim: OptionClaim }

/** What settling options asks of the command line, and claims that hold now because lines were taken over. */
export type SettledOptions = {
  /** `module.option` arguments whose values moved into modprobe.d. */
  readonly moved: readonly { readonly name: string; readonly tasks: readonly number[] }[]
  readonly adopted: readonly Claim[]
}

/** All claims about one option of one module. */
type Group = {
  readonly module: string
  readonly option: string
  readonly present: readonly OptionMerged[]
  readonly absent: readonly OptionMerged[]
  readonly tasks: readonly number[]
}

/**
 * Settles options of modules into passway's own file of modprobe.d. kmod hands a module all its options in order and
 * most keep the last (vfio-pci `ids` is a copied string), those of the kernel command line last of all
 * (libkmod-config.c), but for those that the list of early modules gives: so the same option elsewhere is taken over
 * with `adopt`, or refused.
 */
export function settleOptions(
  workspace: Workspace,
  claims: readonly OptionMerged[],
  commandLine: readonly ListedArgument[],
  context: SettleContext,
): SettledOptions {
  const settled = groupOptions(claims).map((group) => settleGroup(workspace, group, commandLine, context))
  return { moved: settled.flatMap(({ moved }) => moved), adopted: settled.flatMap(({ adopted }) => adopted) }
}

function groupOptions(claims: readonly OptionMerged[]): readonly Group[] {
  const groups = new Map<string, OptionMerged[]>()
  for (const merged of claims) {
    const key = `${foldName(merged.claim.module)} ${foldName(merged.claim.option)}`
    groups.set(key, [...(groups.get(key) ?? []), merged])
  }
  return [...groups.values()].map((group) => ({
    module: group[0]?.claim.module ?? '',
    option: group[0]?.claim.option ?? '',
    present: group.filter(({ claim }) => claim.want === 'present'),
    absent: group.filter(({ claim }) => claim.want === 'absent'),
    tasks: [...new Set(group.flatMap((merged) => merged.tasks))].toSorted((a, b) => a - b),
  }))
}

function settleGroup(
  workspace: Workspace,
  group: Group,
  commandLine: readonly ListedArgument[],
  context: SettleContext,
): SettledOptions {
  const none = { moved: [], adopted: [] }
  const options = effectiveOptions(readModprobeEntries(workspace), group.module).filter((option) =>
    isSame(option.name, group.option),
  )
  const own = options.filter(({ path }) => path === ownModprobePath)
  const early = findEarlyOptions(workspace, group)
  const foreign = [...options.filter(({ path }) => path !== ownModprobePath), ...early]
  const args = commandLine.filter((argument) => hasName(argument, argumentName(group)))
  if (group.present.length === 0 || (foreign.length === 0 && args.length === 0)) {
    writeOwn(workspace, group, own.at(-1)?.value ?? null, [])
    return none
  }
  const adopt = group.present.some((merged) => merged.adopt)
  const effective = (early.at(-1) ?? args.at(-1) ?? options.at(-1))?.value ?? null
  if (!adopt && isMet(group, effective)) return none
  if (!adopt || !canTakeOver(workspace, group, foreign)) {
    if (!adopt) refuseForeign(workspace, group, foreign, args, context)
    return none
  }
  return takeOver(workspace, group, { own, foreign, args })
}

function isSame(a: string, b: string): boolean {
  return foldName(a) === foldName(b)
}

function argumentName(group: Group): string {
  return `${group.module}.${group.option}`
}

function isUnion(group: Group): boolean {
  return group.present.some(({ claim }) => claim.merge === 'union')
}

function splitMembers(value: string | null): readonly string[] {
  return (value ?? '').split(',').filter((member) => member !== '')
}

function isMet(group: Group, value: string | null): boolean {
  if (!isUnion(group)) return group.present.every(({ claim }) => claim.value === value)
  const members = new Set(splitMembers(value))
  return group.present.every(({ claim }) => splitMembers(claim.value).every((member) => members.has(member)))
}

/** The value of our own line: what it holds stays, what is wanted comes behind it, what is unwanted goes. */
function writeOwn(workspace: Workspace, group: Group, current: string | null, more: readonly string[]): void {
  const value = isUnion(group) || group.present.length === 0 ? joinMembers(group, current, more) : oneValue(group)
  if (value === (current ?? '')) return
  editOwnModprobe(workspace, group.tasks, (lines) => {
    const rewritten = replaceLines(lines, (line) =>
      isOptionLine(line, group) ? withoutOption(line, group) : line.text,
    )
    return value === '' ? rewritten : placeOption(lines, rewritten, group, value)
  })
}

function joinMembers(group: Group, current: string | null, more: readonly string[]): string {
  const unwanted = new Set(group.absent.flatMap(({ claim }) => splitMembers(claim.value)))
  const wanted = group.present.flatMap(({ claim }) => splitMembers(claim.value))
  const members = [...splitMembers(current).filter((member) => !unwanted.has(member)), ...wanted, ...more]
  return [...new Set(members)].join(',')
}

function oneValue(group: Group): string {
  return group.present[0]?.claim.value ?? ''
}

function isOptionLine(line: ModprobeLine, group: Group): boolean {
  if (line.kind !== 'options' || line.module !== foldName(group.module)) return false
  return parseModprobeOptions(line.value).some((option) => isSame(option.name, group.option))
}

/** The line without this option; null where nothing else is on it. */
function withoutOption(line: ModprobeLine, group: Group): string | null {
  const rest = parseModprobeOptions(line.value).filter((option) => !isSame(option.name, group.option))
  if (rest.length === 0) return null
  const texts = rest.map(({ name, value }) => (value === null ? name : `${name}=${quoteValue(value)}`))
  return `options ${group.module} ${texts.join(' ')}\n`
}

function quoteValue(value: string): string {
  return /[\s]/.test(value) ? `"${value}"` : value
}

/** The option stands where its line stood; a new one behind the other options of the file. */
function placeOption(lines: readonly ModprobeLine[], rewritten: string, group: Group, value: string): string {
  const text = `options ${group.module} ${group.option}=${quoteValue(value)}\n`
  const first = lines.find((line) => isOptionLine(line, group))
  if (first === undefined) return insertOption(rewritten, text)
  const other = withoutOption(first, group)
  return replaceLines(lines, (line) => {
    if (line === first) return `${other ?? ''}${text}`
    return isOptionLine(line, group) ? withoutOption(line, group) : line.text
  })
}

function insertOption(content: string, text: string): string {
  const options = parseModprobe(content).lines.filter((line) => line.kind === 'options' || line.kind === 'comment')
  const at = options.at(-1)?.end ?? 0
  const before = content.slice(0, at)
  return `${before}${before === '' || before.endsWith('\n') ? '' : '\n'}${text}${content.slice(at)}`
}

function refuseForeign(
  workspace: Workspace,
  group: Group,
  foreign: readonly ModprobeOption[],
  args: readonly ListedArgument[],
  context: SettleContext,
): void {
  const places = [
    ...foreign.map(({ path, line, value }) => `${path}:${line}: ${group.option}=${value ?? ''}`),
    ...args.map((argument) => `kernel command line: ${argument.text}`),
  ]
  const where = foreign[0] === undefined ? 'on the kernel command line' : `in ${foreign[0].path}:${foreign[0].line}`
  const tasks = group.present.filter((merged) => !context.isOwned(merged) || merged.tasks.length > 0)
  workspace.diagnostics.push({
    diagnostic: error(
      'ADOPT_NEEDED',
      `${group.option}= of ${group.module} is set ${where}, and the last line would win`,
      {
        hint: foreign.every(isOfAdmin)
          ? 'adopt: true on the task moves it into /etc/modprobe.d/passway.conf'
          : 'mask the file with one of the same name in /etc/modprobe.d',
        evidence: places,
      },
    ),
    tasks: [...new Set(tasks.flatMap((merged) => merged.tasks))],
    claims: tasks.map(({ claim }) => claim),
  })
}

/** Only files of /etc are the admin's to edit; those of packages and of /run are made anew by others. */
function canTakeOver(workspace: Workspace, group: Group, foreign: readonly ModprobeOption[]): boolean {
  const fixed = foreign.filter((option) => !isOfAdmin(option))
  if (fixed.length === 0) return true
  workspace.diagnostics.push({
    diagnostic: error('ADOPT_IMPOSSIBLE', `${fixed[0]?.path} belongs to a package or is made at run time`, {
      hint: `mask it with a file of the same name in /etc/modprobe.d`,
      evidence: fixed.map(({ path, line, value }) => `${path}:${line}: ${group.option}=${value ?? ''}`),
    }),
    tasks: group.tasks,
  })
  return false
}

function isOfAdmin({ path }: ModprobeOption): boolean {
  return path.startsWith('/etc/')
}

type Found = {
  readonly own: readonly ModprobeOption[]
  readonly foreign: readonly ModprobeOption[]
  readonly args: readonly ListedArgument[]
}

function takeOver(workspace: Workspace, group: Group, { own, foreign, args }: Found): SettledOptions {
  const values = [...foreign.map(({ value }) => value), ...args.map(({ value }) => value)]
  const more = isUnion(group) ? values.flatMap(splitMembers) : []
  for (const path of new Set(foreign.map((option) => option.path))) commentOut(workspace, group, path)
  writeOwn(workspace, group, own.at(-1)?.value ?? null, more)
  return {
    moved: args.length === 0 ? [] : [{ name: argumentName(group), tasks: group.tasks }],
    adopted: findAdopted(group, more),
  }
}

function findAdopted(group: Group, more: readonly string[]): readonly Claim[] {
  const claimed = new Set(group.present.flatMap(({ claim }) => splitMembers(claim.value)))
  const { module, option } = group
  const extra = [...new Set(more)].filter((member) => !claimed.has(member))
  return extra.map((value) => ({ want: 'present', of: 'module-option', module, option, value, merge: 'union' }))
}

/** The old line stays as a comment; options of it that nobody asked for stay in force on a line of their own. */
function commentOut(workspace: Workspace, group: Group, asked: string): void {
  const file = openFile(workspace, asked, group.tasks)
  if (file === undefined || file.content === null) return
  const content =
    asked === earlyModulesPath ? dropEarlyOption(file.content, group) : commentOutLines(file.content, group)
  editFile(workspace, {
    path: file.path,
    content,
    tasks: group.tasks,
    takesEffect: 'boot',
    regenerate: ['initramfs'],
    reason: `${group.option}= of ${group.module} moves to ${ownModprobePath}`,
  })
}

function commentOutLines(content: string, group: Group): string {
  return replaceLines(parseModprobe(content).lines, (line) => {
    if (!isOptionLine(line, group)) return line.text
    const closed = line.text.endsWith('\n') ? line.text : `${line.text}\n`
    const rest = withoutOption(line, group)
    return rest === null ? `# passway: ${line.text}` : `# passway: ${closed}${rest}`
  })
}
