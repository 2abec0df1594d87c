import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { findContent } from '../../src/core/snapshot.ts'
import { readProbeProgram } from '../../src/host/programs.ts'
import { parseSnapshot } from '../../src/host/parse-snapshot.ts'
import { formatProbeRequest } from '../../src/host/probe-request.ts'
import type { TreeEntry } from '../../src/host/tree.ts'
import { demoTree, makeTree, probeTree, runProbe, snapshotOf } from '../host-trees/open-tree.ts'

function file(path: string, content: string, mode = 0o644): TreeEntry {
  return { type: 'file', path, content, mode, uid: 0, gid: 0 }
}

const allBytes = String.fromCharCode(...Array.from({ length: 256 }, (_, byte) => byte))
const contents: Record<string, string> = {
  '/etc/bytes': allBytes,
  '/etc/empty': '',
  '/etc/newline': '\n',
  '/etc/open': 'no final newline',
  '/etc/crlf': 'a\r\nb\r\n',
  '/etc/nul': '\0\0',
  '/etc/marks': '\n@n0nc end\npassway-probe 1 x\n',
}

for (const shell of [['dash'], ['bash'], ['busybox', 'sh']]) {
  test(`exact bytes under ${shell.join(' ')}`, async (t) => {
    const directory = makeTree(
      t,
      Object.entries(contents).map(([path, content]) => file(path, content)),
    )
    const snapshot = await snapshotOf(directory, { paths: Object.keys(contents) }, { shell })
    for (const [path, content] of Object.entries(contents)) t.is(findContent(snapshot, path), content, path)
  })
}

test('names with blanks and beyond ASCII, modes beyond 0777', async (t) => {
  const directory = makeTree(t, 'file 4711 0:0 /etc/a%20b/%C3%A4%25.conf\n|x\n')
  const snapshot = await snapshotOf(directory, { paths: ['/etc/a b/ä%.conf'], globs: ['/etc/a b/*.conf'] })
  t.deepEqual(snapshot.globs.get('/etc/a b/*.conf'), ['/etc/a b/\u00c3\u00a4%.conf'])
  t.like(snapshot.files.get('/etc/a b/\u00c3\u00a4%.conf'), { type: 'file', mode: 0o4711, content: 'x\n' })
})

test('a name with a tab is refused, not left out', async (t) => {
  const parsed = await probeTree(makeTree(t, 'file 0644 0:0 /etc/modprobe.d/a%09b.conf\n|x\n'))
  t.like(parsed, { ok: false, diagnostic: { code: 'SNAPSHOT_INVALID' } })
})

const asRoot = process.getuid?.() === 0
const nobody = 65_534

test('files that may not be read are not absent', async (t) => {
  const tree = 'file 0600 0:0 /etc/secret\n|x\nfile 0644 0:0 /etc/closed/file\n|x\ndir 0700 0:0 /etc/closed\n'
  const directory = makeTree(t, tree)
  chmodSync(directory, 0o755)
  if (!asRoot) {
    chmodSync(join(directory, 'etc/secret'), 0)
    chmodSync(join(directory, 'etc/closed'), 0)
  }
  const paths = ['/etc/secret', '/etc/closed/file', '/etc/absent']
  const snapshot = await snapshotOf(directory, { paths, globs: ['/etc/closed/*'] }, asRoot ? { uid: nobody } : {})
  t.is(snapshot.files.get('/etc/secret')?.type, 'unreadable')
  t.is(snapshot.files.get('/etc/closed/file')?.type, 'unreadable')
  t.is(snapshot.files.get('/etc/closed')?.type, 'unreadable')
  t.is(snapshot.files.get('/etc/absent'), undefined)
})

/** The probe with another `cat`, which changes a file while it is read. */
function meddle(directory: string, times: number): string {
  const cat = `cat() {
  if [ "$meddled" -lt ${times} ]; then meddled=$((meddled + 1)); echo more >>${directory}/etc/log; fi
  command cat "$@"
}
meddled=0
main "$@"`
  return readProbeProgram().replace(/main "\$@"\n$/, cat)
}

test('a file that changes while it is read is read again', async (t) => {
  const directory = makeTree(t, [file('/etc/log', 'start\n'), file('/etc/other', 'still\n')])
  const snapshot = await snapshotOf(directory, { paths: ['/etc/log', '/etc/other'] }, { program: meddle(directory, 2) })
  t.is(findContent(snapshot, '/etc/log'), 'start\nmore\nmore\n')
  t.is(findContent(snapshot, '/etc/other'), 'still\n')
})

test('a file that never stands still is flagged', async (t) => {
  const directory = makeTree(t, [file('/etc/log', 'start\n'), file('/etc/other', 'still\n')])
  const snapshot = await snapshotOf(
    directory,
    { paths: ['/etc/log', '/etc/other'] },
    { program: meddle(directory, 99) },
  )
  t.deepEqual(snapshot.files.get('/etc/log'), { type: 'unreadable', reason: 'it changed while it was read' })
})

test('with the tools of busybox', async (t) => {
  const tools = mkdtempSync(join(tmpdir(), 'passway-busybox-'))
  t.teardown(() => rmSync(tools, { recursive: true }))
  for (const name of ['cat', 'grep', 'head', 'ls', 'sed', 'stat']) symlinkSync('/usr/bin/busybox', join(tools, name))
  const program = readProbeProgram().replace('PATH=/usr/sbin:/usr/bin:/sbin:/bin ', `PATH=${tools} `)
  const directory = makeTree(t, demoTree)
  const reads = { symbols: ['pcie_acs_override_setup'], units: ['irqbalance.service'] }
  const small = await snapshotOf(directory, reads, { shell: ['/usr/bin/busybox', 'sh'], program })
  t.deepEqual(small, await snapshotOf(directory, reads))
})

test('a host without stat says so', async (t) => {
  const tools = mkdtempSync(join(tmpdir(), 'passway-tools-'))
  t.teardown(() => rmSync(tools, { recursive: true }))
  for (const name of ['cat', 'grep', 'ls']) symlinkSync(`/usr/bin/${name}`, join(tools, name))
  const program = readProbeProgram().replace('PATH=/usr/sbin:/usr/bin:/sbin:/bin ', `PATH=${tools} `)
  const request = { root: null, reads: {} }
  const parsed = parseSnapshot(await runProbe(formatProbeRequest(request), { program }), request)
  t.like(parsed, { ok: false, diagnostic: { code: 'TOOLS_MISSING' } })
})

test('records, their document, the listing of images', async (t) => {
  const state = '/var/lib/passway'
  const records = [
    ['20261121T080000Z-aaaaaa', '1', 'committed'],
    ['20261121T080500Z-bbbbbb', '10', 'committed'],
    ['20261121T081000Z-cccccc', '11', 'reverted'],
    ['20261121T081500Z-dddddd', '9', 'staged'],
  ]
  const entries = records.flatMap(([id, seq, word]) => [
    file(`${state}/records/${id}/seq`, `${seq}\n`),
    file(`${state}/records/${id}/state`, `${word}\n`),
    file(`${state}/records/${id}/record.json`, `{"id":"${id}"}\n`),
  ])
  const images =
    'image\t/boot/initrd.img-6.1\t7\t100\t99\nmodule\tvfio_pci\nearly\tvfio\nfile\tetc/modprobe.d/a%20b.conf\tabc\n'
  const snapshot = await snapshotOf(makeTree(t, [...entries, file(`${state}/images`, images), file('/etc/x', '')]))
  t.deepEqual(
    snapshot.records.map(({ seq, state: word }) => [seq, word]),
    [
      [1, 'committed'],
      [9, 'staged'],
      [10, 'committed'],
      [11, 'reverted'],
    ],
  )
  t.is(snapshot.lastRecord, '{"id":"20261121T080500Z-bbbbbb"}\n')
  t.deepEqual(snapshot.images, [
    {
      path: '/boot/initrd.img-6.1',
      inode: 7,
      size: 100,
      mtime: 99,
      modules: ['vfio_pci'],
      early: ['vfio'],
      configuration: new Map([['etc/modprobe.d/a b.conf', 'abc']]),
    },
  ])
})

test('guests by process and by pid file', async (t) => {
  const directory = makeTree(t, [
    file('/proc/812/comm', 'qemu-system-x86\n'),
    file('/proc/900/comm', 'kvm\n'),
    file('/proc/901/comm', 'kvm-pit/900\n'),
    file('/proc/950/comm', 'wrapper\n'),
    file('/run/qemu-server/100.pid', '900\n'),
    file('/run/libvirt/qemu/win.pid', '950'),
    file('/run/libvirt/qemu/stale.pid', '4711\n'),
  ])
  t.deepEqual((await snapshotOf(directory)).guests, [
    'qemu-system-x86 (pid 812)',
    'kvm 100 (pid 900)',
    'guest win (pid 950)',
  ])
})

test("Debian's System.map is a stub", async (t) => {
  const stub = 'ffffffffffffffff B The real System.map is in the linux-image-6.1.0-18-amd64-dbg package\n'
  const directory = makeTree(t, [
    file('/boot/System.map-6.1.0-18-amd64', stub),
    file('/lib/modules/6.1.0-18-amd64/modules.dep', ''),
    file('/lib/modules/6.1.0-17-amd64/modules.dep', ''),
  ])
  const { kernels } = await snapshotOf(directory, { symbols: ['pcie_acs_override_setup'] })
  t.deepEqual(
    kernels.map(({ systemMap }) => systemMap),
    [
      { state: 'absent', symbols: [] },
      { state: 'stub', symbols: [] },
    ],
  )
})

test('reading changes nothing: no redirection into a file, no here-document', (t) => {
  const code = readFileSync(new URL('../../src/host/probe.sh', import.meta.url), 'utf8').replaceAll(/^\s*#.*$/gm, '')
  t.deepEqual(code.match(/>+(?!\/dev\/null)[^&\s']*/g)?.filter((text) => text !== '>') ?? [], [])
  t.false(code.includes('<<'))
})
