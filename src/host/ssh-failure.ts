import { error, type Diagnostic } from '../core/diagnostic.ts'
import type { HostAddress } from '../core/host-address.ts'
import { becomeRules, passwordMissing, passwordWrong } from './become-verdicts.ts'
import { connectionRules, loginRules, notConnected } from './connection-verdicts.ts'
import { formatTarget, formatUser, type Rule, type Verdict } from './verdict.ts'

/** Why we ended a connection ourselves. */
export type StopReason =
  | 'cancelled'
  | 'ready-timeout'
  | 'program-timeout'
  | 'output-limit'
  | 'password-missing'
  | 'password-wrong'

/** How a run ended that did not come to its end mark. */
export type FailedRun = {
  readonly ready: boolean
  readonly mismatch: string | null
  readonly stopped: StopReason | null
  /** Exit status of ssh (255: its own failure, else that of the remote command) or of the local shell. */
  readonly exit: number | null
  readonly startFailure: string | null
  /** The end of standard error, without prompts. */
  readonly stderr: string
  /** What came on standard output before the program's own. */
  readonly noise: string
}

export type Failure = {
  readonly diagnostic: Diagnostic
  /** False where the host did not take the connection: exit code 4. */
  readonly reached: boolean
  /** The server dropped the connection before anyone logged in, as it does when too many come at once. */
  readonly retry: boolean
}

/** Tells apart why a run failed. */
export function classifyFailure(host: HostAddress, run: FailedRun): Failure {
  const verdict = findVerdict(host, run)
  const evidence = readEvidence(run)
  return {
    diagnostic: error(verdict.code, verdict.message, { hint: verdict.hint, ...(evidence.length > 0 && { evidence }) }),
    reached: verdict.reached ?? true,
    retry: verdict.retry ?? false,
  }
}

function findVerdict(host: HostAddress, run: FailedRun): Verdict {
  if (run.stopped !== null) return stopVerdicts[run.stopped](host)
  if (run.startFailure !== null) return notStarted(host, run.startFailure)
  if (run.ready) return run.mismatch === null ? brokenOff(host, run) : spoolMismatch(host, run.mismatch)
  if (host.connection === 'ssh' && run.exit === 127 && /\bssh: not found/.test(run.stderr)) return sshMissing
  if (host.connection === 'ssh' && run.exit === 255) return findByRule(connectionRules, host, run) ?? notConnected(host)
  return (
    (host.become ? findByRule(becomeRules, host, run) : undefined) ?? findByRule(loginRules, host, run) ?? noShell(host)
  )
}

function findByRule(rules: readonly Rule[], host: HostAddress, run: FailedRun): Verdict | undefined {
  const text = `${run.stderr}\n${run.noise}`
  return rules.find((rule) => rule.pattern.test(text))?.verdict(host)
}

const sshMissing: Verdict = {
  code: 'SSH_MISSING',
  message: 'there is no ssh client on this machine',
  hint: 'install OpenSSH (Debian: apt install openssh-client)',
  reached: false,
}

const stopVerdicts: Readonly<Record<StopReason, (host: HostAddress) => Verdict>> = {
  cancelled: () => ({
    code: 'CANCELLED',
    message: 'the connection was ended from here',
    hint: 'run the command again',
  }),
  'ready-timeout': (host) => ({
    code: 'HOST_TIMEOUT',
    message: `${formatTarget(host)} took too long to log in and start a shell`,
    hint: 'look at its load and at what its login files wait for',
    reached: false,
  }),
  'program-timeout': (host) => ({
    code: 'HOST_TIMEOUT',
    message: `what was started on ${formatTarget(host)} did not end in time`,
    hint: 'look at the load of the host and at processes in state D',
  }),
  'output-limit': (host) => ({
    code: 'OUTPUT_TOO_LONG',
    message: `${formatTarget(host)} sent more than any program of passway prints`,
    hint: 'nothing of it was used; look at what on that host writes into the output of programs',
  }),
  'password-missing': () => passwordMissing,
  'password-wrong': () => passwordWrong,
}

/** ssh ends with 255 as well when a signal ended the remote command, and then says nothing. */
const lostConnection =
  /Connection (?:to \S+ )?closed|Connection reset|Broken pipe|Timeout, server|Read from remote host|client_loop|packet_write_|mux_client|Corrupted MAC|disconnect/i

function brokenOff(host: HostAddress, run: FailedRun): Verdict {
  if (host.connection === 'ssh' && run.exit === 255 && lostConnection.test(run.stderr)) {
    return {
      code: 'CONNECTION_LOST',
      message: `the connection to ${formatTarget(host)} was lost on the way`,
      hint: 'run the command again',
    }
  }
  return {
    code: 'PROGRAM_TRUNCATED',
    message: `what was started on ${formatTarget(host)} ended without its end mark`,
    hint: 'it was killed there (memory, an administrator); look at the log of the host and run the command again',
  }
}

function spoolMismatch(host: HostAddress, what: string): Verdict {
  return {
    code: 'SPOOL_MISMATCH',
    message: `the program did not arrive whole on ${formatTarget(host)} (${what}); nothing of it was run`,
    hint: what === 'hash' ? 'check that sha256sum is there, then run the command again' : 'run the command again',
  }
}

function noShell(host: HostAddress): Verdict {
  return {
    code: 'SHELL_UNSUPPORTED',
    message: `${formatUser(host)} gets no POSIX shell on ${formatTarget(host)}`,
    hint: 'a login shell is needed that runs "sh -c" (not nologin, not a menu, not a forced command)',
  }
}

function notStarted(host: HostAddress, why: string): Verdict {
  const what = host.connection === 'ssh' ? 'ssh' : 'sh'
  return {
    code: 'CHILD_NOT_STARTED',
    message: `${what} could not be started: ${why}`,
    hint: 'run the command again',
    reached: false,
  }
}

const evidenceLines = 8

function readEvidence(run: FailedRun): readonly string[] {
  const lines = `${run.stderr}\n${run.ready ? '' : run.noise}`.split(/[\r\n]+/)
  return lines.filter((line) => line.trim() !== '' && !/^@+$/.test(line)).slice(-evidenceLines)
}
