import { error } from '../core/diagnostic.ts'
import type { Claim } from '../core/claim.ts'
import { matchesModule, parseModprobe, parseSoftdep } from '../formats/modprobe.ts'
import type { ModprobeEntry, ModprobeLine } from '../formats/modprobe.ts'
import { foldName } from '../core/fold-name.ts'
import { ownModprobePath, readModprobeEntries } from './modprobe-files.ts'
import { editOwnModprobe, replaceLines } from './own-modprobe.ts'
import type { MergedClaim } from './tasked.ts'
import { editFile, openFile } from './workspace.ts'
import type { Workspace } from './workspace.ts'

export type SoftdepMerged = MergedClaim & { readonly claim: Extract<Claim, { of: 'softdep' }> }

type Softdep = { readonly pre: readonly string[]; readonly post: readonly string[] }

/**
 * Settles softdeps, one line per module. Of several lines that match a module kmod uses the first one only
 * (libkmod-module.c kmod_module_get_softdeps), so one that stands earlier must hold what is wanted, or be taken over.
 */
export function settleSoftdeps(workspace: Workspace, claims: readonly SoftdepMerged[]): void {
  for (const group of groupByModule(claims)) settleModule(workspace, group)
}

type Group = {
  readonly module: string
  readonly present: readonly SoftdepMerged[]
  readonly absent: readonly SoftdepMerged[]
  readonly tasks: readonly number[]
}

function groupByModule(claims: readonly SoftdepMerged[]): readonly Group[] {
  const modules = [...new Set(claims.map(({ claim }) => foldName(claim.module)))]
  return modules.map((module) => {
    const group = claims.filter(({ claim }) => foldName(claim.module) === module)
    return {
      module,
      present: group.filter(({ claim }) => claim.want === 'present'),
      absent: group.filter(({ claim }) => claim.want === 'absent'),
      tasks: [...new Set(group.flatMap((merged) => merged.tasks))].toSorted((a, b) => a - b),
    }
  })
}

function settleModule(workspace: Workspace, group: Group): void {
  const entries = readModprobeEntries(workspace).filter(
    (entry) => entry.kind === 'softdep' && matchesModule(entry.module, group.module),
  )
  const [first] = entries
  const wanted = group.present.flatMap(({ claim }) => claim.pre)
  const found: Softdep = first === undefined ? { pre: [], post: [] } : parseSoftdep(first.value)
  if (first !== undefined && first.path !== ownModprobePath && wanted.length > 0) {
    if (includesAll(found.pre, wanted)) return
    return settleForeign(workspace, group, first, found)
  }
  const own = entries.find((entry) => entry.path === ownModprobePath)
  writeSoftdep(workspace, group, own === undefined ? { pre: [], post: [] } : parseSoftdep(own.value))
}

function includesAll(list: readonly string[], wanted: readonly string[]): boolean {
  const folded = new Set(list.map(foldName))
  return wanted.every((name) => folded.has(foldName(name)))
}

function writeSoftdep(workspace: Workspace, group: Group, current: Softdep): void {
  const unwanted = group.absent.flatMap(({ claim }) => claim.pre).map(foldName)
  const kept = current.pre.filter((name) => !unwanted.includes(foldName(name)))
  const missing = group.present.flatMap(({ claim }) => claim.pre).filter((name) => !includesAll(kept, [name]))
  if (kept.length === current.pre.length && missing.length === 0) return
  const next = { pre: [...new Set([...kept, ...missing])], post: current.post }
  editOwnModprobe(workspace, group.tasks, (lines) => {
    const line = formatSoftdep(group.module, next)
    const old = lines.find((other) => isExactSoftdep(other, group.module))
    if (old !== undefined) return replaceLines(lines, (other) => (other === old ? line : other.text))
    return closed(replaceLines(lines, (other) => other.text)) + (line ?? '')
  })
}

function closed(content: string): string {
  return content === '' || content.endsWith('\n') ? content : `${content}\n`
}

function formatSoftdep(module: string, { pre, post }: Softdep): string | null {
  if (pre.length === 0 && post.length === 0) return null
  const words = [...(pre.length > 0 ? ['pre:', ...pre] : []), ...(post.length > 0 ? ['post:', ...post] : [])]
  return `softdep ${module} ${words.join(' ')}\n`
}

function isExactSoftdep(line: ModprobeLine, module: string): boolean {
  return line.kind === 'softdep' && line.module === foldName(module)
}

/** A line of somebody else comes first: its own lists go into ours, and it becomes a comment. */
function settleForeign(workspace: Workspace, group: Group, entry: ModprobeEntry, found: Softdep): void {
  const place = `${entry.path}:${entry.line}: softdep ${entry.module} ${entry.value}`
  const isExact = entry.module === foldName(group.module)
  if (!group.present.some((merged) => merged.adopt) || !isExact || !entry.path.startsWith('/etc/')) {
    const hint = !entry.path.startsWith('/etc/')
      ? 'mask the file with one of the same name in /etc/modprobe.d that has vfio-pci in its pre: list'
      : isExact
        ? 'adopt: true on the task joins both lines in /etc/modprobe.d/passway.conf'
        : 'add vfio-pci to its pre: list by hand, as it is for other modules too'
    const message = `the softdep of ${group.module} in ${entry.path}:${entry.line} comes first, and kmod reads no second one`
    workspace.diagnostics.push({
      diagnostic: error('ADOPT_NEEDED', message, { hint, evidence: [place] }),
      tasks: group.tasks,
      claims: group.present.map(({ claim }) => claim),
    })
    return
  }
  commentOut(workspace, group, entry.path)
  writeSoftdep(workspace, group, found)
}

function commentOut(workspace: Workspace, group: Group, asked: string): void {
  const file = openFile(workspace, asked, group.tasks)
  if (file === undefined || file.content === null) return
  const { lines } = parseModprobe(file.content)
  const content = replaceLines(lines, (line) =>
    isExactSoftdep(line, group.module) ? `# passway: ${line.text}` : line.text,
  )
  const { path } = file
  const reason = `the softdep of ${group.module} moves to ${ownModprobePath}`
  editFile(workspace, { path, content, tasks: group.tasks, takesEffect: 'boot', regenerate: ['initramfs'], reason })
}
