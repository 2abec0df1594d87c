import type { AgentEvent } from '../host/run-agent.ts'

/** What the agent does, in words, for progress; null for events that only the program reads. */
export function describeEvent({ name, fields }: AgentEvent): string | null {
  const [first = '', second = '', third = '', fourth = ''] = fields
  if (name === 'step') return `${first}/${second} ${third} ${fourth}`
  if (name === 'regenerate') return `rebuilding ${first}`
  if (name === 'building') return `building the image of ${first}`
  if (name === 'note') return first
  return null
}
