import type { Blob } from './fields.ts'
import { readAgentProgram } from './programs.ts'

/** The agent's own text, which it installs beside its records before anything else: what can undo is there first. */
export function agentBlob(): Blob {
  return { name: 'agent.sh', content: readAgentProgram() }
}
