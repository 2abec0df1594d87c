import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import * as fc from 'fast-check'
import { formatTree, parseTree, readTree, type TreeEntry } from '../../src/host/tree.ts'
import { demoTree, makeTree } from '../host-trees/open-tree.ts'

const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }

test('a tree as text', (t) => {
  const text = `# comment
dir 0750 0:4 /etc/a

file 0644 1:2 /etc/a/b%20c
|# no comment of the tree
|
\\
link 0:0 /etc/l -> a/b%20c
file 0600 0:0 /empty
base64 0644 0:0 /bytes
|AAEC
|/w==
`
  t.deepEqual(parseTree(text), [
    { type: 'directory', path: '/etc/a', mode: 0o750, uid: 0, gid: 4 },
    { type: 'file', path: '/etc/a/b c', mode: 0o644, uid: 1, gid: 2, content: '# no comment of the tree\n' },
    { type: 'link', path: '/etc/l', to: 'a/b c', uid: 0, gid: 0 },
    { type: 'file', path: '/empty', mode: 0o600, uid: 0, gid: 0, content: '' },
    { type: 'file', path: '/bytes', mode: 0o644, uid: 0, gid: 0, content: '\0\u0001\u0002\u00ff' },
  ])
})

for (const line of ['file 0644 /etc/x', 'dir 0:0 /x', 'link /a -> b', '|content of nothing', 'file 0644 0:0 /a/../b']) {
  test(`not understood: ${line}`, (t) => {
    t.throws(() => parseTree(`${line}\n`), { message: /host tree/ })
  })
}

const bytes = fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)) })
const name = fc.string({
  unit: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)),
  minLength: 1,
})
const path = name.filter((each) => !each.includes('/') && each !== '..').map((each) => `/${each}`)
const common = { path, uid: fc.nat(70_000), gid: fc.nat(70_000) }
const mode = fc.nat(0o7777)
const entry: fc.Arbitrary<TreeEntry> = fc.oneof(
  fc.record({ type: fc.constant('file' as const), ...common, mode, content: bytes }),
  fc.record({ type: fc.constant('directory' as const), ...common, mode }),
  fc.record({ type: fc.constant('link' as const), ...common, to: name }),
)

test('any entries survive as text', (t) => {
  fc.assert(fc.property(fc.array(entry), (entries) => t.deepEqual(parseTree(formatTree(entries)), entries)))
})

test('what is unpacked is read back', (t) => {
  const entries: TreeEntry[] = [
    { type: 'directory', path: '/a', mode: 0o555, ...owner },
    { type: 'file', path: '/a/b', mode: 0o4640, content: '\u00ff\0', ...owner },
    { type: 'link', path: '/a/c', to: '/nowhere', ...owner },
  ]
  t.deepEqual(readTree(makeTree(t, entries)), entries)
})

const rootTest = process.getuid?.() === 0 ? test : test.skip
rootTest('owners are set (needs root)', (t) => {
  const entries: TreeEntry[] = [
    { type: 'directory', path: '/a', mode: 0o755, uid: 5, gid: 6 },
    { type: 'file', path: '/a/b', mode: 0o4755, content: 'x', uid: 7, gid: 8 },
    { type: 'link', path: '/a/c', to: 'b', uid: 9, gid: 10 },
  ]
  t.deepEqual(readTree(makeTree(t, entries)), entries)
})

test('the demo tree reads back as it is written', (t) => {
  const entries = parseTree(readFileSync(demoTree, 'utf8'))
  const read = new Map(readTree(makeTree(t, demoTree)).map((each) => [each.path, each]))
  for (const each of entries) t.deepEqual(read.get(each.path), { ...each, ...owner })
})

test('nothing is written through a link', (t) => {
  const outside = makeTree(t, '')
  mkdirSync(join(outside, 'x'))
  const entries = `link 0:0 /etc -> ${outside}/x\nfile 0644 0:0 /etc/passwd\n|x\n`
  t.throws(() => makeTree(t, entries), { code: 'EEXIST' })
  t.deepEqual(readTree(join(outside, 'x')), [])
})
