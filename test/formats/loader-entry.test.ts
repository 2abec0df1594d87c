import test from 'ava'
import { parseLoaderEntry, parseLoaderLines } from '../../src/formats/loader-entry.ts'
import { compareEntries, compareVersions, matchesGlob } from '../../src/formats/loader-order.ts'
import type { Sortable } from '../../src/formats/loader-order.ts'

/** As 90-loaderentry.install of systemd 252 writes it. */
const written = `# Boot Loader Specification type#1 entry
title      Debian GNU/Linux 12 (bookworm)
version    6.1.0-32-amd64
machine-id 0123456789abcdef0123456789abcdef
sort-key   debian
options    root=UUID=1111 ro quiet
options\t"intel_iommu=on"
linux      /debian/6.1.0-32-amd64/linux
initrd     /debian/6.1.0-32-amd64/microcode
initrd     /debian/6.1.0-32-amd64/initrd.img-6.1.0-32-amd64
`

test('an entry of kernel-install', (t) => {
  t.deepEqual(parseLoaderEntry(written), {
    title: 'Debian GNU/Linux 12 (bookworm)',
    version: '6.1.0-32-amd64',
    machineId: '0123456789abcdef0123456789abcdef',
    sortKey: 'debian',
    starts: { key: 'linux', path: '/debian/6.1.0-32-amd64/linux' },
    initrds: ['/debian/6.1.0-32-amd64/microcode', '/debian/6.1.0-32-amd64/initrd.img-6.1.0-32-amd64'],
    options: 'root=UUID=1111 ro quiet intel_iommu=on',
  })
})

test('lines of loader.conf', (t) => {
  t.deepEqual(parseLoaderLines('timeout 3\n#default x\n  default  debian-*  \r\nconsole-mode\n'), [
    { key: 'timeout', value: '3', line: 1 },
    { key: 'default', value: 'debian-*', line: 3 },
  ])
})

/** Older ones first: the table of the source of systemd (strverscmp_improved), and kernels. */
const versions = [
  '122.1',
  '123~rc1-1',
  '123',
  '123-a',
  '123-a.1',
  '123-1',
  '123-1.1',
  '123^post1',
  '123.a-1',
  '123.1-1',
].concat(['123a-1', '124-1', '124-010', '124-11'])

test('versions are ordered as the loader orders them', (t) => {
  for (const [index, older] of versions.entries()) {
    t.is(compareVersions(older, older), 0)
    for (const newer of versions.slice(index + 1)) {
      t.is(compareVersions(older, newer), -1, `${older} < ${newer}`)
      t.is(compareVersions(newer, older), 1, `${newer} > ${older}`)
    }
  }
  t.is(compareVersions('6.1.0-9-amd64', '6.1.0-32-amd64'), -1)
  t.is(compareVersions('1_2', '1,2'), 0)
})

function sortable(id: string, more: Partial<Sortable> = {}): Sortable {
  return { id, sortKey: null, machineId: null, version: null, triesLeft: null, ...more }
}

test('entries: tries, sort key, machine, newest version, id', (t) => {
  const expected = [
    sortable('b.conf', { sortKey: 'arch', version: '1' }),
    sortable('m-6.1.0-32.conf', { sortKey: 'debian', machineId: 'a', version: '6.1.0-32' }),
    sortable('m-6.1.0-9.conf', { sortKey: 'debian', machineId: 'a', version: '6.1.0-9' }),
    sortable('n-6.5.conf', { sortKey: 'debian', machineId: 'b', version: '6.5' }),
    sortable('passway-before-2.conf'),
    sortable('passway-before-1.conf'),
    sortable('debian-7.0+0-3.conf', { sortKey: 'debian', version: '7.0', triesLeft: 0 }),
  ]
  t.deepEqual(expected.toReversed().toSorted(compareEntries), expected)
})

const globs: readonly [pattern: string, id: string, fits: boolean][] = [
  ['debian-*', 'debian-6.1.0-32-amd64.conf', true],
  ['debian-*', 'passway-before-1.conf', false],
  ['debian-6.1.0-?-amd64.conf', 'debian-6.1.0-9-amd64.conf', true],
  ['debian-6.1.0-?-amd64.conf', 'debian-6.1.0-32-amd64.conf', false],
  ['debian-6x1*', 'debian-6.1.conf', false],
  ['debian-6.1', 'debian-6.1.conf', false],
  ['[ab]*', 'beta.conf', true],
  [String.raw`a\*b`, 'a*b', true],
  ['[a', 'a', false],
]
for (const [pattern, id, fits] of globs) {
  test(`${pattern} ${fits ? 'takes' : 'does not take'} ${id}`, (t) => t.is(matchesGlob(pattern, id), fits))
}
