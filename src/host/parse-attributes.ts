import { sectionLines, type ProbeOutput } from './probe-sections.ts'

/**
 * Lines of each attribute by path. grep writes `FILE:TEXT`, and both may hold colons (PCI addresses do); but it reads
 * its files in order, so the list of names tells where a name ends.
 */
export function parseAttributes(output: ProbeOutput): Map<string, string[]> {
  const names = sectionLines(output, 'attribute-paths')
  const attributes = new Map<string, string[]>()
  let at = 0
  for (const line of (output.sections.get('attributes') ?? '').split('\n').slice(0, -1)) {
    let next = at
    while (next < names.length && !line.startsWith(`${names[next]}:`)) next += 1
    const name = names[next]
    if (name === undefined) {
      output.problems.push(`attribute line of no file that was asked for: ${line.slice(0, 200)}`)
      continue
    }
    at = next
    addLine(attributes, name.slice(1), line.slice(name.length + 1))
  }
  return attributes
}

function addLine(attributes: Map<string, string[]>, path: string, text: string): void {
  const lines = attributes.get(path)
  if (lines) lines.push(text)
  else attributes.set(path, [text])
}
