import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { faults } from './faults.ts'
import type { FaultResult } from './run-fault.ts'
import { variantNames } from './variants.ts'

/**
 * `npx tsx test/lab/write-fault-table.ts FILE…`: takes over results that trial.test.ts wrote to PASSWAY_FAULT_RESULTS
 * into faults.jsonl, the last one of each fault and machine, and makes the table of README.md from it.
 */
const kept = fileURLToPath(new URL('faults.jsonl', import.meta.url))
const readme = fileURLToPath(new URL('README.md', import.meta.url))
const [begin, end] = ['<!-- faults: begin -->\n', '<!-- faults: end -->']

async function readResults(path: string): Promise<FaultResult[]> {
  const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '')
  return lines.map((line) => JSON.parse(line) as FaultResult)
}

function formatRow({ fault, variant, seen, seconds, wrong }: FaultResult): string {
  const text = `${seen}${wrong.length === 0 ? '' : ` **${wrong.join('; ')}**`}`
  return `| ${fault} | ${variant} | ${text.replaceAll('|', String.raw`\|`).replaceAll('\n', ' ')} | ${seconds} |`
}

const results = (await Promise.all([kept, ...process.argv.slice(2)].map(readResults))).flat()
const last = new Map(results.map((result) => [`${result.variant} ${result.fault}`, result]))
const ordered = variantNames.flatMap((variant) => faults.flatMap(({ name }) => last.get(`${variant} ${name}`) ?? []))
await writeFile(kept, ordered.map((result) => `${JSON.stringify(result)}\n`).join(''))

const head = ['| fault | machine | the controller said | seconds until ssh |', '| --- | --- | --- | --- |']
const text = await readFile(readme, 'utf8')
const [start, stop] = [text.indexOf(begin) + begin.length, text.indexOf(end)]
if (stop < start) throw new Error(`README.md has no ${begin}`)
await writeFile(
  readme,
  `${text.slice(0, start)}\n${[...head, ...ordered.map(formatRow)].join('\n')}\n\n${text.slice(stop)}`,
)
