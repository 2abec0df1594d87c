import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import type { HostAddress } from '../../src/core/host-address.ts'
import { findEndpoint, findHops, findProxyArgument } from '../../src/host/find-endpoint.ts'
import { quote } from '../../src/host/quote.ts'
import { sshArguments, sshExitArguments } from '../../src/host/ssh-arguments.ts'
import { run } from './sshd.ts'

const host: HostAddress = { name: 'pve1', connection: 'ssh', address: 'pve1', become: false, root: null }

/** Values of `-o` in order; ssh takes the first of a name. */
function findOption(argv: readonly string[], name: string): string | undefined {
  return argv.find((word, at) => argv[at - 1] === '-o' && word.startsWith(`${name}=`))?.slice(name.length + 1)
}

test('a host with nothing set', (t) => {
  const argv = sshArguments(host, ['sh', '-c', "it's"], null)
  t.deepEqual(argv.slice(0, 2), ['ssh', '-T'])
  t.deepEqual(argv.slice(-3), ['--', 'pve1', `exec 'sh' '-c' 'it'\\''s'`])
  t.false(argv.includes('-p') || argv.includes('-l') || argv.includes('-i'))
})

test('what a run needs stands before the common arguments, what they may change after them', (t) => {
  const commonArgs = ['-o', 'BatchMode=no', '-o', 'ConnectTimeout=3', '-o', 'ControlMaster=auto']
  const argv = sshArguments({ ...host, commonArgs }, ['true'], null)
  t.is(findOption(argv, 'BatchMode'), 'yes')
  t.is(findOption(argv, 'ControlMaster'), 'no')
  t.is(findOption(argv, 'ConnectTimeout'), '3')
  t.is(findOption(argv, 'ServerAliveInterval'), '15')
})

test('host key checking is not touched', (t) => {
  t.notRegex(sshArguments(host, ['true'], null).join(' '), /StrictHostKey|KnownHosts|VerifyHostKeyDNS|UpdateHostKeys/i)
})

test('port, user, key and common arguments', (t) => {
  const argv = sshArguments(
    { ...host, port: 2222, user: 'root', privateKeyFile: '~/.ssh/a b', commonArgs: ['-J', 'jump'] },
    ['true'],
    null,
  )
  const text = argv.join('\n')
  t.true(text.includes('-p\n2222\n-l\nroot\n-i\n~/.ssh/a b\n-J\njump\n'))
})

test('an address that looks like an option stays an address', (t) => {
  const argv = sshArguments({ ...host, address: '-oProxyCommand=true' }, ['true'], null)
  t.deepEqual(argv.slice(-3, -1), ['--', '-oProxyCommand=true'])
})

test('a control socket of our own', (t) => {
  const control = { path: '/run/user/0/passway/x', persistSeconds: 30 }
  const argv = sshArguments(host, ['true'], control)
  t.is(findOption(argv, 'ControlMaster'), 'auto')
  t.is(findOption(argv, 'ControlPath'), control.path)
  t.is(findOption(argv, 'ControlPersist'), '30')
  t.deepEqual(sshExitArguments(host, control).slice(-4), ['-O', 'exit', '--', 'pve1'])
})

test('quote', (t) => {
  for (const word of ['', 'a b', "it's", '$HOME `id` "x" \\', 'new\nline', "''"]) {
    t.is(run('sh', '-c', `printf %s ${quote(word)}`), word)
  }
})

test('the bastion in common arguments', (t) => {
  const cases: readonly (readonly [readonly string[], string | undefined])[] = [
    [[], undefined],
    [['-o', 'User=x'], undefined],
    [['-J', 'admin@jump:22,second'], 'jump:22'],
    [['-Jjump'], 'jump'],
    [['-o', 'ProxyJump=jump'], 'jump'],
    [['-oproxyjump jump'], 'jump'],
    [['-o', 'ProxyCommand=ssh -W %h:%p jump'], 'ssh -W %h:%p jump'],
    [['-o', 'ProxyJump=none'], undefined],
  ]
  for (const [words, bastion] of cases) t.is(findProxyArgument(words), bastion)
})

test('the way to a host that only the configuration of ssh names is known once ssh was asked', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'passway-jump-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const path = join(directory, 'config')
  writeFileSync(path, 'Host inner\n  ProxyJump root@outer:2222,[fe80::1]\n')
  const host = { name: 'inner', connection: 'ssh', address: 'inner', become: false, root: null } as const
  const inner = { ...host, commonArgs: ['-F', path] }
  t.deepEqual(findHops(inner), [])
  t.is(await findEndpoint(inner), 'outer:2222')
  t.deepEqual(findHops(inner), [{ address: 'outer', port: 2222 }, { address: 'fe80::1' }])
  t.deepEqual(findHops({ ...inner, commonArgs: ['-F', path, '-J', 'none'] }), [])
})
