import type { HostAddress } from '../core/host-address.ts'
import { quote } from './quote.ts'

/** A private control socket: `path` is shared by all connections of this run to that host. */
export type ControlSocket = { readonly path: string; readonly persistSeconds: number }

/** For ssh the first value of an option counts: these cannot be changed by the inventory or the user's configuration. */
const fixedOptions = [
  'BatchMode=yes',
  'ClearAllForwardings=yes',
  'ForwardAgent=no',
  'ForwardX11=no',
  'Tunnel=no',
  'PermitLocalCommand=no',
  'RemoteCommand=none',
  // Failures are told apart by messages that a quieter level hides.
  'LogLevel=INFO',
]

/** These the inventory's common arguments may change, for they stand after them. */
const defaultOptions = ['ConnectTimeout=10', 'ServerAliveInterval=15', 'ServerAliveCountMax=4']

/**
 * The argument list of ssh. Everything else is the user's own configuration: keys, agent, jump hosts, known hosts and
 * how strictly host keys are checked.
 */
export function sshArguments(host: HostAddress, command: readonly string[], control: ControlSocket | null): string[] {
  return [
    ...connectionArguments(host, control),
    ...(control === null ? [] : ['-o', `ControlPersist=${control.persistSeconds}`]),
    '--',
    host.address,
    `exec ${command.map(quote).join(' ')}`,
  ]
}

/** Tells the master of a control socket to end. */
export function sshExitArguments(host: HostAddress, control: ControlSocket): string[] {
  return [...connectionArguments(host, control), '-O', 'exit', '--', host.address]
}

/** Prints the configuration that ssh would use, without a connection. */
export function sshQueryArguments(host: HostAddress): string[] {
  return [...connectionArguments(host, null), '-G', '--', host.address]
}

function connectionArguments(host: HostAddress, control: ControlSocket | null): string[] {
  return [
    'ssh',
    '-T',
    ...asOptions(fixedOptions),
    ...asOptions(controlOptions(control)),
    ...(host.port === undefined ? [] : ['-p', String(host.port)]),
    ...(host.user === undefined ? [] : ['-l', host.user]),
    ...(host.privateKeyFile === undefined ? [] : ['-i', host.privateKeyFile]),
    ...(host.commonArgs ?? []),
    ...asOptions(defaultOptions),
  ]
}

/** Without a socket of our own, one of the user's is not used either: its options are not those above. */
function controlOptions(control: ControlSocket | null): string[] {
  if (control === null) return ['ControlMaster=no', 'ControlPath=none']
  return ['ControlMaster=auto', `ControlPath=${control.path}`]
}

function asOptions(options: readonly string[]): string[] {
  return options.flatMap((option) => ['-o', option])
}
