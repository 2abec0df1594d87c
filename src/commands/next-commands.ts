import type { HostAddress } from '../core/host-address.ts'
import type { RunContext } from './run-context.ts'

type CommandWords = {
  /** Name of the host it is for; without it the command is for all hosts of this run. */
  readonly host?: string
  readonly playbooks?: readonly string[]
  readonly flags?: readonly string[]
}

/** A passway command line, ready to paste: it reaches the host in the way this run did. */
export function commandLine(
  { options }: RunContext,
  verb: string,
  { host, playbooks = [], flags = [] }: CommandWords,
): string {
  const limit = host ?? options.limit
  const words = [
    'passway',
    verb,
    ...playbooks,
    ...(options.inventory ?? []).flatMap((source) => ['-i', source]),
    ...(limit === undefined || isOnlyHost(options.inventory ?? [], limit) ? [] : ['-l', limit]),
    ...(options.extraVars ?? []).flatMap((word) => ['-e', word]),
    ...(options.become === true && !flags.includes('-b') ? ['-b'] : []),
    ...(options.askBecomePass === true && !flags.includes('-K') ? ['-K'] : []),
    ...(options.user === undefined ? [] : ['-u', options.user]),
    ...(options.privateKey === undefined ? [] : ['--private-key', options.privateKey]),
    ...(verb === 'apply' && options.trial === false && !flags.includes('--no-trial') ? ['--no-trial'] : []),
    ...flags,
  ]
  return words.map(quoteWord).join(' ')
}

/** `-i root@pve1,` names one host: there is nothing to limit. */
function isOnlyHost(inventory: readonly string[], host: string): boolean {
  const [source = '', ...others] = inventory
  return others.length === 0 && source === `${host},`
}

/** The connection by itself, as a person tries it: ssh asks there what it must not ask in a run. */
export function sshCommand({ address, port, user, privateKeyFile, commonArgs = [] }: HostAddress): string {
  const words = [
    'ssh',
    ...(port === undefined ? [] : ['-p', String(port)]),
    ...(user === undefined ? [] : ['-l', user]),
    ...(privateKeyFile === undefined ? [] : ['-i', privateKeyFile]),
    ...commonArgs,
    ...(address.startsWith('-') ? ['--'] : []),
    address,
    'true',
  ]
  return words.map(quoteWord).join(' ')
}

/** For a person's shell; our own programs never see such text. */
export function quoteWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
}
