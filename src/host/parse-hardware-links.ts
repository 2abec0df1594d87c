import { sectionLines, type ProbeOutput } from './probe-sections.ts'

/** Links below /sys/class and the like: their names without `/sys` → where they lead, as they are written. */
export type HardwareLinks = ReadonlyMap<string, string>

export function parseHardwareLinks(output: ProbeOutput): HardwareLinks {
  const links = new Map<string, string>()
  for (const line of sectionLines(output, 'hardware-links')) {
    const match = /^l.* \.\/sys(\/\S+) -> (.+)$/.exec(line)
    if (match) links.set(match[1] ?? '', match[2] ?? '')
  }
  return links
}

/** Members of a class: name → directory in sysfs without /sys. */
export function findMembers(links: HardwareLinks, kind: string): Map<string, string> {
  const members = new Map<string, string>()
  for (const [name, target] of links) {
    const member = name.startsWith(`/class/${kind}/`) ? name.slice(`/class/${kind}/`.length) : '/'
    if (!member.includes('/')) members.set(member, target.replace(/^(?:\.\.\/)+/, '/'))
  }
  return members
}

/** Names of what the links `/class/KIND/MEMBER/PART…` lead to. */
export function findTargets(links: HardwareLinks, start: string): string[] {
  return [...links].flatMap(([name, target]) =>
    name.startsWith(start) ? [target.slice(target.lastIndexOf('/') + 1)] : [],
  )
}
