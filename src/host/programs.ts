import { readFileSync } from 'node:fs'

/**
 * The agent's parts, files of `agent/`: one program, sent as one text. Each holds functions and nothing else; the call
 * of `main` comes last, so a text that arrived in part does nothing.
 */
export const agentParts = [
  'main',
  'fields',
  'paths',
  'state',
  'records',
  'values',
  'writing',
  'drivers',
  'units',
  'checks',
  'regenerations',
  'images',
  'kept',
  'grub',
  'grub-trial',
  'loader',
  'systemd-boot',
  'systemd-boot-entries',
  'systemd-boot-trial',
  'guard',
  'stage',
  'trial',
  'apply',
  'revert',
  'rollback',
  'connection',
  'watch',
  'tell',
  'reboot',
  'status',
  'standalone',
] as const

const texts = new Map<string, string>()

/** The program that reads a host (`probe.sh`). */
export function readProbeProgram(): string {
  return readOnce('probe', () => readProgram('./probe.sh'))
}

/** The program that writes to a host; on a host it is `agent.sh` in the state directory. */
export function readAgentProgram(): string {
  return readOnce('agent', () =>
    [...agentParts.map((part) => readProgram(`./agent/${part}.sh`)), 'main "$@"\n'].join('\n'),
  )
}

function readOnce(name: string, read: () => string): string {
  const text = texts.get(name) ?? read()
  texts.set(name, text)
  return text
}

/** The files stand beside this module, in the sources as in the bundle. */
function readProgram(path: string): string {
  return readFileSync(new URL(path, import.meta.url), 'ascii')
}
