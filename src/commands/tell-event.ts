import type { AgentEvent } from '../host/run-agent.ts'
import type { Progress } from '../report/progress.ts'

/** Tells what the agent does: what takes long as lines that stay, single steps in the status line. */
export function tellEvent(progress: Progress, host: string, event: AgentEvent): void {
  const [first = '', second = '', third = '', fourth = ''] = event.fields
  if (event.name === 'step') progress.show(`${host}: ${first}/${second} ${third} ${fourth}`)
  else if (event.name === 'regenerate' && first === 'trial') progress.tell(host, 'staging what the trial boots')
  else if (event.name === 'regenerate') progress.tell(host, `rebuilding ${nameDerived(first)}`)
  else if (event.name === 'building') progress.tell(host, `building the image of ${first}`)
  else if (event.name === 'reading') progress.show(`${host}: reading the image of ${first}`)
  else if (event.name === 'reverting') progress.tell(host, 'taking it back')
  else if (event.name === 'note') progress.tell(host, first)
}

/** A regeneration in the words of people. */
export function nameDerived(regeneration: string): string {
  return derivedNames.get(regeneration) ?? regeneration
}

const derivedNames: ReadonlyMap<string, string> = new Map([
  ['initramfs', 'the initramfs images'],
  ['boot-loader', 'grub.cfg'],
  ['esp', 'loader entries'],
  ['units', 'systemd units'],
  ['udev', 'udev rules'],
])
