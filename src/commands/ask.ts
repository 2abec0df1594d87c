import inquirer from 'inquirer'
import { exitCodes } from '../core/exit-codes.ts'
import type { RunContext } from './run-context.ts'

/** A question was due where nobody can answer; the command ends with exit code 64. */
export class NobodyToAsk extends Error {
  readonly exitCode = exitCodes.usage
}

/** Asks yes or no; the default is no. Throws NobodyToAsk without a terminal. */
export async function confirm(context: RunContext, question: string): Promise<boolean> {
  requireTerminal(context, 'a question needs a terminal; say --yes to go on without it')
  const { answer } = await inquirer.prompt<{ answer: boolean }>([
    { type: 'confirm', name: 'answer', message: question, default: false },
  ])
  return answer
}

/** Reads a password without showing it. */
export async function askPassword(context: RunContext, question: string): Promise<string> {
  requireTerminal(context, 'a password cannot be asked for without a terminal; set ansible_become_password')
  const { answer } = await inquirer.prompt<{ answer: string }>([
    { type: 'password', name: 'answer', message: question, mask: '' },
  ])
  return answer
}

function requireTerminal(context: RunContext, message: string): void {
  if (!context.isInteractive) throw new NobodyToAsk(message)
}
