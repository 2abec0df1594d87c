import type { RunContext } from './run-context.ts'

/** The commands a user runs next on this host, ready to paste. */
export function nextCommands(
  context: RunContext,
  {
    name,
    isRebootDue,
    isReverted,
  }: { readonly name: string; readonly isRebootDue: boolean; readonly isReverted: boolean },
): string[] {
  const hosts = [...(context.options.inventory ?? []).flatMap((source) => ['-i', source]), '-l', name]
  const command = (verb: string): string => ['passway', verb, ...hosts].map(quoteWord).join(' ')
  if (isReverted) return [command('records')]
  return isRebootDue ? [command('reboot'), command('rollback')] : [command('rollback')]
}

/** For a person's shell; our own programs never see such text. */
function quoteWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
}
