import { bootLine } from './bootstrap.ts'

/**
 * Starts `bootLine` as root, called as `sh -c LINE passway PROMPT BOOT NONCE`. A user who is root already needs no
 * sudo. SSH_CONNECTION is handed on as an argument because sudo drops it from the environment. LC_ALL: refusals are
 * told apart by their English text. Under the rules of `bootLine`: no quote, backslash or `!`.
 */
const becomeLine = [
  'LC_ALL=C; export LC_ALL',
  'if [ "$(id -u)" = 0 ]; then exec sh -c "$2" passway "$3"; fi',
  'command -v sudo >/dev/null || { echo "passway-sudo-missing $3"; exit 96; }',
  'exec sudo -S -p "$1" -- sh -c "$2" passway "$3" "${SSH_CONNECTION-}"',
].join('; ')

/** The argument list that starts `bootLine`, directly or through sudo. */
export function bootArguments(nonce: string, prompt: string | null): readonly string[] {
  if (prompt === null) return ['sh', '-c', bootLine, 'passway', nonce]
  return ['sh', '-c', becomeLine, 'passway', prompt, bootLine, nonce]
}

/** sudo expands `%`; there is none in it. Random, so that nothing else on standard error is taken for it. */
export function formatPrompt(random: string): string {
  return `passway-password-${random}:`
}

export type PromptAnswer = 'wait' | 'send' | 'missing' | 'wrong'

/**
 * Watches standard error for the prompt. The first one is answered with the password, if there is one; a second one
 * means that the password was wrong, and it is not tried again: accounts are locked after a few failures.
 */
export function createPromptWatch(prompt: string, password: string | undefined): (chunk: string) => PromptAnswer {
  let seen = ''
  let prompts = 0
  return (chunk) => {
    seen += chunk
    const at = seen.indexOf(prompt)
    if (at < 0) {
      seen = seen.slice(-prompt.length)
      return 'wait'
    }
    seen = seen.slice(at + prompt.length)
    prompts += 1
    if (prompts > 1) return 'wrong'
    return password === undefined ? 'missing' : 'send'
  }
}
