import { resolve } from 'node:path'
import { error } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import { readVariableFile } from './adjacent-variables.ts'
import { mergeVariables } from './inventory.ts'
import { checkVariableNames } from './inventory-hosts.ts'
import { splitShellWords } from './shell-words.ts'
import { nodeFromValue, positionOf, sourceText, variablesOf } from './source-node.ts'
import type { SourceNode, Variables } from './source-node.ts'
import { parseYaml } from './yaml-source.ts'

type Reading = { readonly cwd: string; readonly diagnostics: Diagnostic[] }

/**
 * Reads `-e`: `NAME=VALUE` pairs as shell words (values are text), a mapping in JSON or YAML, or `@FILE` of variables.
 * Later ones win.
 */
export function readExtraVariables(
  options: readonly string[],
  cwd: string,
): { readonly variables: Variables; readonly diagnostics: readonly Diagnostic[] } {
  const reading: Reading = { cwd, diagnostics: [] }
  const layers = options.map((option) => readOption(reading, option))
  return { variables: mergeVariables(...layers), diagnostics: reading.diagnostics }
}

function readOption(reading: Reading, option: string): Variables {
  if (option.startsWith('@')) {
    const shown = option.slice(1)
    return readVariableFile({ path: resolve(reading.cwd, shown), shown }, reading.diagnostics)
  }
  return /^\s*[{[]/.test(option) ? readMapping(reading, option) : readPairs(reading, option)
}

function readMapping(reading: Reading, option: string): Variables {
  const { node, diagnostics } = parseYaml('--extra-vars', option)
  reading.diagnostics.push(...diagnostics)
  if (node === null) return new Map()
  if (node.kind !== 'map') reading.diagnostics.push(invalid(node.span, 'this is no mapping'))
  checkVariableNames(node, reading.diagnostics)
  return variablesOf(node)
}

function invalid(span: SourceNode['span'], message: string): Diagnostic {
  const hint = 'write -e NAME=VALUE, -e \'{"NAME": VALUE}\' or -e @FILE'
  return error('EXTRA_VARS_INVALID', message, { source: positionOf(span), hint })
}

function readPairs(reading: Reading, option: string): Variables {
  const source = sourceText('--extra-vars', option)
  const words = splitShellWords(option)
  if (!words.ok) {
    reading.diagnostics.push(invalid({ source, start: words.at, end: words.at + 1 }, words.message))
    return new Map()
  }
  const variables = new Map<string, SourceNode>()
  for (const { text, start, end } of words.words) {
    const span = { source, start, end }
    const equals = text.indexOf('=')
    if (equals < 1) reading.diagnostics.push(invalid(span, `${JSON.stringify(text)} sets no variable`))
    else
      variables.set(
        text.slice(0, equals),
        nodeFromValue(text.slice(equals + 1), span, { style: 'ini-vars', literal: false }),
      )
  }
  checkNames(reading, variables)
  return variables
}

function checkNames(reading: Reading, variables: Variables): void {
  const entries = [...variables].map(([key, value]) => ({ key, keySpan: value.span, value }))
  const [first] = entries
  if (first !== undefined) checkVariableNames({ kind: 'map', entries, span: first.keySpan }, reading.diagnostics)
}
