/** What a cut of power could spoil, found in a trace of system calls. */
export type Violation = { readonly line: number; readonly text: string }

/** Calls to trace; `strace -f -y -s 300`. */
export const tracedCalls: readonly string[] = [
  'openat creat write pwrite64 copy_file_range sendfile ftruncate truncate fallocate chdir fchdir',
  'rename renameat renameat2 unlink unlinkat symlink symlinkat link linkat mkdir mkdirat rmdir',
  'fsync fdatasync sync syncfs',
].flatMap((names) => names.split(' '))

type Call = { readonly pid: string; readonly name: string; readonly args: string; readonly result: string }

/**
 * Goes through a trace of the agent and holds it to these rules (fsync(2): data, and the entry of its directory, are on
 * disk only when both were synced):
 *
 * 1. nothing live changes unless the journal on disk ends with what is being done, and the record with all that is needed
 *    to take it back is on disk;
 * 2. a file takes its place by rename, with its content on disk before;
 * 3. `performed`, `done` and the state that follows are written only when all that changed is on disk, names included;
 * 4. with the journal and the state, all that a record says of itself is on disk: notes, what was saved, kept images.
 *
 * `isChroot`: absolute paths in arguments are those of a process that sees `root` as /.
 */
export function findViolations(trace: string, root: string, isChroot = false): Violation[] {
  const disk = new Disk(root, isChroot)
  for (const [index, call] of joinCalls(trace)) if (!call.result.startsWith('-1')) disk.see(index, call)
  return disk.violations
}

/** Calls in the order of their ends; strace breaks one off where another process comes between. */
function* joinCalls(trace: string): Generator<[number, Call]> {
  const open = new Map<string, string>()
  for (const [index, line] of trace.split('\n').entries()) {
    const match = /^(\d+) +(.*)$/.exec(line)
    if (!match) continue
    const [, pid = '', rest = ''] = match
    const begun = /^(.*) <unfinished \.\.\.>$/.exec(rest)
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest)
    if (begun) open.set(pid, begun[1] ?? '')
    else yield* parseCall(index + 1, pid, resumed ? `${open.get(pid) ?? ''}${resumed[1] ?? ''}` : rest)
  }
}

function* parseCall(line: number, pid: string, text: string): Generator<[number, Call]> {
  const match = /^(\w+)\((.*)\) += (.*)$/.exec(text)
  if (match) yield [line, { pid, name: match[1] ?? '', args: match[2] ?? '', result: match[3] ?? '' }]
}

/** Journal lines after which something live may be written. */
const announcements = /^(?:intent|undo|trial|revert|rollback|expired|commit|regenerate)\b/

class Disk {
  readonly violations: Violation[] = []
  private readonly root: string
  private readonly isChroot: boolean
  /** Files whose bytes are not on disk. */
  private readonly files = new Set<string>()
  /** Entries that are not on disk, by directory. */
  private readonly names = new Map<string, Set<string>>()
  private readonly known = new Set<string>()
  /** Working directories of processes that changed theirs. */
  private readonly places = new Map<string, string>()
  private lastLine = ''

  constructor(root: string, isChroot: boolean) {
    this.root = root
    this.isChroot = isChroot
  }

  see(line: number, { pid, name, args, result }: Call): void {
    if (name === 'fsync' || name === 'fdatasync') return this.syncPath(/<([^>]*)>/.exec(args)?.[1] ?? '')
    if (name === 'sync' || name === 'syncfs') return this.syncAll()
    if (name === 'openat' || name === 'creat') return this.open(line, args, result)
    const paths = namedPaths(args).map((path) => this.outside(pid, path))
    if (name === 'chdir') return void this.places.set(pid, paths[0] ?? '')
    if (name === 'fchdir') return void this.places.set(pid, /<([^>]*)>/.exec(args)?.[1] ?? '')
    if (/^(?:write|pwrite64|copy_file_range|sendfile|ftruncate|fallocate)$/.test(name))
      return this.write(line, name, args)
    if (name === 'truncate') return this.change(line, paths[0] ?? '')
    if (name.startsWith('rename')) return this.rename(line, paths[0] ?? '', paths[1] ?? '')
    // The last path is what appears or goes; the text that a symbolic link holds comes first.
    this.name(line, paths.at(-1) ?? '')
    // What a record no longer needs may come back.
    if (/^(?:unlink|rmdir)/.test(name)) this.forgetName(paths.at(-1) ?? '')
  }

  private outside(pid: string, path: string): string {
    if (!path.startsWith('/')) return `${this.places.get(pid) ?? ''}/${path}`
    return this.isChroot && !this.isOurs(path) ? `${this.root}${path}` : path
  }

  private write(line: number, name: string, args: string): void {
    const handles = [...args.matchAll(/\d+<([^>]*)>/g)].map((match) => match[1] ?? '')
    const path = (name === 'copy_file_range' ? handles[1] : handles[0]) ?? ''
    if (!this.isOurs(path)) return
    if (path.endsWith('/journal')) this.checkLine(line, /"((?:[^"\\]|\\.)*)"/.exec(args)?.[1] ?? '')
    if (this.isLive(path)) this.checkAnnounced(line, path)
    this.files.add(path)
  }

  private open(line: number, args: string, result: string): void {
    const path = /<([^>]*)>/.exec(result)?.[1] ?? ''
    if (!/O_(?:CREAT|TRUNC)/.test(args) || !this.isOurs(path)) return
    if (/O_TRUNC/.test(args)) this.change(line, path)
    // Whether it was there before is not told: what was opened once is known since.
    const isNew = /O_EXCL/.test(args) || !this.known.has(path)
    this.known.add(path)
    if (isNew && !path.startsWith(`${this.root}/sys/`)) this.addName(path)
  }

  private change(line: number, path: string): void {
    if (!this.isOurs(path)) return
    if (this.isLive(path)) this.checkAnnounced(line, path)
    this.files.add(path)
  }

  private name(line: number, path: string): void {
    if (!this.isOurs(path)) return
    if (this.isLive(path)) this.checkAnnounced(line, path)
    this.files.delete(path)
    this.addName(path)
  }

  private rename(line: number, from: string, to: string): void {
    if (!this.isOurs(to)) return
    const isLost = this.files.delete(from)
    // Tools of the host rename what they did not sync: that must be done after them.
    if (isLost && (to.endsWith('.passway-tmp') || (from.endsWith('.new') && this.isLive(from)))) this.files.add(to)
    else if (isLost) this.fail(line, `${to} is replaced before its bytes are on disk`)
    if (this.isLive(to)) this.checkAnnounced(line, to)
    if (to.endsWith('/state')) this.checkState(line)
    this.addName(from)
    this.addName(to)
  }

  private checkLine(line: number, text: string): void {
    this.lastLine = text.replaceAll(String.raw`\t`, '\t').replace(/\\n$/, '')
    if (/^(?:performed|done|reverted|staged)\b/.test(this.lastLine)) this.checkSynced(line, `"${this.lastLine}"`)
  }

  /** All that was saved, and all that was changed, is on disk before a state says so. */
  private checkState(line: number): void {
    this.checkSynced(line, 'a new state')
    this.checkRecord(line, 'a new state')
  }

  private checkRecord(line: number, what: string): void {
    for (const path of this.files) if (isOfRecord(path)) this.fail(line, `${what} before ${path} is on disk`)
    for (const [directory, names] of this.names)
      for (const name of names)
        if (isOfRecord(`${directory}/${name}`)) this.fail(line, `${what} before ${directory}/${name} is on disk`)
  }

  private checkAnnounced(line: number, path: string): void {
    const isAnnounced = announcements.test(this.lastLine) || isOfTrial(path)
    if (!isAnnounced) this.fail(line, `${path} changes and the journal says "${this.lastLine}"`)
    this.checkRecord(line, `${path} changes`)
  }

  private checkSynced(line: number, what: string): void {
    for (const path of this.files) if (this.isLive(path)) this.fail(line, `${what} before ${path} is on disk`)
    for (const [directory, names] of this.names) {
      if (this.isLive(`${directory}/x`) && names.size > 0) {
        this.fail(line, `${what} before ${directory}/${[...names].join(',')} is on disk`)
      }
    }
  }

  private syncPath(path: string): void {
    this.files.delete(path)
    this.names.delete(path)
  }

  private syncAll(): void {
    this.files.clear()
    this.names.clear()
  }

  private addName(path: string): void {
    const at = path.lastIndexOf('/')
    const [directory, name] = [path.slice(0, at), path.slice(at + 1)]
    // A temporary name that is lost is no loss.
    if (name.startsWith('.passway-')) return
    this.names.set(directory, (this.names.get(directory) ?? new Set()).add(name))
  }

  private forgetName(path: string): void {
    const at = path.lastIndexOf('/')
    if (isOfRecord(path) || isOfTrial(path) || path.endsWith('/boot/passway'))
      this.names.get(path.slice(0, at))?.delete(path.slice(at + 1))
  }

  private isOurs(path: string): boolean {
    return path.startsWith(`${this.root}/`)
  }

  /** The host's own; attributes are the kernel's, and are on no disk. */
  private isLive(path: string): boolean {
    const inside = path.slice(this.root.length)
    return (
      this.isOurs(path) &&
      !/^\/(?:var\/lib\/passway|boot\/passway|sys|proc|dev|run|tmp|var\/tmp)(?:\/|$)|\/\.passway-/.test(inside)
    )
  }

  private fail(line: number, text: string): void {
    this.violations.push({ line, text })
  }
}

/** What stands beside the live files while a record is open, and goes with it: units, entries, GRUB's variable. */
function isOfTrial(path: string): boolean {
  return /\/etc\/systemd\/system\/(?:\w.*\.target\.wants$|.*passway-)|\/boot\/grub\/(?:custom\.cfg|passway\.env)$/.test(
    path,
  )
}

/** What a record says of itself, and images that are kept: not what it tells a controller, nor what can be made again. */
function isOfRecord(path: string): boolean {
  const [, inside] = /(?:\/records\/[^/]+|\/boot\/passway)\/(.+)$/.exec(path) ?? []
  return inside !== undefined && !/^(?:log|progress|owner|keep|(?:output|view|rollback)(?:\/.*)?|.*\.new)$/.test(inside)
}

/** Paths among the arguments: relative to a directory that `-y` names, or absolute. */
function namedPaths(args: string): string[] {
  return [...args.matchAll(/(?:(?:\d+|AT_FDCWD)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"/g)].map(([, directory, path = '']) =>
    path.startsWith('/') || directory === undefined ? path : `${directory}/${path}`,
  )
}
