#!/usr/bin/env node
import { setMaxListeners } from 'node:events'
import { Command, CommanderError } from 'commander'
import {
  addConnections,
  addHosts,
  addOutput,
  addReboot,
  addText,
  addTrial,
  collect,
  findContradiction,
} from './commands/declare-options.ts'
import { refuseUsage } from './commands/finish.ts'
import { guardOutput } from './commands/guard-output.ts'
import { NobodyToAsk, QuestionLeft } from './commands/nobody-to-ask.ts'
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
  confirm: async () => (await import('./commands/confirm.ts')).runConfirm,
  inspect: async () => (await import('./commands/inspect.ts')).runInspect,
  lint: async () => (await import('./commands/lint.ts')).runLint,
  init: async () => (await import('./commands/init.ts')).runInit,
  modules: async () => (await import('./commands/modules.ts')).runModules,
  demo: async () => (await import('./commands/demo.ts')).runDemo,
} satisfies Record<string, () => Promise<CommandRun>>

const controller = new AbortController()
// Every host in flight listens for the end of the run.
setMaxListeners(0, controller.signal)
let exitCode: number = exitCodes.ok
let signalCode: number | undefined
let isOutputLost = false
/** Asked before options are parsed: a mistake in them is told in the form that is wanted. */
const isJson = process.argv.includes('--json')

const program = new Command('passway')
  .description(
    'Prepares Linux hosts to hand PCI devices to virtual machines.\nShows every change and the boot it leads to, applies it as one transaction, and always gets the host back.',
  )
  .version(tool, '-V, --version', 'print the version')
  .helpOption('-h, --help', 'show this help')
  .helpCommand('help [command]', 'show the help of a command')
  .exitOverride()
  .configureOutput({ outputError: tellMistake })
  .showSuggestionAfterError()
  .showHelpAfterError('(see: passway --help)')
  .addHelpText(
    'after',
    `
Exit codes:
  0 done · 1 failed or refused · 2 changes wanted (plan --detailed-exitcode)
  4 a host was not reached · 64 wrong usage, or a question without a terminal
  70 a bug of passway · 130 interrupted

First steps:
  passway demo                   the whole path on an embedded host; touches nothing of yours
  passway demo --keep ./try      the same host, to play with
  passway modules                what a playbook can ask for
  passway plan gpu.yaml -i root@pve1,`,
  )

function addCommand(name: keyof typeof commands, summary: string, example: string): Command {
  const command = program
    .command(name)
    .description(summary)
    .showHelpAfterError(`(see: passway ${name} --help)`)
    .addHelpText('after', `\nExample:\n  ${example}`)
  command.action(async (...received: unknown[]) => {
    const args = received
      .slice(0, -2)
      .flat()
      .filter((value): value is string => typeof value === 'string')
    const context = makeContext(command.opts<CommandOptions>())
    const contradiction = findContradiction(name, context.options)
    if (contradiction === undefined) {
      const run = await commands[name]()
      exitCode = await run(context, args)
    } else exitCode = refuseUsage(context, contradiction)
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
    width: isTerminal ? Math.max(40, process.stdout.columns) : 100,
    isTerminal,
    isInteractive: process.stdin.isTTY && process.stderr.isTTY,
    isProgressWanted: process.stderr.isTTY,
    signal: controller.signal,
    write: (text) => void process.stdout.write(text),
    writeError: (text) => void process.stderr.write(text),
  }
}

addHosts(
  addCommand(
    'plan',
    'Shows what would change on each host, and its next boot. Writes nothing.',
    'passway plan playbooks/proxmox-gpu.yaml -i root@pve1,',
  )
    .option('--out <file>', 'save the plan, to apply exactly this later')
    .option('--detailed-exitcode', 'exit 2 when changes are wanted')
    .option('--images', 'list the initramfs images on the host (slower)')
    .option('--prune', 'remove what no task asks for any more'),
).argument('<playbook...>', 'playbooks')

addHosts(
  addReboot(
    addTrial(
      addCommand(
        'apply',
        'Plans, shows, asks, applies. What takes effect at boot is staged, and tried by one boot of its own:\none that nobody confirms undoes itself. A saved plan is applied exactly or refused as stale.',
        'passway apply playbooks/proxmox-gpu.yaml -i root@pve1, --reboot',
      )
        .option('--yes', 'do not ask')
        .option('--reboot', 'reboot where needed, compare the boot with the prediction, and confirm it')
        .option('--no-trial', 'write for good at once instead of trying one boot first')
        .option('--prune', 'remove what no task asks for any more'),
    ),
  ),
).argument('<playbook...>', 'playbooks, or one saved plan')

addHosts(
  addReboot(
    addCommand(
      'rollback',
      'Shows the way back, asks, and reverts the newest record, or the named one.\nOf an open trial it is the abort.',
      'passway rollback -i root@pve1,',
    )
      .option('--yes', 'do not ask')
      .option('--reboot', 'reboot where needed')
      .option('--through', 'also revert the newer records above it')
      .option('--force', 'write the saved files back even over edits made since'),
  ),
).argument('[record]', 'a record, as `passway records` lists them')

addHosts(addCommand('records', 'What was applied when, by whom, and its state.', 'passway records -i root@pve1,'))

addHosts(
  addReboot(
    addTrial(
      addCommand(
        'reboot',
        'Reboots one host after the other and compares each boot with its prediction.\nWhat is staged is tried once, and confirmed when it boots as predicted.',
        'passway reboot -i root@pve1,',
      ),
    ),
  ),
)

addHosts(
  addCommand(
    'confirm',
    'Compares the trial that a host runs with its prediction, and writes it for good.',
    'passway confirm -i root@pve1,',
  ).option('--force', 'also where the boot is not as predicted'),
)

addHosts(
  addCommand(
    'inspect',
    'The PCI tree with groups, drivers and what the host lives on; what travels with a device. Writes nothing.',
    'passway inspect -i root@pve1, --device 0000:01:00.0',
  ).option(
    '--device <address>',
    'what travels with this function, and whether a guest can have it (repeatable)',
    collect,
  ),
)

addText(
  addConnections(
    addCommand(
      'init',
      'Shows a host, asks which devices are for guests, writes an inventory and a playbook.',
      'passway init -i root@pve1,',
    ),
  ),
)

addHosts(
  addCommand('lint', 'Checks playbooks and inventory without a host.', 'passway lint playbooks/proxmox-gpu.yaml'),
).argument('<playbook...>', 'playbooks')

addOutput(
  addCommand(
    'modules',
    'The reference of the modules that tasks use, and of facts.',
    'passway modules vfio_ids',
  ).option('--schema', 'the JSON Schema of playbooks, for editors'),
).argument('[name]', 'one module, or `facts`')

addOutput(
  addCommand(
    'demo',
    'The whole path on an embedded host: no root, no network, no ssh.',
    'passway demo --keep ./try',
  ).option('--keep <dir>', 'only unpack it there, to play with'),
)

for (const [signal, code] of [
  ['SIGINT', exitCodes.interrupted],
  ['SIGTERM', exitCodes.terminated],
  ['SIGHUP', exitCodes.hungUp],
] as const)
  process.once(signal, () => {
    signalCode = code
    controller.abort()
  })

guardOutput(process.stdout, tellLost)
guardOutput(process.stderr, () => {})

try {
  await program.parseAsync()
} catch (problem) {
  exitCode = findExitCode(problem)
}
process.exitCode = signalCode ?? (isOutputLost ? exitCode || exitCodes.failed : exitCode)

/** What nobody can read any more is not written; a full disk is told once. */
function tellLost(problem: Error): void {
  process.stderr.write(`passway: the output could not be written: ${problem.message}\n`)
  isOutputLost = true
  process.exitCode = exitCodes.failed
}

/** Mistakes in the arguments: a line, or a document. commander begins its messages with "error: ". */
function tellMistake(text: string): void {
  if (!text.startsWith('error: ')) return void (isJson || process.stderr.write(text))
  const message = text.slice('error: '.length).trim()
  refuseUsage(makeContext({ json: isJson }), isJson ? message.replaceAll('\n', ' ') : message)
}

function findExitCode(problem: unknown): number {
  if (problem instanceof CommanderError) return problem.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  if (problem instanceof NobodyToAsk) return refuseUsage(makeContext({ json: isJson }), problem.message)
  if (problem instanceof QuestionLeft) {
    process.stderr.write('passway: interrupted; nothing was written on any host\n')
    return exitCodes.interrupted
  }
  if (signalCode !== undefined) return signalCode
  const text = problem instanceof Error ? (problem.stack ?? problem.message) : String(problem)
  process.stderr.write(`passway: this is a bug of passway, please report it:\n${text}\n`)
  return exitCodes.bug
}
