import { type Command, InvalidArgumentError, Option } from 'commander'
import type { CommandOptions } from './run-context.ts'

/** Options of all commands stand under this heading, after a command's own. */
const common = 'Common options:'

export function addOutput(command: Command): Command {
  command.optionsGroup(common).option('--json', 'print one JSON document on standard output, and nothing else')
  return addText(command)
}

/** Of a command that talks with a person. */
export function addText(command: Command): Command {
  return command
    .optionsGroup(common)
    .option('--no-color', 'no colours (also: NO_COLOR, or output that is no terminal)')
    .option('-v, --verbose', 'show more: tasks that hold, every driver')
    .helpOption('-h, --help', 'show this help')
}

export function addHosts(command: Command): Command {
  return addOutput(addConnections(command))
}

export function addConnections(command: Command): Command {
  return command
    .optionsGroup(common)
    .option(
      '-i, --inventory <path|hosts>',
      'inventory file or directory, or hosts with a comma: root@pve1, (repeatable; default ./inventory.yaml, ./inventory/)',
      collect,
    )
    .option('-l, --limit <pattern>', 'only these hosts')
    .option('-e, --extra-vars <vars>', 'name=value, JSON or YAML, or @file (repeatable)', collect)
    .option('-b, --become', 'become root with sudo')
    .option('-K, --ask-become-pass', 'ask for the sudo password')
    .option('-u, --user <name>', 'log in as this user')
    .option('--private-key <file>', 'log in with this key')
    .option('--forks <n>', 'hosts at a time', parseCount, 20)
}

export function addReboot(command: Command): Command {
  return command
    .addOption(
      new Option('--reboot-timeout <time>', 'how long a host may take to come back')
        .argParser(parseDuration)
        .default(900_000, '15m'),
    )
    .addOption(
      new Option('--serial <n|p%>', 'hosts rebooted at a time')
        .argParser(parseShare)
        .default('1', 'one after the other'),
    )
    .option('--keep-going', 'go on with the other hosts when one fails or is not reached')
}

export function addTrial(command: Command): Command {
  return command
    .option('--hold', 'leave the trial to be confirmed by a person: passway confirm')
    .option('--soak', 'once confirmed, reboot again: proves what was written for good')
    .addOption(
      new Option(
        '--confirm-within <time>',
        'how long a trial runs unconfirmed before it undoes itself (default: 10m)',
      ).argParser(parseTrialTime),
    )
}

/** Options that ask for what another one leaves out. */
export function findContradiction(command: string, options: CommandOptions): string | undefined {
  const { hold = false, soak = false, trial = true, reboot = false, confirmWithin } = options
  if (hold && soak) return '--hold leaves confirming to a person, and --soak reboots after it: one of them'
  if (command !== 'apply') return undefined
  if (!trial && (hold || soak || confirmWithin !== undefined))
    return '--no-trial leaves no trial: --hold, --soak and --confirm-within go without it'
  if (!reboot && (hold || soak)) return `--${hold ? 'hold' : 'soak'} goes with --reboot, or with passway reboot later`
  return undefined
}

export function collect(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value]
}

function parseCount(value: string): number {
  const number = Number(value)
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('a whole number from 1 is wanted')
  return number
}

function parseShare(value: string): string {
  if (!/^[1-9]\d*%?$/.test(value))
    throw new InvalidArgumentError('a number of hosts or a percentage is wanted (2, 25%)')
  return value
}

function parseDuration(value: string): number {
  const match = /^([1-9]\d*)(s|m|h)$/.exec(value)
  if (!match) throw new InvalidArgumentError('a duration with its unit is wanted (90s, 10m, 1h)')
  return Number(match[1]) * { s: 1_000, m: 60_000, h: 3_600_000 }[match[2] as 's' | 'm' | 'h']
}

const shortestTrialMs = 60_000

/** Less than a boot takes would take every trial back. */
function parseTrialTime(value: string): number {
  const milliseconds = parseDuration(value)
  if (milliseconds >= shortestTrialMs) return milliseconds
  throw new InvalidArgumentError('it counts from the start of the kernel: at least 60s is wanted')
}
