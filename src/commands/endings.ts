import type { Diagnostic } from '../core/diagnostic.ts'
import type { HostAddress } from '../core/host-address.ts'
import type { ApplyResult } from '../host/execute.ts'
import type { HostStatus } from '../report/documents.ts'
import { commandLine, sshCommand } from './next-commands.ts'
import type { RebootOutcome } from './reboot-host.ts'
import type { RunContext } from './run-context.ts'

/** How a host ended that did not end well: its state and how that is known, and one command to run next. */
export type Ending = { readonly state: string; readonly next: string }

/** The command that is run, to be run again. */
export type Command = {
  readonly verb: string
  readonly playbooks?: readonly string[]
  readonly flags?: readonly string[]
}

/** Of a host to which nothing that writes was sent. */
export function endingUnwritten(
  context: RunContext,
  address: HostAddress,
  {
    status,
    diagnostics,
    command,
  }: { readonly status: HostStatus; readonly diagnostics: readonly Diagnostic[]; readonly command: Command },
): Ending | null {
  if (status === 'ok') return null
  const again = (flags: readonly string[] = []): string => commandAgain(context, address.name, command, flags)
  if (status === 'refused')
    return {
      state: 'as it was: this was refused before anything was written',
      next: again(insistingFlags(command, diagnostics)),
    }
  if (diagnostics.some(({ code }) => code.startsWith('BECOME_')))
    return { state: 'as it was: passway did not become root there', next: again(['-b', '-K']) }
  if (status === 'unreachable')
    return {
      state: 'as it was: it was not reached, and nothing was sent',
      next: address.connection === 'ssh' ? sshCommand(address) : again(),
    }
  const isLogin = diagnostics.some(({ code }) => code === 'SHELL_UNSUPPORTED') && address.connection === 'ssh'
  return {
    state: 'as it was: it was only read from, and that ended early',
    next: isLogin ? sshCommand(address) : again(),
  }
}

function commandAgain(context: RunContext, host: string, command: Command, more: readonly string[]): string {
  const { verb, playbooks = [], flags = [] } = command
  return commandLine(context, verb, { host, playbooks, flags: [...new Set([...flags, ...more])] })
}

/** What lets a command through that was refused, once a person has looked; by code. */
const insisting: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  apply: { TRIAL_UNSUPPORTED: '--no-trial' },
  rollback: { NEWER_RECORDS: '--through', CHANGED_SINCE: '--force' },
}

function insistingFlags({ verb }: Command, diagnostics: readonly Diagnostic[]): string[] {
  const codes = diagnostics.filter(({ severity }) => severity === 'error').map(({ code }) => code)
  return Object.entries(insisting[verb] ?? {}).flatMap(([code, flag]) => (codes.includes(code) ? [flag] : []))
}

/** Of a host on which the agent ran; null where all went well. */
export function endingWritten(
  context: RunContext,
  address: HostAddress,
  {
    result,
    boot,
    command,
  }: { readonly result: ApplyResult; readonly boot: RebootOutcome | null; readonly command: Command },
): Ending | null {
  const host = address.name
  const again = commandAgain(context, host, command, [])
  const records = commandLine(context, 'records', { host })
  const wanted = command.verb === 'rollback' ? ['reverted'] : ['committed', 'staged']
  const isWanted = wanted.includes(result.outcome)
  if (isWanted) return boot === null ? null : endingOfBoot(context, address, boot)
  if (result.outcome === 'refused')
    return {
      state: 'as it was: its agent refused before the first write',
      next: refusedNext(context, host, result, command),
    }
  if (result.outcome === 'reverted')
    return { state: 'as it was before: its agent reverted everything and read it back', next: again }
  if (result.outcome === 'failed')
    return {
      state: `record ${result.record ?? '?'} is ${result.state ?? 'open'}, as its agent said last; the next run there finishes or reverts it first`,
      next: command.verb === 'rollback' ? records : commandLine(context, 'rollback', { host }),
    }
  if (!result.reached) return { state: 'as it was, as far as is known: it was not reached any more', next: records }
  return { state: 'not known: nothing was heard of the agent any more, which goes on by itself', next: records }
}

function refusedNext(context: RunContext, host: string, { diagnostics }: ApplyResult, command: Command): string {
  const codes = diagnostics.map(({ code }) => code)
  if (codes.includes('LOCKED') || codes.includes('RECORD_OPEN')) return commandLine(context, 'records', { host })
  return commandAgain(context, host, command, insistingFlags(command, diagnostics))
}

/** Of a host that was to boot; null where it booted as predicted. */
export function endingOfBoot(context: RunContext, address: HostAddress, boot: RebootOutcome): Ending | null {
  const host = address.name
  if (boot.status === 'ok') return null
  if (address.root !== null)
    return {
      state: 'not booted: a directory tree has nothing to boot',
      next: commandLine(context, 'records', { host }),
    }
  if (boot.status === 'refused')
    return { state: 'still running: it refused to reboot', next: commandLine(context, 'reboot', { host }) }
  if (!boot.isBack)
    return {
      state: boot.isAsked
        ? 'not known: it was told to reboot and has not answered since'
        : 'as it was: it was not reached',
      next: address.connection === 'ssh' ? sshCommand(address) : commandLine(context, 'records', { host }),
    }
  return {
    state:
      boot.rows.length > 0
        ? 'rebooted, and not as predicted: it was read over a new connection'
        : 'rebooted: it showed a new boot id, and could not be read then',
    next: commandLine(context, 'rollback', { host, flags: ['--reboot'] }),
  }
}
