import { existsSync, readdirSync, readFileSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import type { HostAddress } from '../../src/core/host-address.ts'
import { createPromptWatch } from '../../src/host/become.ts'
import { runProgram, type ProgramEnd } from '../../src/host/run-program.ts'
import { testUnless } from './skip.ts'
import { addressOf, findSshdObstacle, startSshd, type TestSshd } from './sshd.ts'
import { createTestUsers, findUsersObstacle, type TestUser, type TestUsers } from './test-users.ts'

const sudoObstacle = existsSync('/usr/bin/sudo') ? null : 'sudo is not installed'
const sudoTest = testUnless(findSshdObstacle() ?? findUsersObstacle() ?? sudoObstacle)
const program = 'main() { printf "%s %s %s" "$(id -u)" "$1" "$2"; }\nmain "$@"\n'

let server: TestSshd
let users: TestUsers
const people = new Map<string, TestUser>()

sudoTest.before(async () => {
  server = await startSshd(['LogLevel DEBUG3'])
  users = createTestUsers(server.directory)
  const kinds = ['free', 'asked', 'wrong', 'none', 'cached', 'tty', 'denied', 'one', 'seen', 'lecture']
  for (const kind of kinds) people.set(kind, users.add(kind, '/bin/dash'))
  const name = (kind: string): string => personOf(kind).name
  users.allowSudo([
    `${name('free')} ALL=(ALL) NOPASSWD: ALL`,
    ...['asked', 'wrong', 'none', 'cached', 'tty', 'one', 'seen', 'lecture'].map(
      (kind) => `${name(kind)} ALL=(ALL) ALL`,
    ),
    `Defaults:${name('cached')} timestamp_type=global`,
    `Defaults:${name('tty')} requiretty`,
    `Defaults:${name('one')} passwd_tries=1`,
    `Defaults:${name('lecture')} lecture=always, badpass_message=no`,
  ])
})

sudoTest.after.always(async () => {
  users?.removeAll()
  await server?.stop()
})

function personOf(kind: string): TestUser {
  const person = people.get(kind)
  if (!person) throw new Error(kind)
  return person
}

function hostOf(kind: string, becomePassword?: string): HostAddress {
  const login = addressOf(server, { user: personOf(kind).name, become: true })
  return becomePassword === undefined ? login : { ...login, becomePassword }
}

async function become(host: HostAddress): Promise<ProgramEnd> {
  return runProgram(host, { program, data: 'x', readyTimeoutMs: 30_000 })
}

function isRoot(t: ExecutionContext, end: ProgramEnd) {
  t.true(end.ok, JSON.stringify(end))
  if (end.ok) t.regex(end.output.toString(), /^0 x 127\.0\.0\.1 \d+ 127\.0\.0\.1 \d+$/)
}

async function fails(t: ExecutionContext, host: HostAddress, code: string) {
  const end = await become(host)
  t.like(end, { ok: false, reached: true, diagnostic: { code } })
  if (host.becomePassword !== undefined) t.false(JSON.stringify(end).includes(host.becomePassword))
  t.notRegex(JSON.stringify(end), /passway-password/)
}

sudoTest('NOPASSWD, with and without a password known', async (t) => {
  isRoot(t, await become(hostOf('free')))
  isRoot(t, await become(hostOf('free', 'not asked for')))
})

sudoTest('the right password', async (t) => {
  isRoot(t, await become(hostOf('asked', personOf('asked').password)))
})

sudoTest('the right password after a lecture', async (t) => {
  isRoot(t, await become(hostOf('lecture', personOf('lecture').password)))
})

sudoTest('a wrong password is tried once', async (t) => {
  await fails(t, hostOf('wrong', 'guess'), 'BECOME_WRONG')
})

sudoTest('a wrong password where sudo asks once only', async (t) => {
  await fails(t, hostOf('one', 'guess'), 'BECOME_WRONG')
})

sudoTest('no password known', async (t) => {
  await fails(t, hostOf('none'), 'BECOME_PASSWORD_MISSING')
})

sudoTest('a cached ticket', async (t) => {
  isRoot(t, await become(hostOf('cached', personOf('cached').password)))
  isRoot(t, await become(hostOf('cached')))
})

sudoTest('requiretty', async (t) => {
  await fails(t, hostOf('tty', personOf('tty').password), 'BECOME_TTY')
})

sudoTest('not in sudoers', async (t) => {
  await fails(t, hostOf('denied', personOf('denied').password), 'BECOME_DENIED')
})

sudoTest('root needs no sudo', async (t) => {
  isRoot(t, await become(addressOf(server, { become: true })))
})

sudoTest('locally', async (t) => {
  const host: HostAddress = { name: 'here', connection: 'local', address: 'here', become: true, root: null }
  const end = await become(host)
  t.like(end, { ok: true, status: 0 })
})

/** Arguments and environment of all processes here, which are both ends of the connection. */
function readAllProcesses(): string {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.flatMap((pid) => ['cmdline', 'environ'].map((file) => readText(`/proc/${pid}/${file}`))).join('\n')
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

sudoTest('the password is in no argument list, environment or log', async (t) => {
  const { password } = personOf('seen')
  let seen = ''
  const watch = setInterval(() => (seen += readAllProcesses()), 20)
  const slow = 'main() { sleep 0.3; env; set; exit 0; }\nmain "$@"\n'
  const end = await runProgram(hostOf('seen', password), { program: slow, data: '' })
  clearInterval(watch)
  t.true(end.ok)
  t.true(seen.includes('passway-password-'), 'sudo was seen')
  t.false(seen.includes(password))
  t.false(server.readLog().includes(password))
  t.false(JSON.stringify(end.ok && end.output.toString('latin1')).includes(password))
})

test('the prompt is found in any chunks, and only it', (t) => {
  const watch = createPromptWatch('ask:', 'secret')
  t.deepEqual(['as', 'as', 'k:', 'Sorry\nask', ':'].map(watch), ['wait', 'wait', 'send', 'wait', 'wrong'])
  t.is(createPromptWatch('ask:', undefined)('motd ask:'), 'missing')
})
