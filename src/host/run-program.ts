import { setTimeout as pause } from 'node:timers/promises'
import type { Diagnostic } from '../core/diagnostic.ts'
import type { HostAddress } from '../core/host-address.ts'
import { converse, type Conversation } from './converse.ts'
import { findEndpoint } from './find-endpoint.ts'
import { startHandshake } from './handshakes.ts'
import { classifyFailure } from './ssh-failure.ts'

export type ProgramRun = {
  /** A POSIX shell program; its last line is `main "$@"`. */
  readonly program: string
  /** Becomes $1 of `main`. The connection is made while it is still being computed. */
  readonly data: string | Promise<string>
  /** Each complete line of the program's output as it comes, without its line end. */
  readonly onLine?: (line: string) => void
  /** For the program, from when it was sent; without it a run ends when ssh's keep-alive or `silenceMs` ends it. */
  readonly timeoutMs?: number
  /** How long a program without `timeoutMs` may say nothing. */
  readonly silenceMs?: number
  /** For logging in and starting the shell. */
  readonly readyTimeoutMs?: number
  /** Ends the run, whatever it is at (`CANCELLED`). */
  readonly signal?: AbortSignal
  /** Shares one connection between the runs on a host (see `closeMaster`). */
  readonly master?: boolean
  /** Connects again when sshd drops the connection before the login, as it does when too many come at once. Default true. */
  readonly retry?: boolean
}

export type ProgramEnd =
  | {
      readonly ok: true
      /** Exact bytes. */
      readonly output: Buffer
      /** The program's exit status. */
      readonly status: number
      /** The end of its standard error. */
      readonly stderr: string
    }
  | {
      readonly ok: false
      readonly diagnostic: Diagnostic
      /** False where the host could not be reached. */
      readonly reached: boolean
    }

const attempts = 4

/**
 * Runs a program on a host, as root when the host says `become`, and gives its output and exit status.
 * What can go wrong with hosts and connections is a value; rejects only when `data` does.
 */
export async function runProgram(host: HostAddress, run: ProgramRun): Promise<ProgramEnd> {
  for (let attempt = 1; ; attempt += 1) {
    const { end, retry } = await tryProgram(host, run)
    if (!retry || run.retry === false || attempt === attempts || run.signal?.aborted) return end
    await pause(200 * 2 ** attempt * (0.5 + Math.random()), undefined, { signal: run.signal }).catch(() => {})
  }
}

type Attempt = { readonly end: ProgramEnd; readonly retry: boolean }

async function tryProgram(host: HostAddress, run: ProgramRun): Promise<Attempt> {
  const endHandshake = host.connection === 'ssh' ? await startHandshake(await findEndpoint(host)) : () => {}
  try {
    return settleAttempt(host, await converse(host, run, endHandshake))
  } finally {
    endHandshake()
  }
}

function settleAttempt(host: HostAddress, { framed, ended, stopped, stderr }: Conversation): Attempt {
  const { output, status, ready, mismatch, noise } = framed
  if (status !== null && stopped === null) return { end: { ok: true, output, status, stderr }, retry: false }
  const startFailure = ended.failure?.message ?? null
  const failedRun = { ready, mismatch, noise, stopped, exit: ended.status, startFailure, stderr }
  const { diagnostic, reached, retry } = classifyFailure(host, failedRun)
  return { end: { ok: false, diagnostic, reached }, retry }
}
