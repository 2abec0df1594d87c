import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const config = fileURLToPath(new URL('../../src/config', import.meta.url))

/** Everything that a module imports at run time, through its own files. */
function importsOf(file: string, seen: Map<string, string>): ReadonlyMap<string, string> {
  const text = readFileSync(file, 'utf8')
  for (const [, clause = '', from = ''] of text.matchAll(/^(?:import|export) (?!type )([^;]*?) from '([^']+)'/gm)) {
    if (clause.startsWith('type ')) continue
    const name = from.startsWith('.') ? resolve(dirname(file), from) : from
    if (seen.has(name)) continue
    seen.set(name, file)
    if (from.startsWith('.')) importsOf(name, seen)
  }
  return seen
}

const early = [
  'load-inventory',
  'read-playbooks',
  'host-pattern',
  'variables',
  'connection-variables',
  'extra-variables',
  'playbook-variables',
]
for (const name of early) {
  test(`${name} loads nothing but yaml before a connection starts`, (t) => {
    const packages = [...importsOf(`${config}/${name}.ts`, new Map()).keys()].filter(
      (found) => !found.startsWith('/') && !found.startsWith('node:'),
    )
    t.deepEqual(
      packages.filter((found) => found !== 'yaml'),
      [],
    )
  })
}
