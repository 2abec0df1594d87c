import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Diagnostic } from '../core/diagnostic.ts'
import type { HostAddress } from '../core/host-address.ts'
import { bootArguments, createPromptWatch, formatPrompt, type PromptAnswer } from './become.ts'
import { formatSpool } from './bootstrap.ts'
import { findEndpoint } from './find-endpoint.ts'
import { startHandshake } from './handshakes.ts'
import { createOutputFrame, type FramedOutput } from './output-frame.ts'
import { sshArguments } from './ssh-arguments.ts'
import { classifyFailure, type StopReason } from './ssh-failure.ts'
import { openMaster } from './ssh-master.ts'
import { startChild, type Child, type ChildEnd } from './start-child.ts'

export type ProgramRun = {
  /** A POSIX shell program; its last line is `main "$@"`. */
  readonly program: string
  /** Becomes $1 of `main`. The connection is made while it is still being computed. */
  readonly data: string | Promise<string>
  /** Each complete line of the program's output as it comes, without its line end. */
  readonly onLine?: (line: string) => void
  /** For the program, from when it was sent; without it only ssh's keep-alive ends a run. */
  readonly timeoutMs?: number
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

type Attempt = { readonly end: ProgramEnd; readonly retry: boolean }

/** sshd's own limit for a login (LoginGraceTime); a security key may wait for a touch that long. */
const defaultReadyTimeoutMs = 120_000
const attempts = 4
const stderrLimit = 8192

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

async function tryProgram(host: HostAddress, run: ProgramRun): Promise<Attempt> {
  const endHandshake = host.connection === 'ssh' ? await startHandshake(await findEndpoint(host)) : () => {}
  try {
    return await converse(host, run, endHandshake)
  } finally {
    endHandshake()
  }
}

/** One connection from start to end. */
async function converse(host: HostAddress, run: ProgramRun, endHandshake: () => void): Promise<Attempt> {
  const nonce = randomBytes(12).toString('hex')
  const prompt = host.become ? formatPrompt(randomBytes(12).toString('hex')) : null
  const watchPrompt = prompt === null ? (): PromptAnswer => 'wait' : createPromptWatch(prompt, host.becomePassword)
  const data = Promise.resolve(run.data)
  let stderr = ''
  let stopped: StopReason | null = null
  let timer: NodeJS.Timeout | undefined

  function stop(reason: StopReason): void {
    stopped ??= reason
    child.stop()
  }
  function limit(milliseconds: number | undefined, reason: StopReason): void {
    clearTimeout(timer)
    if (milliseconds !== undefined) timer = setTimeout(stop, milliseconds, reason)
  }
  async function send(): Promise<void> {
    const text = await data
    limit(run.timeoutMs, 'program-timeout')
    child.write(formatSpool(run.program, text))
    child.finish()
  }
  function onReady(): void {
    endHandshake()
    limit(undefined, 'ready-timeout')
    send().catch(cancel)
  }
  function onStderr(chunk: Buffer): void {
    const text = chunk.toString('latin1')
    stderr = (stderr + text).slice(-stderrLimit)
    answerPrompt(watchPrompt(text), child, host, stop)
  }
  const cancel = (): void => stop('cancelled')

  const frame = createOutputFrame(nonce, { onReady, onLine: run.onLine })
  const child = startChild(argumentsFor(host, bootArguments(nonce, prompt), run.master ?? false), {
    detached: host.connection === 'ssh',
    onStdout: frame.push,
    onStderr,
  })
  limit(run.readyTimeoutMs ?? defaultReadyTimeoutMs, 'ready-timeout')
  data.catch(cancel)
  run.signal?.addEventListener('abort', cancel)
  if (run.signal?.aborted) cancel()
  const ended = await child.ended
  run.signal?.removeEventListener('abort', cancel)
  limit(undefined, 'program-timeout')
  if (stopped === 'cancelled' && !run.signal?.aborted) await data
  const visible = prompt === null ? stderr : stderr.replaceAll(prompt, '')
  return settleAttempt(host, frame.finish(), ended, stopped, visible)
}

function answerPrompt(answer: PromptAnswer, child: Child, host: HostAddress, stop: (reason: StopReason) => void): void {
  if (answer === 'send') child.write(`${host.becomePassword}\n`)
  else if (answer === 'missing') stop('password-missing')
  else if (answer === 'wrong') stop('password-wrong')
}

function argumentsFor(host: HostAddress, command: readonly string[], master: boolean): readonly string[] {
  if (host.connection === 'local') return command
  return sshArguments(host, command, master ? openMaster(host) : null)
}

function settleAttempt(
  host: HostAddress,
  framed: FramedOutput,
  ended: ChildEnd,
  stopped: StopReason | null,
  stderr: string,
): Attempt {
  if (framed.status !== null && stopped === null) {
    return { end: { ok: true, output: framed.output, status: framed.status, stderr }, retry: false }
  }
  const { diagnostic, reached, retry } = classifyFailure(host, {
    ready: framed.ready,
    mismatch: framed.mismatch,
    noise: framed.noise,
    stopped,
    exit: ended.status,
    startFailure: ended.failure?.message ?? null,
    stderr,
  })
  return { end: { ok: false, diagnostic, reached }, retry }
}
