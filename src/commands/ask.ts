import { createPromptModule } from 'inquirer'
import { NobodyToAsk, QuestionLeft } from './nobody-to-ask.ts'
import type { RunContext } from './run-context.ts'

/** Questions stand on standard error: standard output may be a file, a pipe, or one JSON document. */
const prompt = createPromptModule({ output: process.stderr })

/** Asks yes or no; the default is no. Throws NobodyToAsk without a terminal. */
export async function confirm(context: RunContext, question: string): Promise<boolean> {
  if (context.options.json === true)
    throw new NobodyToAsk('--json shows nothing to decide by; say --yes to go on without a question')
  requireTerminal(context, 'a question needs a terminal; say --yes to go on without it')
  const { answer } = await untilLeft(
    prompt<{ answer: boolean }>([{ type: 'confirm', name: 'answer', message: question, default: false }]),
  )
  return answer
}

/** Reads a password without showing it. */
export async function askPassword(context: RunContext, question: string): Promise<string> {
  requireTerminal(context, '-K needs a terminal to ask for the password; without one set ansible_become_password')
  const { answer } = await untilLeft(
    prompt<{ answer: string }>([{ type: 'password', name: 'answer', message: question, mask: '' }]),
  )
  return answer
}

/** Reads a line. */
export async function askText(context: RunContext, question: string, otherwise: string): Promise<string> {
  requireTerminal(context, 'a question needs a terminal')
  const { answer } = await untilLeft(
    prompt<{ answer: string }>([{ type: 'input', name: 'answer', message: question, default: otherwise }]),
  )
  return answer
}

/** Lets several of these be chosen, by index; those that are not free are shown and cannot be. */
export async function askChoices(
  context: RunContext,
  question: string,
  lines: readonly { readonly text: string; readonly short: string; readonly isFree: boolean }[],
): Promise<readonly number[]> {
  requireTerminal(context, 'a choice needs a terminal')
  const choices = lines.map(({ text, short, isFree }, value) => ({
    name: text,
    short,
    value,
    disabled: isFree ? false : '(stays)',
  }))
  const { answer } = await untilLeft(
    prompt<{ answer: number[] }>([
      { type: 'checkbox', name: 'answer', message: question, choices, pageSize: 15, loop: false },
    ]),
  )
  return answer
}

function requireTerminal(context: RunContext, message: string): void {
  if (!context.isInteractive) throw new NobodyToAsk(message)
}

/** inquirer throws its own error when a question is left with Ctrl-C or Ctrl-D. */
async function untilLeft<Answers>(asked: Promise<Answers>): Promise<Answers> {
  try {
    return await asked
  } catch (problem) {
    if (problem instanceof Error && problem.name === 'ExitPromptError') throw new QuestionLeft(problem.message)
    throw problem
  }
}
