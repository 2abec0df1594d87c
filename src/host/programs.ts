import { readFileSync } from 'node:fs'

const texts = new Map<string, string>()

/** The program that reads a host (`probe.sh`). */
export function readProbeProgram(): string {
  return readProgram('./probe.sh')
}

/** The program that writes to a host (`agent.sh`). */
export function readAgentProgram(): string {
  return readProgram('./agent.sh')
}

/** The files stand beside this module, in the sources as in the bundle. */
function readProgram(name: string): string {
  const known = texts.get(name)
  if (known !== undefined) return known
  const text = readFileSync(new URL(name, import.meta.url), 'ascii')
  texts.set(name, text)
  return text
}
