import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, renameSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import {
  bundleFor,
  callFor,
  change,
  file,
  isRoot,
  makeHost,
  nextId,
  planOf,
  readHost,
  runUnder,
} from './agent-hosts.ts'
import { testUnless } from './skip.ts'

const test = testUnless(isRoot ? null : 'needs root')
const plan = planOf([change('file', '/etc/a', null, file('1\n'))])

/** What is wrong with the place of the records. */
const wrongs: readonly (readonly [string, (root: string) => void])[] = [
  ['is a link', (root) => link(root, 'var/lib/passway', 'elsewhere')],
  ['is behind a link', (root) => link(root, 'var/lib', 'elsewhere')],
  ['is behind a link further up', (root) => link(root, 'var', 'elsewhere')],
  ['is a file', (root) => symlinkSync('/dev/null', join(makeParent(root), 'passway'))],
  ['is open to others', (root) => chmodSync(makeState(root), 0o755)],
  ['is open to a group', (root) => chmodSync(makeState(root), 0o710)],
  ['is somebody else’s', (root) => chownSync(makeState(root), 1000, 0)],
  ['is where others can write', (root) => chmodSync(makeParent(root), 0o777)],
  ['is where a group can write', (root) => chmodSync(makeParent(root), 0o775)],
  ['is where the directory above is somebody else’s', (root) => chownSync(makeParent(root), 1000, 1000)],
]

function makeParent(root: string): string {
  mkdirSync(join(root, 'var/lib'), { recursive: true, mode: 0o755 })
  return join(root, 'var/lib')
}

function makeState(root: string): string {
  const path = join(makeParent(root), 'passway')
  mkdirSync(path, { mode: 0o700 })
  return path
}

/** What was at the path is at another one, and a link leads there. */
function link(root: string, path: string, to: string): void {
  if (path.endsWith('passway')) makeState(root)
  renameSync(join(root, path), join(root, to))
  symlinkSync(`/${to}`, join(root, path))
}

for (const [title, spoil] of wrongs) {
  test(`refused when the state directory ${title}`, (t) => {
    const root = makeHost(t, '')
    spoil(root)
    const before = readHost(root)
    const run = runUnder('sh', bundleFor(plan, root, nextId()))
    t.is(run.outcome, 'refused', run.text)
    t.deepEqual(run.codes, ['STATE_UNSAFE'])
    t.deepEqual(readHost(root), before)
  })
}

test('the state directory and all in it are of root alone', (t) => {
  const root = makeHost(t, '')
  t.is(runUnder('sh', bundleFor(plan, root, nextId())).outcome, 'committed')
  t.is(runUnder('sh', callFor({ verb: 'rollback', root })).outcome, 'reverted')
  for (const { path, mode, uid } of listAll(t, join(root, 'var/lib/passway'))) {
    t.is(uid, 0, path)
    t.is(mode & 0o077, 0, `${path} ${mode.toString(8)}`)
  }
})

function listAll(t: ExecutionContext, directory: string) {
  const names = ['.', ...(readdirSync(directory, { recursive: true }) as string[])]
  t.true(names.length > 8)
  return names.map((name) => {
    const { mode, uid } = lstatSync(join(directory, name))
    return { path: name, mode: mode & 0o777, uid }
  })
}

test('no temporary name can be known beforehand where others may write', (t) => {
  // What stands in the way under a name that is easy to guess is neither written through nor removed.
  const root = makeHost(t, 'dir 1777 0:0 /tmp\ndir 1777 0:0 /var/tmp\nfile 0644 0:0 /etc/victim\n|mine\n')
  for (const directory of ['tmp', 'var/tmp']) {
    for (const name of ['passway', 'passway-images', `passway-${process.pid}`, '.passway', 'unpack']) {
      symlinkSync('/etc/victim', join(root, directory, name))
    }
  }
  const before = readHost(root)
  t.is(runUnder('sh', bundleFor(plan, root, nextId())).outcome, 'committed')
  t.is(runUnder('sh', callFor({ verb: 'rollback', root })).outcome, 'reverted')
  t.deepEqual(readHost(root), before)
})
