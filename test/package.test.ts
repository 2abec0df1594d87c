import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { packageRoot } from '../src/package-root.ts'

type Locked = { readonly optionalDependencies?: Readonly<Record<string, string>>; readonly engines?: { node?: string } }

const lock = JSON.parse(readFileSync(join(packageRoot, 'package-lock.json'), 'utf8')) as {
  readonly packages: Readonly<Record<string, Locked>>
}

test('the lock file names the binaries of every platform: npm ci refuses one that does not', (t) => {
  const wanted = Object.values(lock.packages).flatMap((each) => Object.keys(each.optionalDependencies ?? {}))
  t.true(wanted.length > 20)
  t.deepEqual(
    wanted.filter((name) => lock.packages[`node_modules/${name}`] === undefined),
    [],
  )
})

test('the package holds what the command needs, and nothing of its making', (t) => {
  const listed = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: packageRoot,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [packed] = JSON.parse(listed) as { readonly files: readonly { readonly path: string }[] }[]
  const paths = packed?.files.map(({ path }) => path) ?? []
  for (const path of [
    'dist/cli.js',
    'dist/agent/main.sh',
    'dist/probe.sh',
    'playbooks/demo/host.tree',
    'README.md',
    'LICENSE',
  ])
    t.true(paths.includes(path), path)
  t.deepEqual(
    paths.filter((path) => /^(?:src|test|modules|\.ci)\//.test(path)),
    [],
  )
})
