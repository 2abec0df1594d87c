import type { Bytes } from '../core/bytes.ts'

/** The output of the probe, taken apart. Problems are collected: one is enough to refuse the whole snapshot. */
export type ProbeOutput = {
  readonly sections: ReadonlyMap<string, Bytes>
  /** Files that were read one by one, because something changed while all were read: the last try of each. */
  readonly singles: ReadonlyMap<string, { readonly content: Bytes; readonly stat: string; readonly state: string }>
  readonly problems: string[]
}

/** Splits at the marks; `undefined` when this is no complete output of the probe. */
export function splitSections(output: Buffer): ProbeOutput | undefined {
  const all = output.toString('latin1')
  const nonce = /^passway-probe 1 (\w+)\n/.exec(all)?.[1]
  if (nonce === undefined) return undefined
  const [, ...parts] = all.split(`\n@${nonce} `)
  const last = parts.pop()
  if (last?.trimEnd() !== 'end') return undefined
  return sortParts(parts.map(parsePart))
}

type Part = { readonly name: string; readonly body: Bytes }

function parsePart(text: string): Part {
  const end = text.indexOf('\n')
  return end < 0 ? { name: text, body: '' } : { name: text.slice(0, end), body: text.slice(end + 1) }
}

function sortParts(parts: readonly Part[]): ProbeOutput {
  const sections = new Map<string, Bytes>()
  const singles = new Map<string, { content: Bytes; stat: string; state: string }>()
  for (const [index, { name, body }] of parts.entries()) {
    if (!name.startsWith('single')) sections.set(name, body)
    const next = parts[index + 1]
    if (!name.startsWith('single ') || !next?.name.startsWith('single-end ')) continue
    singles.set(name.slice('single '.length + 1), {
      content: body,
      stat: next.body.trimEnd(),
      state: next.name.slice('single-end '.length),
    })
  }
  return { sections, singles, problems: [] }
}

/** Non-empty lines of a section that need not be there. */
export function sectionLines(output: ProbeOutput, name: string): string[] {
  return (output.sections.get(name) ?? '').split('\n').filter((line) => line !== '')
}

/** `FILE:TEXT` lines as grep -H writes them, for file names that `pattern` matches up to the colon. */
export function grepLines(
  output: ProbeOutput,
  name: string,
  pattern: RegExp,
): { match: RegExpExecArray; text: string }[] {
  const found: { match: RegExpExecArray; text: string }[] = []
  for (const line of sectionLines(output, name)) {
    const match = pattern.exec(line)
    if (match && line[match[0].length] === ':') found.push({ match, text: line.slice(match[0].length + 1) })
  }
  return found
}
