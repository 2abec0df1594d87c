import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { exitCodes } from '../core/exit-codes.ts'
import { tool } from '../core/tool.ts'
import { formatDocument } from '../report/documents.ts'
import { unpackTree } from '../host/tree.ts'
import { packageRoot } from '../package-root.ts'
import { refuseUsage } from './finish.ts'
import type { RunContext } from './run-context.ts'

type Step = { readonly says: string; readonly command: string; readonly run: (context: RunContext) => Promise<number> }

/** `passway demo`: plan, apply, plan again, roll back, on a host that is a directory. `--keep DIR` only unpacks it. */
export async function runDemo(context: RunContext): Promise<number> {
  return context.options.keep === undefined ? await playDemo(context) : keepDemo(context, context.options.keep)
}

function keepDemo(context: RunContext, directory: string): number {
  if (existsSync(directory) && readdirSync(directory).length > 0)
    return refuseUsage(context, `${directory} is not empty; name a new directory with --keep`)
  unpackDemo(directory)
  const shown = relative(context.cwd, directory) || '.'
  if (context.options.json === true) {
    context.write(formatDocument({ format: 1, tool, diagnostics: [], hosts: [], directory: shown }))
    return exitCodes.ok
  }
  context.write(
    [
      `${context.paint.strong(shown)} holds inventory.yaml, playbook.yaml and the host as a directory (host/). Try:`,
      '',
      `  passway plan ${shown}/playbook.yaml -i ${shown}/inventory.yaml`,
      `  passway apply ${shown}/playbook.yaml -i ${shown}/inventory.yaml`,
      `  passway records -i ${shown}/inventory.yaml`,
      `  passway rollback -i ${shown}/inventory.yaml`,
      '',
    ].join('\n'),
  )
  return exitCodes.ok
}

async function playDemo(context: RunContext): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'passway-demo-'))
  try {
    unpackDemo(directory)
    return await playSteps(context, directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function unpackDemo(directory: string): void {
  const source = join(packageRoot, 'playbooks', 'demo')
  mkdirSync(join(directory, 'host'), { recursive: true, mode: 0o755 })
  for (const name of ['inventory.yaml', 'playbook.yaml']) cpSync(join(source, name), join(directory, name))
  unpackTree(readFileSync(join(source, 'host.tree'), 'utf8'), join(directory, 'host'))
}

async function playSteps(context: RunContext, directory: string): Promise<number> {
  const inDemo: RunContext = {
    ...context,
    cwd: directory,
    options: { ...context.options, yes: true },
  }
  const playbook = 'playbook.yaml'
  if (context.options.json === true) return playAsJson(inDemo, await listSteps(playbook))
  for (const [index, step] of (await listSteps(playbook)).entries()) {
    const heading = `${index + 1}. ${step.says}`
    context.write(
      `${index === 0 ? '' : '\n\n'}${context.paint.strong(heading)}\n${context.paint.note(`$ ${step.command}`)}\n\n`,
    )
    const code = await step.run(inDemo)
    if (code !== exitCodes.ok) return code
  }
  context.write(
    `\n${context.paint.strong('That was all of it.')} To play with the same host: passway demo --keep ./try\n`,
  )
  return exitCodes.ok
}

/** One document for the whole demo: each step with its command, its exit code and its own document. */
async function playAsJson(context: RunContext, steps: readonly Step[]): Promise<number> {
  const played: { command: string; exitCode: number; document: unknown }[] = []
  for (const step of steps) {
    let text = ''
    const exitCode = await step.run({ ...context, write: (part) => (text += part) })
    played.push({ command: step.command, exitCode, document: JSON.parse(text) })
    if (exitCode !== exitCodes.ok) break
  }
  context.write(formatDocument({ format: 1, tool, diagnostics: [], hosts: [], steps: played }))
  return played.at(-1)?.exitCode ?? exitCodes.ok
}

async function listSteps(playbook: string): Promise<Step[]> {
  const [{ runPlan }, { runApply }, { runRollback }] = await Promise.all([
    import('./plan.ts'),
    import('./apply.ts'),
    import('./rollback.ts'),
  ])
  return [
    {
      says: 'Know before anything is written: every diff, the next command line, the drivers',
      command: 'passway plan playbook.yaml',
      run: (context) => runPlan(context, [playbook]),
    },
    {
      says: 'Apply it as one transaction',
      command: 'passway apply playbook.yaml --yes',
      run: (context) => runApply({ ...context, options: { ...context.options, quietPlan: true } }, [playbook]),
    },
    {
      says: 'Plan again: what is saved and waits for a boot is not a change',
      command: 'passway plan playbook.yaml',
      run: (context) => runPlan(context, [playbook]),
    },
    { says: 'Take it all back', command: 'passway rollback --yes', run: (context) => runRollback(context, []) },
  ]
}
