import test from 'ava'
import type { FileState } from '../../src/core/snapshot.ts'
import { makeTree, probeTree, runProbe, snapshotOf } from '../host-trees/open-tree.ts'

const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }

async function readLinks(
  t: Parameters<typeof makeTree>[0],
  tree: string,
  path: string,
): Promise<readonly [FileState | undefined, ReadonlyMap<string, FileState>]> {
  const snapshot = await snapshotOf(makeTree(t, tree), { paths: [path] })
  return [snapshot.files.get(path), snapshot.files]
}

test('an absolute link leads to a path inside the root', async (t) => {
  const tree = 'file 0640 0:0 /opt/grub\n|inside\nlink 0:0 /etc/default/grub -> /opt/grub\n'
  const [state, files] = await readLinks(t, tree, '/etc/default/grub')
  t.deepEqual(state, { type: 'link', to: '/opt/grub', resolved: '/opt/grub' })
  t.deepEqual(files.get('/opt/grub'), { type: 'file', mode: 0o640, ...owner, content: 'inside\n' })
})

test('a chain of links, relative and absolute', async (t) => {
  const tree = `file 0644 0:0 /srv/real/file
|end
link 0:0 /etc/a -> b
link 0:0 /etc/b -> ../opt/./c//d
link 0:0 /opt/c -> /srv/../srv/real
link 0:0 /srv/real/d -> file
`
  const [state] = await readLinks(t, tree, '/etc/a')
  t.deepEqual(state, { type: 'link', to: 'b', resolved: '/srv/real/file' })
})

test('a directory above that is a link, absolute', async (t) => {
  const tree = 'file 0644 0:0 /usr/lib/modprobe.d/x.conf\n|options x a=1\nlink 0:0 /lib -> /usr/lib\n'
  const snapshot = await snapshotOf(makeTree(t, tree), { globs: ['/lib/modprobe.d/*.conf'] })
  t.like(snapshot.files.get('/lib/modprobe.d/x.conf'), { type: 'file', content: 'options x a=1\n' })
  t.deepEqual(snapshot.globs.get('/lib/modprobe.d/*.conf'), ['/lib/modprobe.d/x.conf'])
})

const troubled = test.macro(async (t, tree: string, path: string, expected: FileState) => {
  const [state] = await readLinks(t, tree, path)
  t.deepEqual(state, expected)
})

const root = 'dir 0755 0:0 /etc\n'
test(
  'a link with more .. than the root has directories',
  troubled,
  `${root}link 0:0 /etc/passwd -> ../../../../../../etc/passwd\n`,
  '/etc/passwd',
  { type: 'link', to: '../../../../../../etc/passwd', resolved: null, problem: 'escapes' },
)
test('a directory above that leaves the root', troubled, 'link 0:0 /etc -> ../../etc\n', '/etc/passwd', {
  type: 'link',
  to: '',
  resolved: null,
  problem: 'escapes',
})
test('a loop', troubled, `${root}link 0:0 /etc/a -> b\nlink 0:0 /etc/b -> a\n`, '/etc/a', {
  type: 'link',
  to: 'b',
  resolved: null,
  problem: 'loop',
})
test('a link that leads nowhere', troubled, `${root}link 0:0 /etc/a -> /no/where\n`, '/etc/a', {
  type: 'link',
  to: '/no/where',
  resolved: null,
  problem: 'dangling',
})

test('a mask is a link to /dev/null, there as in a tree', async (t) => {
  const tree = `${root}link 0:0 /etc/systemd/system/tuned.service -> /dev/null\n`
  const snapshot = await snapshotOf(makeTree(t, tree), { units: ['tuned.service'] })
  t.deepEqual(snapshot.units.get('tuned.service'), { exists: true, enabled: 'masked', active: null })
})

test('units by their files: disabled and static', async (t) => {
  const tree = `file 0644 0:0 /usr/lib/systemd/system/a.service
|[Install]
|WantedBy=multi-user.target
file 0644 0:0 /usr/lib/systemd/system/b.service
|[Service]
`
  const { units } = await snapshotOf(makeTree(t, tree), { units: ['a.service', 'b.service'] })
  t.is(units.get('a.service')?.enabled, 'disabled')
  t.is(units.get('b.service')?.enabled, 'static')
})

test('nothing outside of the root is read through links', async (t) => {
  const outside = makeTree(t, 'file 0644 0:0 /secret\n|s3cret\n')
  const tree = `link 0:0 /etc -> ${outside}\nlink 0:0 /lib -> ${outside}\nlink 0:0 /opt -> ../../../..${outside}\n`
  const snapshot = await snapshotOf(makeTree(t, tree), {
    paths: ['/etc/secret', '/opt/secret'],
    globs: ['/lib/*', '/opt/*'],
  })
  t.is(snapshot.files.get('/etc/secret'), undefined)
  t.deepEqual(snapshot.globs.get('/lib/*'), [])
  t.like(snapshot.files.get('/opt'), { problem: 'escapes' })
  t.false(JSON.stringify([...snapshot.files]).includes('s3cret'))
})

test('a root that is not there', async (t) => {
  const parsed = await probeTree('/no/such/directory')
  t.like(parsed, { ok: false, diagnostic: { code: 'ROOT_MISSING' } })
})

test('a request that was cut', async (t) => {
  t.regex((await runProbe('root\t\npath\t/etc/x\n')).toString(), /REQUEST_INCOMPLETE/)
})
