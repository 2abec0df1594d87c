import { randomBytes } from 'node:crypto'
import type { HostAddress } from '../core/host-address.ts'
import { bootArguments, createPromptWatch, formatPrompt, type PromptAnswer } from './become.ts'
import { formatSpool } from './bootstrap.ts'
import { createOutputFrame, type FramedOutput } from './output-frame.ts'
import type { ProgramRun } from './run-program.ts'
import { sshArguments } from './ssh-arguments.ts'
import type { StopReason } from './ssh-failure.ts'
import { openMaster } from './ssh-master.ts'
import { startChild, type ChildEnd } from './start-child.ts'

/** One connection, as it went. */
export type Conversation = {
  readonly framed: FramedOutput
  readonly ended: ChildEnd
  /** Why we ended it; null when it ended by itself. */
  readonly stopped: StopReason | null
  /** The end of standard error, without prompts. */
  readonly stderr: string
}

/** sshd's own limit for a login (LoginGraceTime); a security key may wait for a touch that long. */
const defaultReadyTimeoutMs = 120_000

/** Longer than the longest that the agent gives a tool which says nothing (an image takes an hour at most). */
const defaultSilenceMs = 75 * 60_000

/** Connects, sends program and data once a shell (root's, with `become`) says that it is ready, and waits for the end. */
export async function converse(host: HostAddress, run: ProgramRun, onReady: () => void): Promise<Conversation> {
  const nonce = randomBytes(12).toString('hex')
  const prompt = host.become ? formatPrompt(randomBytes(12).toString('hex')) : null
  const data = Promise.resolve(run.data)
  const limit = createTimeLimit(stop)
  const silenceMs = run.silenceMs ?? defaultSilenceMs
  const stderr = createStderrWatch(prompt, host.becomePassword, answer)
  const frame = createOutputFrame(nonce, {
    onReady: () => void send().catch(cancel),
    onLine: run.onLine,
    onOverflow: () => stop('output-limit'),
  })
  const child = startChild(argumentsFor(host, bootArguments(nonce, prompt), run.master ?? false), {
    detached: host.connection === 'ssh',
    onStdout: (chunk) => {
      if (isSent && run.timeoutMs === undefined) limit(silenceMs, 'program-timeout')
      frame.push(chunk)
    },
    onStderr: stderr.push,
  })
  let stopped: StopReason | null = null
  let isSent = false

  function stop(reason: StopReason): void {
    stopped ??= reason
    child.stop()
  }
  function cancel(): void {
    stop('cancelled')
  }
  function answer(what: PromptAnswer): void {
    if (what === 'send') child.write(`${host.becomePassword}\n`)
    if (what === 'missing') stop('password-missing')
    if (what === 'wrong') stop('password-wrong')
  }
  async function send(): Promise<void> {
    onReady()
    limit(undefined, 'ready-timeout')
    const text = await data
    isSent = true
    limit(run.timeoutMs ?? silenceMs, 'program-timeout')
    child.write(formatSpool(run.program, text))
    child.finish()
  }

  limit(run.readyTimeoutMs ?? defaultReadyTimeoutMs, 'ready-timeout')
  data.catch(cancel)
  const forget = onAbort(run.signal, cancel)
  const ended = await child.ended
  forget()
  limit(undefined, 'program-timeout')
  // Ended from here though nobody asked for it: the data failed, and its rejection is passed on.
  if (stopped === 'cancelled' && run.signal?.aborted !== true) await data
  return { framed: frame.finish(), ended, stopped, stderr: stderr.read() }
}

function argumentsFor(host: HostAddress, command: readonly string[], master: boolean): readonly string[] {
  if (host.connection === 'local') return command
  return sshArguments(host, command, master ? openMaster(host) : null)
}

/** At most one limit at a time; setting another (or `undefined`: none) replaces it. */
function createTimeLimit(stop: (reason: StopReason) => void) {
  let timer: NodeJS.Timeout | undefined
  return (milliseconds: number | undefined, reason: StopReason): void => {
    clearTimeout(timer)
    if (milliseconds !== undefined) timer = setTimeout(stop, milliseconds, reason)
  }
}

const stderrLimit = 8192

/** Keeps the end of standard error and tells of sudo's prompts in it. */
function createStderrWatch(prompt: string | null, password: string | undefined, answer: (what: PromptAnswer) => void) {
  const watchPrompt = prompt === null ? null : createPromptWatch(prompt, password)
  let tail = ''
  return {
    push: (chunk: Buffer): void => {
      const text = chunk.toString('latin1')
      tail = (tail + text).slice(-stderrLimit)
      if (watchPrompt) answer(watchPrompt(text))
    },
    read: (): string => (prompt === null ? tail : tail.replaceAll(prompt, '')),
  }
}

/** Calls back once, at once where the signal was given already; the function it gives takes the listener off. */
function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal?.aborted) callback()
  signal?.addEventListener('abort', callback)
  return () => signal?.removeEventListener('abort', callback)
}
