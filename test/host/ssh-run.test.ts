import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { runProgram, type ProgramEnd } from '../../src/host/run-program.ts'
import { startFlakyProxy } from './flaky-proxy.ts'
import { testUnless } from './skip.ts'
import { addressOf, findFreePort, findSshdObstacle, startSshd, type TestSshd } from './sshd.ts'
import { createTestUsers, findUsersObstacle, type TestUsers } from './test-users.ts'

const test = testUnless(findSshdObstacle() ?? findUsersObstacle())
const echo = 'main() { printf "%s|%s" "$1" "$2"; exit 5; }\nmain "$@"\n'

let server: TestSshd
let users: TestUsers

test.before(async () => {
  server = await startSshd(['PermitUserEnvironment yes'])
  users = createTestUsers(server.directory)
})

test.after.always(async () => {
  users?.removeAll()
  await server?.stop()
})

function textOf(t: ExecutionContext, end: ProgramEnd): string {
  if (!end.ok) throw new Error(JSON.stringify(end.diagnostic))
  t.is(end.status, 5)
  return end.output.toString('latin1')
}

function codeOf(end: ProgramEnd): string {
  return end.ok ? 'OK' : `${end.diagnostic.code} ${end.reached ? 'reached' : 'not reached'}`
}

/** Command lines of processes that hold this text. */
function findProcesses(text: string): readonly string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.map(readCommandLine).filter((line) => line.includes(text))
}

function readCommandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1')
  } catch {
    return ''
  }
}

test('gives data, SSH_CONNECTION, output and status; the connection starts before the data is there', async (t) => {
  let connected = ''
  const data = new Promise<string>((resolve) => {
    const look = (): void => {
      connected = server.readLog()
      if (connected.includes('Accepted publickey')) resolve('a\t%FF\n')
      else setTimeout(look, 20)
    }
    look()
  })
  const end = await runProgram(addressOf(server), { program: echo, data })
  t.regex(textOf(t, end), new RegExp(`^a\t%FF\n\\|127.0.0.1 \\d+ 127.0.0.1 ${server.port}$`))
})

test('hands on lines as they come', async (t) => {
  const lines: string[] = []
  const program = 'main() { echo one; sleep 0.2; printf two; sleep 0.2; echo; printf three; exit 5; }\nmain "$@"\n'
  const times: number[] = []
  const start = Date.now()
  const onLine = (line: string): void => {
    lines.push(line)
    times.push(Date.now() - start)
  }
  const end = await runProgram(addressOf(server), { program, data: '', onLine })
  t.is(textOf(t, end), 'one\ntwo\nthree')
  t.deepEqual(lines, ['one', 'two', 'three'])
  t.true((times[1] ?? 0) - (times[0] ?? 0) > 250)
})

test('megabytes both ways', async (t) => {
  const program = 'main() { printf %s "$1"; head -c 3000000 /dev/zero; exit 5; }\nmain "$@"\n'
  const data = 'path\t%2Fetc\n'.repeat(100_000)
  const output = textOf(t, await runProgram(addressOf(server), { program, data }))
  t.is(output.length, data.length + 3_000_000)
  t.true(output.startsWith(data))
})

async function worksInShell(t: ExecutionContext, kind: string, path: string) {
  const user = users.add(kind, path)
  for (const file of ['.bashrc', '.cshrc', '.zshenv', '.profile']) {
    writeFileSync(join(user.home, file), 'echo noise\nprintf "no line end"\nsh -c "echo trouble >&2"\n')
  }
  const end = await runProgram(addressOf(server, { user: user.name }), { program: echo, data: 'x' })
  t.regex(textOf(t, end), /^x\|127/)
}

for (const path of ['/bin/dash', '/bin/bash', '/usr/bin/zsh', '/usr/bin/fish', '/bin/csh']) {
  const kind = path.slice(path.lastIndexOf('/') + 1)
  const shellTest = existsSync(path) ? test : testUnless(`${kind} is not installed`)
  shellTest(`login shell ${kind}, start-up files that print`, worksInShell, kind, path)
}

const busyboxTest = existsSync('/bin/busybox') ? test : testUnless('busybox is not installed')
busyboxTest('login shell busybox sh', async (t) => {
  const directory = join(server.directory, 'busybox')
  mkdirSync(directory)
  symlinkSync('/bin/busybox', join(directory, 'sh'))
  await worksInShell(t, 'busybox', join(directory, 'sh'))
})

test('no shell', async (t) => {
  const user = users.add('nologin', '/usr/sbin/nologin')
  const end = await runProgram(addressOf(server, { user: user.name }), { program: echo, data: '' })
  t.is(codeOf(end), 'SHELL_UNSUPPORTED reached')
  t.true(!end.ok && end.diagnostic.evidence?.some((line) => line.includes('not available')))
})

test('refused port', async (t) => {
  const port = await findFreePort()
  t.is(
    codeOf(await runProgram(addressOf(server, { port }), { program: echo, data: '' })),
    'CONNECTION_REFUSED not reached',
  )
})

test('unknown name', async (t) => {
  const end = await runProgram(addressOf(server, { address: 'passway.invalid' }), { program: echo, data: '' })
  t.is(codeOf(end), 'HOST_NAME_UNKNOWN not reached')
})

test('unknown host key', async (t) => {
  const commonArgs = [...server.commonArgs, '-o', 'UserKnownHostsFile=/dev/null']
  const end = await runProgram(addressOf(server, { commonArgs }), { program: echo, data: '' })
  t.is(codeOf(end), 'HOST_KEY_UNKNOWN not reached')
})

test('host key that is not asked for in batch mode', async (t) => {
  const commonArgs = [...server.commonArgs, '-o', 'UserKnownHostsFile=/dev/null', '-o', 'StrictHostKeyChecking=ask']
  const end = await runProgram(addressOf(server, { commonArgs }), { program: echo, data: '' })
  t.is(codeOf(end), 'HOST_KEY_UNKNOWN not reached')
})

test('changed host key', async (t) => {
  const known = join(server.directory, 'known_wrong')
  const key = readFileSync(`${server.clientKey}.pub`, 'utf8').split(' ').slice(0, 2).join(' ')
  writeFileSync(known, `[127.0.0.1]:${server.port} ${key}\n`)
  const commonArgs = [...server.commonArgs, '-o', `UserKnownHostsFile=${known}`]
  const end = await runProgram(addressOf(server, { commonArgs }), { program: echo, data: '' })
  t.is(codeOf(end), 'HOST_KEY_CHANGED not reached')
})

test('login refused', async (t) => {
  const commonArgs = [...server.commonArgs, '-o', 'PubkeyAuthentication=no']
  const end = await runProgram(addressOf(server, { commonArgs }), { program: echo, data: '' })
  t.is(codeOf(end), 'AUTHENTICATION_FAILED not reached')
})

test('wrong option in common arguments', async (t) => {
  const commonArgs = [...server.commonArgs, '-o', 'NoSuchOption=1']
  const end = await runProgram(addressOf(server, { commonArgs }), { program: echo, data: '' })
  t.is(codeOf(end), 'SSH_CONFIG_INVALID not reached')
})

test('a server that says nothing', async (t) => {
  const proxy = await startFlakyProxy(server.port, () => new Promise(() => {}))
  t.teardown(proxy.stop)
  const commonArgs = [...server.commonArgs, '-o', 'ConnectTimeout=1']
  const end = await runProgram(addressOf(server, { port: proxy.port, commonArgs }), { program: echo, data: '' })
  t.is(codeOf(end), 'CONNECTION_TIMED_OUT not reached')
})

test("the user's configuration cannot add commands, forwardings or a terminal", async (t) => {
  const config = join(server.directory, 'ssh_config_wild')
  const touched = join(server.directory, 'touched')
  const base = readFileSync(join(server.directory, 'ssh_config'), 'utf8')
  const wild = [
    '  RemoteCommand echo remote',
    '  PermitLocalCommand yes',
    `  LocalCommand touch ${touched}`,
    '  RequestTTY force',
    '  ForwardAgent yes',
    `  LocalForward ${await findFreePort()} 127.0.0.1:1`,
    '  BatchMode no',
    '  LogLevel QUIET',
    `  ControlMaster auto`,
    `  ControlPath ${server.directory}/theirs`,
  ]
  writeFileSync(config, `${base}${wild.join('\n')}\n`)
  const program = 'main() { echo "${SSH_AUTH_SOCK-none} ${SSH_TTY-none}"; exit 5; }\nmain "$@"\n'
  const end = await runProgram(addressOf(server, { commonArgs: ['-F', config] }), { program, data: '' })
  t.is(textOf(t, end), 'none none\n')
  t.false(existsSync(touched))
  t.false(existsSync(`${server.directory}/theirs`))
})

/** Known to the test's configuration by the key alone, whatever port a proxy has. */
function behind(port: number): ReturnType<typeof addressOf> {
  return addressOf(server, {
    port,
    commonArgs: [...server.commonArgs, '-o', `HostKeyAlias=[127.0.0.1]:${server.port}`],
  })
}

test('connects again when connections are dropped before the login', async (t) => {
  const proxy = await startFlakyProxy(server.port, async (n) => n > 2)
  t.teardown(proxy.stop)
  t.is(textOf(t, await runProgram(behind(proxy.port), { program: echo, data: 'x' })).slice(0, 2), 'x|')
  t.is(proxy.accepted(), 3)
})

test('gives up on that in the end, and at once where told so', async (t) => {
  const proxy = await startFlakyProxy(server.port, async () => false)
  t.teardown(proxy.stop)
  const once = await runProgram(behind(proxy.port), { program: echo, data: '', retry: false })
  t.is(codeOf(once), 'CONNECTION_LOST not reached')
  t.is(proxy.accepted(), 1)
  t.is(codeOf(await runProgram(behind(proxy.port), { program: echo, data: '' })), 'CONNECTION_LOST not reached')
  t.is(proxy.accepted(), 5)
})

test('never more than eight logins at a time', async (t) => {
  const waiting: (() => void)[] = []
  let most = 0
  const proxy = await startFlakyProxy(server.port, async () => {
    const go = new Promise<void>((resolve) => waiting.push(resolve))
    most = Math.max(most, waiting.length)
    // Once eight are there, a ninth would have time to come.
    if (waiting.length >= 8) setTimeout(() => waiting.splice(0).forEach((next) => next()), 400)
    setTimeout(() => waiting.splice(0).forEach((next) => next()), 5000).unref()
    await go
    return true
  })
  t.teardown(proxy.stop)
  const runs = Array.from({ length: 16 }, () => runProgram(behind(proxy.port), { program: echo, data: 'x' }))
  for (const end of await Promise.all(runs)) t.is(codeOf(end), 'OK')
  t.is(most, 8)
})

test('a connection that is cut', async (t) => {
  const proxy = await startFlakyProxy(server.port, async () => true)
  t.teardown(proxy.stop)
  const program = 'main() { echo begun; sleep 30; }\nmain "$@"\n'
  const end = await runProgram(behind(proxy.port), { program, data: '', onLine: () => proxy.cut() })
  t.is(codeOf(end), 'CONNECTION_LOST reached')
})

test('a program that is killed', async (t) => {
  const end = await runProgram(addressOf(server), { program: 'kill -9 $$\n', data: '' })
  t.is(codeOf(end), 'PROGRAM_TRUNCATED reached')
})

test('a program that takes too long', async (t) => {
  const before = Date.now()
  const end = await runProgram(addressOf(server), { program: 'sleep 31.7\n', data: '', timeoutMs: 300 })
  t.is(codeOf(end), 'HOST_TIMEOUT reached')
  t.true(Date.now() - before < 10_000)
})

test('ends when told so, and leaves no process here', async (t) => {
  const mark = `-oIdentityFile=/nonexistent/${Math.random()}`
  const commonArgs = [...server.commonArgs, mark]
  const controller = new AbortController()
  let during: readonly string[] = []
  const program = 'main() { echo begun; sleep 30; }\nmain "$@"\n'
  const onLine = (): void => {
    during = findProcesses(mark)
    controller.abort()
  }
  const end = await runProgram(addressOf(server, { commonArgs }), {
    program,
    data: '',
    onLine,
    signal: controller.signal,
  })
  t.is(codeOf(end), 'CANCELLED reached')
  t.is(during.length, 1)
  t.deepEqual(findProcesses(mark), [])
})

test('ends when it was told so before it began', async (t) => {
  const end = await runProgram(addressOf(server), { program: echo, data: '', signal: AbortSignal.abort() })
  t.is(codeOf(end), 'CANCELLED reached')
})

test('data that cannot be had is thrown on, and ends the connection', async (t) => {
  const mark = `-oIdentityFile=/nonexistent/${Math.random()}`
  const data = new Promise<string>((_, reject) => setTimeout(reject, 50, new Error('no plan')))
  const host = addressOf(server, { commonArgs: [...server.commonArgs, mark] })
  await t.throwsAsync(runProgram(host, { program: echo, data }), { message: 'no plan' })
  t.deepEqual(findProcesses(mark), [])
})

test('through a jump host, which is found in the configuration', async (t) => {
  const config = join(server.directory, 'ssh_config_jump')
  const base = readFileSync(join(server.directory, 'ssh_config'), 'utf8')
  const jump = `Host jump\n  HostName localhost\n  Port ${server.port}\n  HostKeyAlias [127.0.0.1]:${server.port}\nHost behind\n  HostName 127.0.0.1\n  HostKeyAlias [127.0.0.1]:${server.port}\n  ProxyJump jump\n`
  writeFileSync(config, `${jump}${base}`)
  const host = addressOf(server, { address: 'behind', commonArgs: ['-F', config] })
  t.is(textOf(t, await runProgram(host, { program: echo, data: 'x' })).slice(0, 2), 'x|')
})

test('on this machine without ssh', async (t) => {
  const host = { name: 'here', connection: 'local', address: 'here', become: false, root: null } as const
  t.is(textOf(t, await runProgram(host, { program: echo, data: 'x' })), `x|${process.env['SSH_CONNECTION'] ?? ''}`)
  t.is(codeOf(await runProgram(host, { program: 'sleep 30\n', data: '', timeoutMs: 100 })), 'HOST_TIMEOUT reached')
})
