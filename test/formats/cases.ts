import { readFileSync } from 'node:fs'

/** Reads `cases/NAME.json`: `{ source, cases }`, where `source` says which program or document the values are from. */
export function readCases(name: string): readonly object[] {
  const text = readFileSync(new URL(`./cases/${name}.json`, import.meta.url), 'utf8')
  return (JSON.parse(text) as { cases: readonly object[] }).cases
}

/** A test title for a case: its number and the input as it would stand in JSON. */
export function titleOf(what: string, index: number, input: unknown): string {
  const shown = JSON.stringify(input)
  return `${what} ${index + 1}: ${shown.length > 90 ? `${shown.slice(0, 90)}…` : shown}`
}
