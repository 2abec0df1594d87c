import { error, type Diagnostic } from '../core/diagnostic.ts'
import type { HostAddress } from '../core/host-address.ts'

/** Why we ended a connection ourselves. */
export type StopReason = 'cancelled' | 'ready-timeout' | 'program-timeout' | 'password-missing' | 'password-wrong'

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

type Verdict = {
  readonly code: string
  readonly message: string
  readonly hint: string
  readonly reached?: boolean
  readonly retry?: boolean
}
type Rule = { readonly pattern: RegExp; readonly verdict: (host: HostAddress) => Verdict }

/** Tells failures of a connection apart. The texts are those of OpenSSH 7.4 to 9.9 and sudo 1.8 to 1.9. */
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

/** The first that matches counts: what a jump host complains of comes before what it makes of the connection. */
const connectionRules: readonly Rule[] = [
  {
    pattern:
      /Bad configuration option|bad configuration options|Bad owner or permissions on|Can't open user config file|missing argument|unknown option -- |illegal option -- |^usage: ssh/m,
    verdict: (host) => ({
      code: 'SSH_CONFIG_INVALID',
      message: `the ssh client does not accept its configuration for ${host.address}`,
      hint: 'correct the file or ansible_ssh_common_args as ssh says',
      reached: false,
    }),
  },
  {
    pattern: /Could not resolve hostname/,
    verdict: (host) => ({
      code: 'HOST_NAME_UNKNOWN',
      message: `the name ${host.address} cannot be resolved`,
      hint: 'set ansible_host to an address, or add the name to DNS, /etc/hosts or the ssh configuration',
      reached: false,
    }),
  },
  {
    pattern: /REMOTE HOST IDENTIFICATION HAS CHANGED|REVOKED HOST KEY DETECTED|DNS SPOOFING DETECTED/,
    verdict: (host) => ({
      code: 'HOST_KEY_CHANGED',
      message: `${formatTarget(host)} shows another host key than the one that is known`,
      hint: `find out why; if the machine was really reinstalled: ssh-keygen -R ${formatKnownName(host)}, then log in once by hand and compare the new key`,
      reached: false,
    }),
  },
  {
    pattern: /Host key verification failed|host key is known for|key is not known by any other names/,
    verdict: (host) => ({
      code: 'HOST_KEY_UNKNOWN',
      message: `the host key of ${formatTarget(host)} is not known`,
      hint: `log in once by hand and compare the key: ${formatManualLogin(host)}`,
      reached: false,
    }),
  },
  {
    pattern:
      /Permission denied \(|Permission denied, please try again|Too many authentication failures|No more authentication methods|No supported authentication methods/,
    verdict: (host) => ({
      code: 'AUTHENTICATION_FAILED',
      message: `${formatTarget(host)} does not accept our login`,
      hint: `passway never asks for ssh passwords or passphrases: load the key into ssh-agent, or set ansible_user and ansible_ssh_private_key_file; try: ${formatManualLogin(host)}`,
      reached: false,
    }),
  },
  {
    pattern: /Connection refused/,
    verdict: (host) => ({
      code: 'CONNECTION_REFUSED',
      message: `${formatTarget(host)} refuses the connection: no ssh server listens there`,
      hint: 'check ansible_host and ansible_port, and that sshd runs',
      reached: false,
    }),
  },
  {
    pattern: /timed out|Timeout before authentication/,
    verdict: (host) => ({
      code: 'CONNECTION_TIMED_OUT',
      message: `${formatTarget(host)} does not answer`,
      hint: 'check that it is switched on and that no firewall stands between; ConnectTimeout can be raised in ansible_ssh_common_args',
      reached: false,
    }),
  },
  {
    pattern: /No route to host|Network is unreachable|Host is down|Cannot assign requested address/,
    verdict: (host) => ({
      code: 'NO_ROUTE',
      message: `there is no way through the network to ${formatTarget(host)}`,
      hint: 'check the address, the routes of this machine and its VPN',
      reached: false,
    }),
  },
  {
    pattern: /Unable to negotiate with|no matching (?:host key type|key exchange method|cipher|MAC) found/,
    verdict: (host) => ({
      code: 'SSH_ALGORITHMS_DIFFER',
      message: `ssh and ${formatTarget(host)} have no algorithm in common`,
      hint: 'update sshd there, or allow the algorithm for this host in the ssh configuration',
      reached: false,
    }),
  },
  {
    pattern: /Not allowed at this time/,
    verdict: (host) => ({
      code: 'CONNECTION_PENALISED',
      message: `${formatTarget(host)} turns this machine away for a while (PerSourcePenalties)`,
      hint: 'earlier logins failed too often; wait up to ten minutes, or exempt this machine with PerSourcePenaltyExemptList',
      reached: false,
    }),
  },
  {
    pattern: /kex_exchange_identification|ssh_exchange_identification|Exceeded MaxStartups|banner exchange/,
    verdict: (host) => ({ ...notConnected(host), retry: true }),
  },
]

const loginRules: readonly Rule[] = [
  {
    pattern: /password has expired|Password change required|account has expired/,
    verdict: (host) => ({
      code: 'AUTHENTICATION_FAILED',
      message: `${formatTarget(host)} wants a new password before anything else`,
      hint: `log in once by hand: ${formatManualLogin(host)}`,
      reached: false,
    }),
  },
]

const becomeRules: readonly Rule[] = [
  {
    pattern: /passway-sudo-missing/,
    verdict: (host) => ({
      code: 'SUDO_MISSING',
      message: `${formatUser(host)} is not root and there is no sudo`,
      hint: 'install sudo, or log in as root (ansible_user: root)',
    }),
  },
  {
    pattern: /you must have a tty|a terminal is required|no tty present/,
    verdict: () => ({
      code: 'BECOME_TTY',
      message: 'sudo wants a terminal (requiretty)',
      hint: 'passway works without one: add "Defaults:USER !requiretty" to the sudoers of that host',
    }),
  },
  {
    pattern: /is not in the sudoers file|is not allowed to (?:execute|run)|may not run sudo|account validation failure/,
    verdict: (host) => ({
      code: 'BECOME_DENIED',
      message: `sudo does not let ${formatUser(host)} run a shell as root`,
      hint: 'add the user to the sudoers of that host, or log in as root (ansible_user: root)',
    }),
  },
  { pattern: /incorrect password attempt|Sorry, try again|Authentication failure/, verdict: () => passwordWrong },
  { pattern: /a password is required|no password was provided/, verdict: () => passwordMissing },
]

const passwordWrong: Verdict = {
  code: 'BECOME_WRONG',
  message: 'sudo does not accept the password',
  hint: 'it was tried once only, so that no account is locked; give the right one with -K or ansible_become_password',
}

const passwordMissing: Verdict = {
  code: 'BECOME_PASSWORD_MISSING',
  message: 'sudo asks for a password and none is known',
  hint: 'give it with -K (--ask-become-pass) or ansible_become_password, or allow the user NOPASSWD',
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
  'password-missing': () => passwordMissing,
  'password-wrong': () => passwordWrong,
}

function notConnected(host: HostAddress): Verdict {
  return {
    code: 'CONNECTION_LOST',
    message: `the connection to ${formatTarget(host)} ended before the login`,
    hint: 'look at the log of sshd there (MaxStartups, DenyUsers, a firewall); then run the command again',
    reached: false,
  }
}

function brokenOff(host: HostAddress, run: FailedRun): Verdict {
  if (host.connection === 'ssh' && run.exit === 255) {
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

function formatTarget(host: HostAddress): string {
  if (host.connection === 'local') return 'this machine'
  return host.port === undefined ? host.address : `${host.address} port ${host.port}`
}

function formatUser(host: HostAddress): string {
  return host.user === undefined ? 'the user' : `the user ${host.user}`
}

function formatKnownName(host: HostAddress): string {
  return host.port === undefined || host.port === 22 ? host.address : `'[${host.address}]:${host.port}'`
}

function formatManualLogin(host: HostAddress): string {
  const port = host.port === undefined ? '' : `-p ${host.port} `
  const user = host.user === undefined ? '' : `${host.user}@`
  return `ssh ${port}${user}${host.address}`
}

const evidenceLines = 8

function readEvidence(run: FailedRun): readonly string[] {
  const lines = `${run.stderr}\n${run.ready ? '' : run.noise}`.split(/[\r\n]+/)
  return lines.filter((line) => line.trim() !== '' && !/^@+$/.test(line)).slice(-evidenceLines)
}
