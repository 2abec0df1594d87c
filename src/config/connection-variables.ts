import { resolve } from 'node:path'
import { error, hasErrors, warning } from '../core/diagnostic.ts'
import type { Diagnostic, SourcePosition } from '../core/diagnostic.ts'
import type { HostAddress } from '../core/host-address.ts'
import type { Scope } from './evaluate-expression.ts'
import { evaluateNode } from './expression.ts'
import type { Inventory } from './inventory.ts'
import { splitShellWords } from './shell-words.ts'
import { positionOf } from './source-node.ts'
import type { PlainValue, SourceNode, Variables } from './source-node.ts'

/** What the command line says for hosts whose variables are silent; as in Ansible, variables win over `-u` and `-b`. */
export type ConnectionOptions = {
  readonly user?: string
  readonly privateKeyFile?: string
  readonly become?: boolean
  readonly becomePassword?: string
}

export type ConnectionRequest = {
  readonly inventory: Inventory
  readonly host: string
  /** All variables of the host with `-e` on top. */
  readonly variables: Variables
  readonly scope: Scope
  readonly options: ConnectionOptions
}

export type ConnectionResult =
  | { readonly ok: true; readonly address: HostAddress; readonly diagnostics: readonly Diagnostic[] }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] }

/** Older names, which Ansible still reads where the newer one is not set. */
const aliases: Readonly<Record<string, string>> = {
  ansible_host: 'ansible_ssh_host',
  ansible_port: 'ansible_ssh_port',
  ansible_user: 'ansible_ssh_user',
  ansible_ssh_private_key_file: 'ansible_private_key_file',
  ansible_become_password: 'ansible_become_pass',
}

type Reading = ConnectionRequest & { readonly diagnostics: Diagnostic[] }

/** Without meaning where no Python runs on the host, or read elsewhere: nothing is lost by not reading them. */
const moot =
  /^ansible_(\w+_interpreter|group_priority|ssh_retries|ssh_pipelining|pipelining|ssh_transfer_method|facts\w*)$/

/** What Ansible's connections know and passway does not: named, with the way to do it. */
const unsupported: Readonly<Record<string, string>> = {
  ansible_password: 'passway never sends ssh passwords: use a key or an agent',
  ansible_ssh_pass: 'passway never sends ssh passwords: use a key or an agent',
  ansible_ssh_password: 'passway never sends ssh passwords: use a key or an agent',
  ansible_ssh_extra_args: 'put them into ansible_ssh_common_args or ~/.ssh/config',
  ansible_ssh_args: 'put them into ansible_ssh_common_args or ~/.ssh/config',
  ansible_ssh_executable: 'passway runs the ssh of your PATH',
  ansible_host_key_checking: 'passway never weakens host key checking',
  ansible_ssh_host_key_checking: 'passway never weakens host key checking',
  ansible_become_exe: 'passway runs the sudo of the host',
  ansible_become_flags: 'passway gives sudo its own options',
  ansible_shell_type: 'passway needs a POSIX shell, sh',
  ansible_shell_executable: 'passway runs sh',
  ansible_scp_extra_args: 'passway copies no files',
  ansible_sftp_extra_args: 'passway copies no files',
  ansible_remote_tmp: 'passway writes no temporary files there',
}

/** By its name: it says how a host is reached, not what is done there. */
export function isConnectionVariable(name: string): boolean {
  return /^(ansible|passway)_/.test(name)
}

/** Reads how a host is reached. There is no implicit localhost: `-i localhost, -e ansible_connection=local`. */
export function readHostAddress(request: ConnectionRequest): ConnectionResult {
  const reading: Reading = { ...request, diagnostics: [] }
  nameUnsupported(reading)
  const connection = readConnection(reading)
  const user = readOptional(reading, 'ansible_user') ?? request.options.user
  const port = readPort(reading)
  const privateKeyFile = readOptional(reading, 'ansible_ssh_private_key_file') ?? request.options.privateKeyFile
  const commonArgs = readCommonArgs(reading)
  const power = readPower(reading)
  const becomePassword = readOptional(reading, 'ansible_become_password') ?? request.options.becomePassword
  const address: HostAddress = {
    name: request.host,
    connection: connection === 'ssh' ? 'ssh' : 'local',
    address: connection === 'chroot' ? request.host : readAddress(reading),
    ...(user === undefined ? {} : { user }),
    ...(port === undefined ? {} : { port }),
    ...(privateKeyFile === undefined ? {} : { privateKeyFile }),
    ...(commonArgs === undefined ? {} : { commonArgs }),
    become: readBecome(reading),
    ...(becomePassword === undefined ? {} : { becomePassword }),
    root: readRoot(reading, connection),
    ...(power === undefined ? {} : { power }),
  }
  const { diagnostics } = reading
  return hasErrors(diagnostics) ? { ok: false, diagnostics } : { ok: true, address, diagnostics }
}

/** A line that holds a password is never shown. */
function placeOf(name: string, node: SourceNode): SourcePosition {
  const position = positionOf(node.span)
  const { file, line, column } = position
  return /_pass(word)?$/.test(name) ? { file, line, column } : position
}

function refuse(reading: Reading, name: string, message: string, hint?: string): void {
  const node = reading.variables.get(name)
  const source = node && placeOf(name, node)
  const details = { ...(source === undefined ? {} : { source }), ...(hint === undefined ? {} : { hint }) }
  reading.diagnostics.push(error('CONNECTION_INVALID', message, details))
}

function nameUnsupported(reading: Reading): void {
  for (const [name, node] of reading.variables) {
    const hint = Object.hasOwn(unsupported, name) ? unsupported[name] : undefined
    if (hint === undefined || moot.test(name)) continue
    const message = `passway does not read ${name}`
    reading.diagnostics.push(warning('CONNECTION_VARIABLE_UNSUPPORTED', message, { source: placeOf(name, node), hint }))
  }
  requireWord(reading, 'ansible_become_user', ['root'], 'passway becomes root and nobody else')
  requireWord(reading, 'ansible_become_method', ['sudo', 'ansible.builtin.sudo'], 'passway becomes root by sudo')
}

function requireWord(reading: Reading, name: string, words: readonly string[], message: string): void {
  const value = readOptional(reading, name)
  if (value !== undefined && !words.includes(value)) refuse(reading, name, message)
}

function readValue(reading: Reading, name: string): PlainValue | undefined {
  const node: SourceNode | undefined = reading.variables.get(name) ?? reading.variables.get(aliases[name] ?? name)
  if (node === undefined) return undefined
  const result = evaluateNode(node, reading.scope)
  if (result.ok) return result.value
  reading.diagnostics.push(...result.diagnostics)
  if (result.needsFacts) refuse(reading, name, `${name} cannot depend on facts: they are read over this connection`)
  return undefined
}

/** Text, or a number that was meant as text; nothing counts as not set. */
function readOptional(reading: Reading, name: string): string | undefined {
  const value = readValue(reading, name)
  if (value === undefined || value === null || value === '') return undefined
  if (typeof value === 'string' || typeof value === 'number') return String(value)
  refuse(reading, name, `${name} is text`)
  return undefined
}

function readConnection(reading: Reading): 'ssh' | 'local' | 'chroot' {
  const value = readOptional(reading, 'ansible_connection') ?? 'ssh'
  const word = value.replace(/^(ansible\.builtin|community\.general)\./, '')
  if (word === 'smart' || word === 'ssh') return 'ssh'
  if (word === 'local' || word === 'chroot') return word
  refuse(
    reading,
    'ansible_connection',
    `passway has no connection ${JSON.stringify(value)}`,
    'it has ssh, local and chroot',
  )
  return 'ssh'
}

/** What ssh would take for an option or the shell for several words is refused. */
function readAddress(reading: Reading): string {
  const value = readOptional(reading, 'ansible_host') ?? reading.host
  if (/^-|[\0-\x20\x7f]/.test(value)) refuse(reading, 'ansible_host', `${JSON.stringify(value)} is no address`)
  return value
}

function readPort(reading: Reading): number | undefined {
  const value = readOptional(reading, 'ansible_port')
  if (value === undefined) return undefined
  const port = /^\d+$/.test(value) ? Number(value) : 0
  if (port >= 1 && port <= 65_535) return port
  refuse(reading, 'ansible_port', `${JSON.stringify(value)} is no port`, 'a port is a number from 1 to 65535')
  return undefined
}

function readCommonArgs(reading: Reading): readonly string[] | undefined {
  const value = readOptional(reading, 'ansible_ssh_common_args')
  if (value === undefined) return undefined
  const words = splitShellWords(value)
  if (words.ok) return words.words.map((word) => word.text)
  refuse(reading, 'ansible_ssh_common_args', `ansible_ssh_common_args: ${words.message}`)
  return undefined
}

/** Text is split into words as a shell does, a list is taken as it is; no shell ever sees either. */
function readPower(reading: Reading): readonly string[] | undefined {
  const value = readValue(reading, 'passway_power')
  if (value === undefined || value === null || value === '') return undefined
  const split = typeof value === 'string' ? splitShellWords(value) : undefined
  const words = split === undefined ? value : split.ok ? split.words.map((word) => word.text) : undefined
  const isCommand = (list: unknown): list is readonly string[] =>
    Array.isArray(list) && list.length > 0 && list.every((word) => typeof word === 'string' && !word.includes('\0'))
  if (isCommand(words) && words[0] !== '') return words
  const why = split?.ok === false ? `: ${split.message}` : ''
  refuse(reading, 'passway_power', `passway_power is a command and its arguments, as text or as a list${why}`)
  return undefined
}

const booleans = new Map<PlainValue, boolean>([
  ...['yes', 'true', 'on', '1', 'y', 't'].map((word): [PlainValue, boolean] => [word, true]),
  ...['no', 'false', 'off', '0', 'n', 'f', ''].map((word): [PlainValue, boolean] => [word, false]),
])

/** Ansible's words for booleans, in any case. */
function readBecome(reading: Reading): boolean {
  const value = readValue(reading, 'ansible_become')
  if (value === undefined || value === null) return reading.options.become ?? false
  const become =
    typeof value === 'boolean' ? value : booleans.get(typeof value === 'object' ? value : String(value).toLowerCase())
  if (become === undefined) refuse(reading, 'ansible_become', 'ansible_become is true or false')
  return become ?? false
}

/** With `local` and `chroot` a relative tree stands beside the inventory file; over ssh it must be absolute. */
function readRoot(reading: Reading, connection: 'ssh' | 'local' | 'chroot'): string | null {
  const name = connection === 'chroot' ? 'ansible_host' : 'passway_root'
  const root = readOptional(reading, name) ?? (connection === 'chroot' ? reading.host : undefined)
  if (root === undefined) return null
  if (connection === 'ssh') {
    if (!root.startsWith('/')) refuse(reading, name, 'passway_root on another machine is an absolute path')
    return root
  }
  return resolve(reading.inventory.hosts.get(reading.host)?.directory ?? '.', root)
}
