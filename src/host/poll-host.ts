import { setTimeout as pause } from 'node:timers/promises'
import { error, type Diagnostic } from '../core/diagnostic.ts'
import type { HostAddress } from '../core/host-address.ts'
import { runProgram, type ProgramEnd } from './run-program.ts'

export type BootWait = {
  /** `/proc/sys/kernel/random/boot_id` before the reboot; the host is back when it shows another one. */
  readonly previousBootId: string
  /** From now. */
  readonly deadlineMs: number
  readonly onTry?: ((attempt: BootTry) => void) | undefined
  readonly signal?: AbortSignal | undefined
  /** Between the first two tries; never less than five seconds but in tests. */
  readonly intervalMs?: number | undefined
}

export type BootTry = {
  readonly elapsedMs: number
  /** `down`: not reached or no login yet; `old`: the reboot has not begun. */
  readonly state: 'down' | 'old' | 'new'
  /** Why it is down. */
  readonly diagnostic?: Diagnostic
}

export type BootWaitEnd =
  | { readonly ok: true; readonly bootId: string; readonly elapsedMs: number }
  | { readonly ok: false; readonly diagnostic: Diagnostic; readonly last: BootTry | null }

/**
 * sshd 9.8 and newer lock out addresses whose connections keep ending before a login (PerSourcePenalties), so every
 * try is a complete login with a command, five seconds and more apart.
 */
const shortestIntervalMs = 5000
const longestIntervalMs = 30_000
const growth = 1.4
const tryTimeoutMs = 30_000

const bootIdProgram = 'main() { cat /proc/sys/kernel/random/boot_id; }\nmain "$@"\n'

/** Waits until the host has booted again. */
export async function waitForBoot(host: HostAddress, wait: BootWait): Promise<BootWaitEnd> {
  const start = Date.now()
  let interval = wait.intervalMs ?? shortestIntervalMs
  let last: BootTry | null = null
  while (Date.now() - start + interval <= wait.deadlineMs) {
    await pause(interval, undefined, { signal: wait.signal }).catch(() => {})
    if (wait.signal?.aborted) break
    const { attempt, bootId } = await tryBoot(host, wait, start)
    wait.onTry?.(attempt)
    if (attempt.state === 'new') return { ok: true, bootId, elapsedMs: attempt.elapsedMs }
    last = attempt
    interval = Math.min(interval * growth, longestIntervalMs)
  }
  return { ok: false, diagnostic: notBack(wait, last), last }
}

async function tryBoot(
  host: HostAddress,
  wait: BootWait,
  start: number,
): Promise<{ attempt: BootTry; bootId: string }> {
  const end = await readBootId(host, wait.signal)
  const elapsedMs = Date.now() - start
  if (!end.ok) return { attempt: { elapsedMs, state: 'down', diagnostic: end.diagnostic }, bootId: '' }
  const bootId = end.output.toString('latin1').trim()
  return { attempt: { elapsedMs, state: isNewBoot(bootId, wait.previousBootId) ? 'new' : 'old' }, bootId }
}

function isNewBoot(seen: string, previous: string): boolean {
  return seen !== '' && seen !== previous.trim()
}

/** No sudo: everybody may read it. No second connection at once: the tries are the retries. */
async function readBootId(host: HostAddress, signal: AbortSignal | undefined): Promise<ProgramEnd> {
  const login: HostAddress = { ...host, become: false }
  return runProgram(login, {
    program: bootIdProgram,
    data: '',
    retry: false,
    readyTimeoutMs: tryTimeoutMs,
    timeoutMs: tryTimeoutMs,
    ...(signal && { signal }),
  })
}

function notBack(wait: BootWait, last: BootTry | null): Diagnostic {
  const seconds = Math.round(wait.deadlineMs / 1000)
  if (wait.signal?.aborted) return error('CANCELLED', 'waiting for the boot was ended from here')
  if (last?.state === 'old') {
    return error('REBOOT_NOT_BEGUN', `the host answers, but after ${seconds} s it still runs the same boot`, {
      hint: 'look at what holds the shutdown up: systemctl list-jobs',
    })
  }
  return error('HOST_NOT_BACK', `the host was not back ${seconds} s after the reboot was asked for`, {
    hint: 'look at its console',
    ...(last?.diagnostic && { evidence: [last.diagnostic.message, ...(last.diagnostic.evidence ?? [])] }),
  })
}
