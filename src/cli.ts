#!/usr/bin/env node
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import type { CommandOptions, RunContext } from './commands/run-context.ts'
import { exitCodes } from './core/exit-codes.ts'
import { tool } from './core/tool.ts'
import { choosePaint } from './report/paint.ts'

type CommandRun = (context: RunContext, args: readonly string[]) => Promise<number>

/** Commands load their own code: nothing but what is asked for is read before the first connection starts. */
const commands = {
  plan: async () => (await import('./commands/plan.ts')).runPlan,
  apply: async () => (await import('./commands/apply.ts')).runApply,
  rollback: async () => (await import('./commands/rollback.ts')).runRollback,
  records: async () => (await import('./commands/records.ts')).runRecords,
  reboot: async () => (await import('./commands/reboot.ts')).runReboot,
  lint: async () => (await import('./commands/lint.ts')).runLint,
  modules: async () => (await import('./commands/modules.ts')).runModules,
  demo: async () => (await import('./commands/demo.ts')).runDemo,
} satisfies Record<string, () => Promise<CommandRun>>

const controller = new AbortController()
let exitCode: number = exitCodes.ok

const program = new Command('passway')
  .description(
    'Prepares Linux hosts to hand PCI devices to virtual machines.\nShows every change and the boot it leads to, applies it as one transaction, and always gets the host back.',
  )
  .version(tool, '-V, --version', 'print the version')
  .helpOption('-h, --help', 'show this help')
  .helpCommand('help [command]', 'show the help of a command')
  .exitOverride()
  .showSuggestionAfterError()
  .addHelpText(
    'after',
    `
Exit codes: 0 done · 1 failed or refused · 2 changes wanted (plan --detailed-exitcode) · 4 a host was not reached
            64 wrong usage, or a question without a terminal · 70 a bug of passway · 130 interrupted

First steps:
  passway demo                                   the whole path on an embedded host; touches nothing of yours
  passway plan playbooks/demo/playbook.yaml -i root@host,`,
  )

function addCommand(name: keyof typeof commands, summary: string, example: string): Command {
  const command = program
    .command(name)
    .description(summary)
    .helpOption('-h, --help', 'show this help')
    .addHelpText('after', `\nExample:\n  ${example}`)
  command.action(async (...received: unknown[]) => {
    const args = received
      .slice(0, -2)
      .flat()
      .filter((value): value is string => typeof value === 'string')
    const options = command.opts<CommandOptions>()
    const run = await commands[name]()
    exitCode = await run(makeContext(options), args)
  })
  return command
}

function makeContext(options: CommandOptions): RunContext {
  const isTerminal = process.stdout.isTTY
  return {
    options,
    cwd: process.cwd(),
    paint: choosePaint({
      isTerminal: isTerminal && options.json !== true,
      noColor: options.color === false,
      environment: process.env,
    }),
    width: Math.max(60, process.stdout.columns ?? 100),
    isTerminal,
    isInteractive: isTerminal && process.stdin.isTTY,
    isProgressWanted: process.stderr.isTTY,
    signal: controller.signal,
    write: (text) => void process.stdout.write(text),
    writeError: (text) => void process.stderr.write(text),
  }
}

function collect(value: string, previous: readonly string[] = []): string[] {
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
  const match = /^(\d+)(s|m|h)?$/.exec(value)
  if (!match) throw new InvalidArgumentError('a duration is wanted (90s, 10m, 1h)')
  return Number(match[1]) * { s: 1_000, m: 60_000, h: 3_600_000 }[(match[2] ?? 's') as 's' | 'm' | 'h']
}

function addOutput(command: Command): Command {
  return command
    .option('--json', 'print one JSON document on standard output, and nothing else')
    .option('--no-color', 'no colours (also: NO_COLOR, or output that is no terminal)')
    .option('-v, --verbose', 'show more: tasks that hold, every driver')
}

function addHosts(command: Command): Command {
  return addOutput(command)
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

function addReboot(command: Command): Command {
  return command
    .option('--reboot-timeout <time>', 'how long a host may take to come back', parseDuration, 900_000)
    .addOption(new Option('--serial <n|p%>', 'hosts rebooted at a time').argParser(parseShare).default('1'))
    .option('--keep-going', 'go on with the next hosts when one fails')
}

addHosts(
  addCommand(
    'plan',
    'Shows what would change on each host, and its next boot. Writes nothing.',
    'passway plan playbooks/gpu.yaml -i root@pve1,',
  ),
)
  .argument('<playbook...>', 'playbooks')
  .option('--out <file>', 'save the plan, to apply exactly this later')
  .option('--detailed-exitcode', 'exit 2 when changes are wanted')
  .option('--images', 'list the initramfs images on the host (slower)')
  .option('--prune', 'remove what no task asks for any more')

addReboot(
  addHosts(
    addCommand(
      'apply',
      'Plans, shows, asks, applies; a saved plan is applied exactly or refused as stale.',
      'passway apply playbooks/gpu.yaml -i root@pve1, --reboot',
    ),
  ),
)
  .argument('<playbook...>', 'playbooks, or one saved plan')
  .option('--yes', 'do not ask')
  .option('--reboot', 'reboot where needed, and compare the boot with the prediction')
  .option('--no-trial', 'write at once instead of trying one boot first (implied in this version)')
  .option('--prune', 'remove what no task asks for any more')

addReboot(
  addHosts(
    addCommand(
      'rollback',
      'Shows the way back, asks, and reverts the newest record, or the named one.',
      'passway rollback -i root@pve1,',
    ),
  ),
)
  .argument('[record]', 'a record, as `passway records` lists them')
  .option('--yes', 'do not ask')
  .option('--reboot', 'reboot where needed')
  .option('--through', 'also revert the newer records above it')
  .option('--force', 'write the saved files back even over edits made since')

addHosts(addCommand('records', 'What was applied when, by whom, and its state.', 'passway records -i root@pve1,'))

addReboot(
  addHosts(
    addCommand(
      'reboot',
      'Reboots one host after the other and compares each boot with its prediction.',
      'passway reboot -i root@pve1,',
    ),
  ),
)

addHosts(
  addCommand('lint', 'Checks playbooks and inventory without a host.', 'passway lint playbooks/gpu.yaml'),
).argument('<playbook...>', 'playbooks')

addOutput(addCommand('modules', 'The reference of the modules that tasks use.', 'passway modules vfio_ids'))
  .argument('[name]', 'one module')
  .option('--schema', 'the JSON Schema of playbooks, for editors')

addOutput(
  addCommand('demo', 'The whole path on an embedded host: no root, no network, no ssh.', 'passway demo --keep ./try'),
).option('--keep <dir>', 'only unpack it there, to play with')

process.once('SIGINT', () => {
  controller.abort()
  exitCode = exitCodes.interrupted
})

try {
  await program.parseAsync()
} catch (problem) {
  exitCode = findExitCode(problem)
}
process.exitCode = controller.signal.aborted ? exitCodes.interrupted : exitCode

function findExitCode(problem: unknown): number {
  if (problem instanceof CommanderError) return problem.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  if (controller.signal.aborted) return exitCodes.interrupted
  const text = problem instanceof Error ? (problem.stack ?? problem.message) : String(problem)
  process.stderr.write(`passway: this is a bug of passway, please report it:\n${text}\n`)
  return exitCodes.bug
}
