import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import test from 'ava'
import { packageRoot } from '../../src/package-root.ts'

const imports = /^(?:import|export)\s+(?!type\b)(?:[^'"]*?\sfrom\s+)?['"]([^'"]+)['"]/gm

/** Files and packages that loading a file loads with it; `import()` and types do not count. */
function loadedBy(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen
  seen.add(file)
  if (!existsSync(file)) return seen
  for (const [, name = ''] of readFileSync(file, 'utf8').matchAll(imports)) {
    if (name.startsWith('.')) loadedBy(resolve(dirname(file), name), seen)
    else seen.add(name)
  }
  return seen
}

const loaded = [...loadedBy(join(packageRoot, 'src/cli.ts')), ...loadedBy(join(packageRoot, 'src/commands/plan.ts'))]

test('before the first connection only these packages are loaded', (t) => {
  const packages = [...new Set(loaded.filter((name) => !name.startsWith('/') && !name.startsWith('node:')))]
  t.deepEqual(packages.sort(), ['commander', 'yaml', 'zx/core'])
})

test('modules, schemas, settling and text of plans are loaded while ssh waits', (t) => {
  const folders = new Set(
    loaded.filter((name) => name.startsWith('/')).map((name) => relative(packageRoot, dirname(name))),
  )
  t.deepEqual([...folders].sort(), ['src', 'src/commands', 'src/config', 'src/core', 'src/host', 'src/report'])
  const files = loaded.map((name) => relative(packageRoot, name))
  for (const late of [
    'src/commands/plan-input.ts',
    'src/report/plan-text.ts',
    'src/config/load-plays.ts',
    'src/config/facts.ts',
    'src/commands/ask.ts',
  ])
    t.false(files.includes(late), late)
})
