import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Outcome } from './boot-configurations.ts'
import type { Row } from './compare-live.ts'
import { configurations } from './configurations.ts'

/** An outcome a line, in the order of the configurations. */
const resultsFile = fileURLToPath(new URL('./configurations.jsonl', import.meta.url))
const readme = fileURLToPath(new URL('./README.md', import.meta.url))
const [begin, end] = ['<!-- configurations: begin -->\n', '<!-- configurations: end -->']

export async function readOutcomes(): Promise<Outcome[]> {
  const text = await readFile(resultsFile, 'utf8').catch(() => '')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Outcome)
}

/** The newest outcome of each configuration that there is. */
export async function addOutcome(added: Outcome): Promise<void> {
  const all = new Map([...(await readOutcomes()), added].map((outcome) => [outcome.name, outcome]))
  const kept = configurations.flatMap(({ name }) => all.get(name) ?? [])
  await writeFile(resultsFile, kept.map((outcome) => `${JSON.stringify(outcome)}\n`).join(''))
}

/** The text between the markers of the README. */
export async function readTable(): Promise<string> {
  const text = await readFile(readme, 'utf8')
  return text.slice(text.indexOf(begin) + begin.length, text.indexOf(end))
}

export async function writeTable(): Promise<void> {
  const text = await readFile(readme, 'utf8')
  const table = renderTable(await readOutcomes())
  await writeFile(readme, text.slice(0, text.indexOf(begin) + begin.length) + table + text.slice(text.indexOf(end)))
}

export function renderTable(outcomes: readonly Outcome[]): string {
  const rows = outcomes.map((outcome) => [
    outcome.name,
    outcome.topology,
    renderRows(outcome, 'predicted'),
    renderRows(outcome, 'seen'),
    String(outcome.compared),
    String(outcome.differences.length),
  ])
  const head = ['configuration', 'topology', 'predicted', 'seen', 'compared', 'differ']
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`)
  return `\n${lines.join('')}\n`
}

function renderRows({ shown, open, uncertain }: Outcome, side: 'predicted' | 'seen'): string {
  const doubts =
    side === 'predicted' ? uncertain.map((text) => `cannot tell: ${text.replace(/^\S+ ([^:]*):.*/, '$1')}`) : []
  const cells = [
    ...shown.map((row) => renderRow(row, side)),
    ...open.map((row) => `${renderRow(row, side)}${side === 'predicted' ? ' (not certain)' : ''}`),
    ...doubts,
  ]
  return cells.length > 0 ? cells.join(', ') : 'as fresh'
}

/** `01:00.0 vfio-pci`, `module vfio_pci loaded`, `huge pages of 2M 64`; of the command line what follows the usual. */
function renderRow({ what, ...sides }: Row, side: 'predicted' | 'seen'): string {
  const value = sides[side]
  if (what === 'command line') return `\`\u2026${value.replace(/^.*\bno_timer_check( quiet)?/, '')}\``
  return `${what.replace(/^driver of (0000:)?/, '')} ${value}`
}
