import { $, type ProcessPromise } from 'zx/core'
import { quote } from './quote.ts'

export type ChildEnd = {
  /** Exit status; null when a signal ended it. */
  readonly status: number | null
  /** Why it could not be started. */
  readonly failure: Error | null
}

export type Child = {
  readonly write: (text: string) => void
  /** Closes its standard input. */
  readonly finish: () => void
  /** Ends it, with its own children when it leads a process group. */
  readonly stop: () => void
  readonly ended: Promise<ChildEnd>
}

export type ChildOptions = {
  /** In a session of its own: it cannot ask at the user's terminal, and Ctrl-C there reaches only us. */
  readonly detached: boolean
  /** Beside this program's own. */
  readonly environment?: Readonly<Record<string, string>>
  readonly onStdout: (chunk: Buffer) => void
  readonly onStderr: (chunk: Buffer) => void
}

/** How long a child may take to end once it was told to. */
const stopGraceMs = 2000

/** Starts a program by its argument list. Its output goes to the callbacks and is kept nowhere else. */
export function startChild(argv: readonly string[], options: ChildOptions): Child {
  const child = shellFor(options)`${argv}`
  child.stdout.on('data', options.onStdout)
  child.stderr.on('data', options.onStderr)
  // A child that ends before it has read everything is told apart by how it ended.
  child.stdin.on('error', () => {})
  let ended = false
  const done = waitForEnd(child)
  void done.then(() => (ended = true))
  return {
    write: (text) => child.stdin.write(text, 'latin1'),
    finish: () => child.stdin.end(),
    stop: () => {
      if (ended || child.pid === undefined) return
      child.stdin.destroy()
      stopGroup(child.pid, options.detached, 'SIGTERM')
      // Processes that it leaves behind must not keep us waiting for the end of its output.
      child.stdout.destroy()
      child.stderr.destroy()
      const timer = setTimeout(() => stopGroup(child.pid ?? 0, options.detached, 'SIGKILL'), stopGraceMs)
      void done.finally(() => clearTimeout(timer))
    },
    ended: done,
  }
}

async function waitForEnd(child: ProcessPromise): Promise<ChildEnd> {
  const end = await child
  return { status: end.exitCode, failure: end.cause }
}

/** zx with POSIX quoting and without a second copy of all output. */
function shellFor({ detached, environment }: ChildOptions) {
  return $({
    shell: '/bin/sh',
    prefix: 'exec ',
    postfix: '',
    quote,
    quiet: true,
    nothrow: true,
    detached,
    env: { ...process.env, ...environment },
    store: { stdout: nowhere(), stderr: nowhere(), stdall: nowhere() },
  })
}

function nowhere(): Buffer[] {
  return Object.assign([], { push: () => 0 })
}

function stopGroup(pid: number, leadsGroup: boolean, signal: NodeJS.Signals): void {
  if (pid <= 0) return
  try {
    process.kill(leadsGroup ? -pid : pid, signal)
  } catch {
    // Gone already, or root's (sudo): that one ends with its standard input.
  }
}
