import { readdirSync, readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import type { HostAddress } from '../core/host-address.ts'
import { sshQueryArguments } from './ssh-arguments.ts'
import { startChild } from './start-child.ts'

/**
 * Whose sshd takes the handshake of this host first: its bastion or the host itself. Where the user's configuration
 * names no proxy at all this takes nothing; else ssh is asked (`ssh -G`, some 10 ms).
 */
export async function findEndpoint(host: HostAddress): Promise<string> {
  if (host.connection === 'local') return ''
  const words = host.commonArgs ?? []
  const proxy = findProxyArgument(words) ?? (mayHaveProxy(words) ? await askForProxy(host) : undefined)
  return proxy ?? `${host.address}:${host.port ?? ''}`
}

/** `-J a`, `-Ja`, `-o ProxyJump=a`, `-oProxyJump=a`, and the same with ProxyCommand. */
export function findProxyArgument(words: readonly string[]): string | undefined {
  for (const [index, word] of words.entries()) {
    const next = words[index + 1] ?? ''
    if (word === '-J') return firstHop(next)
    if (word.startsWith('-J')) return firstHop(word.slice(2))
    if (!word.startsWith('-o')) continue
    const proxy = parseProxyOption(word === '-o' ? next : word.slice(2))
    if (proxy !== undefined) return proxy
  }
  return undefined
}

/** `proxyjump a,b` or `ProxyCommand=…`; the first hop of a list stands for the whole way. */
function parseProxyOption(line: string): string | undefined {
  const match = /^\s*(proxyjump|proxycommand)[\s=]+(.+)$/i.exec(line)
  if (!match || match[2] === undefined || match[2] === 'none') return undefined
  return match[1]?.toLowerCase() === 'proxyjump' ? firstHop(match[2]) : match[2]
}

/** Another user of the same bastion is the same sshd. */
function firstHop(jumps: string): string {
  const hop = jumps.split(',')[0] ?? jumps
  return hop.slice(hop.lastIndexOf('@') + 1)
}

/** A jump host, as it is named. */
export type Hop = { readonly address: string; readonly port?: number }

/** The jump hosts on the way to a host, as its own arguments name them, or as ssh said when it was asked. */
export function findHops(host: HostAddress): readonly Hop[] {
  const jumps = findJumps(host.commonArgs ?? []) ?? known.get(formatKey(host)) ?? ''
  return jumps.split(',').flatMap((jump) => parseHop(jump.trim()) ?? [])
}

function findJumps(words: readonly string[]): string | undefined {
  for (const [index, word] of words.entries()) {
    const next = words[index + 1] ?? ''
    const jump = word === '-J' ? next : word.startsWith('-J') ? word.slice(2) : undefined
    const option = word === '-o' ? next : word.startsWith('-o') ? word.slice(2) : ''
    const jumps = jump ?? /^\s*proxyjump[\s=]+(.+)$/i.exec(option)?.[1]
    if (jumps !== undefined) return jumps === 'none' ? '' : jumps
  }
  return undefined
}

/** `[user@]host[:port]` or `ssh://[user@]host[:port]`, an IPv6 address in brackets (ssh(1), -J). */
function parseHop(text: string): Hop | undefined {
  const match = /^(?:ssh:\/\/)?(?:[^@]*@)?(?:\[([^\]]+)\]|([^:/]+))(?::(\d+))?\/?$/.exec(text)
  const address = match?.[1] ?? match?.[2]
  if (address === undefined) return undefined
  return { address, ...(match?.[3] !== undefined && { port: Number(match[3]) }) }
}

/** ProxyJump of hosts that ssh was asked for. */
const known = new Map<string, string>()

function formatKey({ address, port, user, commonArgs }: HostAddress): string {
  return JSON.stringify([address, port, user, commonArgs])
}

async function askForProxy(host: HostAddress): Promise<string | undefined> {
  const output: Buffer[] = []
  const child = startChild(sshQueryArguments(host), {
    detached: true,
    onStdout: (chunk) => output.push(chunk),
    onStderr: () => {},
  })
  child.finish()
  await child.ended
  const lines = Buffer.concat(output).toString('utf8').split('\n')
  const jumps = lines.map((line) => /^proxyjump (.+)$/i.exec(line)?.[1]).find((each) => each !== undefined)
  if (jumps !== undefined && jumps !== 'none') known.set(formatKey(host), jumps)
  return lines.map(parseProxyOption).find((proxy) => proxy !== undefined)
}

const answers = new Map<string, boolean>()

function mayHaveProxy(words: readonly string[]): boolean {
  const at = words.indexOf('-F')
  const own = at < 0 ? words.find((word) => word.startsWith('-F'))?.slice(2) : words[at + 1]
  const known = answers.get(own ?? '')
  if (known !== undefined) return known
  const answer = (own === undefined ? listUserConfigurations() : [own]).some(mentionsProxy)
  answers.set(own ?? '', answer)
  return answer
}

/** ssh_config(5), "FILES". */
function listUserConfigurations(): readonly string[] {
  const snippets = '/etc/ssh/ssh_config.d'
  return [
    join(userInfo().homedir, '.ssh/config'),
    '/etc/ssh/ssh_config',
    ...listNames(snippets).map((name) => join(snippets, name)),
  ]
}

/** True as well where it includes files that are not looked at here. */
function mentionsProxy(path: string): boolean {
  const text = readText(path)
  const included = text.replaceAll(/^\s*include\s+\/etc\/ssh\/ssh_config\.d\/\*\.conf\s*$/gim, '')
  return /^\s*(?:proxyjump|proxycommand|include)\b/im.test(included)
}

function listNames(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
