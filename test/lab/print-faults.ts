import { readFile } from 'node:fs/promises'
import type { FaultResult } from './run-fault.ts'

/** Prints the table of README.md from what trial.test.ts wrote to PASSWAY_FAULT_RESULTS: the last result of each fault. */
const path = process.argv[2] ?? 'faults.jsonl'
const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '')
const results = lines.map((line) => JSON.parse(line) as FaultResult)
const last = new Map(results.map((result) => [`${result.variant} ${result.fault}`, result]))

function formatRow({ fault, variant, seen, seconds, wrong }: FaultResult): string {
  const text = `${seen}${wrong.length === 0 ? '' : ` **${wrong.join('; ')}**`}`
  return `| ${fault} | ${variant} | ${text.replaceAll('|', '\\|').replaceAll('\n', ' ')} | ${seconds} |`
}

const head = ['| fault | machine | the controller said | seconds until ssh |', '| --- | --- | --- | --- |']
process.stdout.write(`${[...head, ...[...last.values()].map(formatRow)].join('\n')}\n`)
