import test, { type ExecutionContext } from 'ava'
import type { HostAddress } from '../../src/core/host-address.ts'
import { classifyFailure, type FailedRun } from '../../src/host/ssh-failure.ts'

const host: HostAddress = { name: 'pve1', connection: 'ssh', address: 'pve1', port: 2222, become: false, root: null }
const run: FailedRun = {
  ready: false,
  mismatch: null,
  stopped: null,
  exit: 255,
  startFailure: null,
  stderr: '',
  noise: '',
}

type Expected = { readonly code: string; readonly reached: boolean; readonly retry?: boolean }

function tells(t: ExecutionContext, changes: Partial<FailedRun>, expected: Expected, on: Partial<HostAddress> = {}) {
  const { diagnostic, reached, retry } = classifyFailure({ ...host, ...on }, { ...run, ...changes })
  t.deepEqual({ code: diagnostic.code, reached, retry }, { retry: false, ...expected })
  t.truthy(diagnostic.hint)
  t.notRegex(diagnostic.message, /\.$|undefined/)
  for (const line of (changes.stderr ?? '').split('\n').slice(-1)) t.true(!line || diagnostic.evidence?.includes(line))
}

// Texts of OpenSSH 9.2 unless another version is named.
const name = 'ssh: Could not resolve hostname pve1: Name or service not known'
test('name', tells, { stderr: name }, { code: 'HOST_NAME_UNKNOWN', reached: false })
const refused = 'ssh: connect to host pve1 port 2222: Connection refused'
test('refused', tells, { stderr: refused }, { code: 'CONNECTION_REFUSED', reached: false })
const timedOut = 'ssh: connect to host pve1 port 2222: Connection timed out'
test('timed out', tells, { stderr: timedOut }, { code: 'CONNECTION_TIMED_OUT', reached: false })
const banner = 'Connection timed out during banner exchange\nConnection to 10.0.0.1 port 2222 timed out'
test('timed out at the banner', tells, { stderr: banner }, { code: 'CONNECTION_TIMED_OUT', reached: false })
const route = 'ssh: connect to host pve1 port 2222: No route to host'
test('no route', tells, { stderr: route }, { code: 'NO_ROUTE', reached: false })
const changed = [
  '@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@',
  '@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @',
  '@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@',
  'Offending ED25519 key in /root/.ssh/known_hosts:1',
  'Host key for [pve1]:2222 has changed and you have requested strict checking.',
  'Host key verification failed.',
].join('\n')
test('host key changed', tells, { stderr: changed }, { code: 'HOST_KEY_CHANGED', reached: false })
const unknown = [
  'No ED25519 host key is known for [pve1]:2222 and you have requested strict checking.',
  'Host key verification failed.',
].join('\n')
test('host key unknown', tells, { stderr: unknown }, { code: 'HOST_KEY_UNKNOWN', reached: false })
test(
  'host key unknown, StrictHostKeyChecking ask',
  tells,
  { stderr: 'Host key verification failed.' },
  { code: 'HOST_KEY_UNKNOWN', reached: false },
)
const denied = 'root@pve1: Permission denied (publickey,password).'
test('authentication', tells, { stderr: denied }, { code: 'AUTHENTICATION_FAILED', reached: false })
const tooMany = 'Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures'
test('too many keys', tells, { stderr: tooMany }, { code: 'AUTHENTICATION_FAILED', reached: false })
const dropped = 'kex_exchange_identification: Connection closed by remote host\nConnection closed by 10.0.0.1 port 22'
test('MaxStartups', tells, { stderr: dropped }, { code: 'CONNECTION_LOST', reached: false, retry: true })
const reset = 'kex_exchange_identification: read: Connection reset by peer\nConnection reset by 10.0.0.1 port 22'
test('reset', tells, { stderr: reset }, { code: 'CONNECTION_LOST', reached: false, retry: true })
const old = 'ssh_exchange_identification: Connection closed by remote host'
test('MaxStartups, OpenSSH 7.4', tells, { stderr: old }, { code: 'CONNECTION_LOST', reached: false, retry: true })
const penalty = 'kex_exchange_identification: banner line 0: Not allowed at this time'
test('penalty, OpenSSH 9.8', tells, { stderr: penalty }, { code: 'CONNECTION_PENALISED', reached: false })
const algorithm = 'Unable to negotiate with 10.0.0.1 port 22: no matching host key type found. Their offer: ssh-rsa'
test('algorithms', tells, { stderr: algorithm }, { code: 'SSH_ALGORITHMS_DIFFER', reached: false })
const option =
  '/root/.ssh/config: line 1: Bad configuration option: foo\n/root/.ssh/config: terminating, 1 bad configuration options'
test('configuration', tells, { stderr: option }, { code: 'SSH_CONFIG_INVALID', reached: false })
const jump = `${name.replace('pve1', 'jump')}\nConnection closed by UNKNOWN port 65535`
test('the jump host has no name', tells, { stderr: jump }, { code: 'HOST_NAME_UNKNOWN', reached: false })
test(
  'closed after the key exchange',
  tells,
  { stderr: 'Connection closed by 10.0.0.1 port 22' },
  { code: 'CONNECTION_LOST', reached: false },
)
test(
  'no ssh',
  tells,
  { exit: 127, stderr: '/bin/sh: 1: exec: ssh: not found' },
  { code: 'SSH_MISSING', reached: false },
)

const lost = { ready: true, stderr: 'Timeout, server pve1 not responding.' }
test('lost on the way', tells, lost, { code: 'CONNECTION_LOST', reached: true })
test('killed there', tells, { ready: true, exit: 137 }, { code: 'PROGRAM_TRUNCATED', reached: true })
test('cut spool', tells, { ready: true, exit: 97, mismatch: 'length' }, { code: 'SPOOL_MISMATCH', reached: true })
const nologin = { exit: 1, noise: 'This account is currently not available.\n' }
test('nologin', tells, nologin, { code: 'SHELL_UNSUPPORTED', reached: true })
const expired = {
  exit: 1,
  stderr: 'WARNING: Your password has expired.\nPassword change required but no TTY available.',
}
test('expired password', tells, expired, { code: 'AUTHENTICATION_FAILED', reached: false })
test('cancelled', tells, { exit: null, stopped: 'cancelled' }, { code: 'CANCELLED', reached: true })
test('late login', tells, { exit: null, stopped: 'ready-timeout' }, { code: 'HOST_TIMEOUT', reached: false })
test(
  'late program',
  tells,
  { exit: null, ready: true, stopped: 'program-timeout' },
  { code: 'HOST_TIMEOUT', reached: true },
)
test(
  'local shell not started',
  tells,
  { exit: null, startFailure: 'spawn EAGAIN' },
  { code: 'CHILD_NOT_STARTED', reached: false },
)

// Texts of sudo 1.9.13 unless another version is named.
const become = { become: true, user: 'ops' }
const noSudo = { exit: 96, noise: 'passway-sudo-missing 123\n' }
test('no sudo', tells, noSudo, { code: 'SUDO_MISSING', reached: true }, become)
const tty = { exit: 1, stderr: 'sudo: sorry, you must have a tty to run sudo' }
test('requiretty', tells, tty, { code: 'BECOME_TTY', reached: true }, become)
const sudoers = { exit: 1, stderr: 'ops is not in the sudoers file.' }
test('not in sudoers', tells, sudoers, { code: 'BECOME_DENIED', reached: true }, become)
const oldSudoers = { exit: 1, stderr: 'ops is not in the sudoers file.  This incident will be reported.' }
test('not in sudoers, sudo 1.8', tells, oldSudoers, { code: 'BECOME_DENIED', reached: true }, become)
const command = { exit: 1, stderr: "Sorry, user ops is not allowed to execute '/usr/bin/sh -c …' as root on pve1." }
test('not this command', tells, command, { code: 'BECOME_DENIED', reached: true }, become)
const rust = { exit: 1, stderr: "sudo: I'm sorry ops. I'm afraid I can't do that" }
test('not in sudoers, sudo-rs', tells, rust, { code: 'BECOME_DENIED', reached: true }, become)
const rustWrong = { exit: 1, stderr: 'sudo: Maximum 1 incorrect authentication attempts' }
test('wrong, sudo-rs', tells, rustWrong, { code: 'BECOME_WRONG', reached: true }, become)
const once = { exit: 1, stderr: 'sudo: 1 incorrect password attempt' }
test('wrong with passwd_tries=1', tells, once, { code: 'BECOME_WRONG', reached: true }, become)
test('second prompt', tells, { exit: null, stopped: 'password-wrong' }, { code: 'BECOME_WRONG', reached: true }, become)
const asked = { exit: null, stopped: 'password-missing' } as const
test('password asked for', tells, asked, { code: 'BECOME_PASSWORD_MISSING', reached: true }, become)
test('no shell with become', tells, nologin, { code: 'SHELL_UNSUPPORTED', reached: true }, become)
test('lost with become', tells, { stderr: refused }, { code: 'CONNECTION_REFUSED', reached: false }, become)

test('evidence leaves out frames of at signs', (t) => {
  const { diagnostic } = classifyFailure(host, { ...run, stderr: changed })
  t.false(diagnostic.evidence?.some((line) => /^@+$/.test(line)))
})

test('evidence is the end', (t) => {
  const stderr = Array.from({ length: 50 }, (_, n) => `line ${n}`).join('\n')
  t.is(classifyFailure(host, { ...run, stderr }).diagnostic.evidence?.at(-1), 'line 49')
})
