import test from 'ava'
import * as fc from 'fast-check'
import { parseSnapshot } from '../../src/host/parse-snapshot.ts'
import { completeReads, formatProbeRequest, uniteReads } from '../../src/host/probe-request.ts'
import { demoTree, makeTree, runProbe } from '../host-trees/open-tree.ts'

const request = (root: string) => ({ root, reads: { symbols: ['pcie_acs_overrides'], units: ['irqbalance.service'] } })

test('output that was cut anywhere is refused', async (t) => {
  const directory = makeTree(t, demoTree)
  const output = await runProbe(formatProbeRequest(request(directory)))
  t.true(parseSnapshot(output, request(directory)).ok)
  for (let length = 0; length < output.length - 10; length += 4999) {
    const parsed = parseSnapshot(output.subarray(0, length), request(directory))
    t.like(parsed, { ok: false, diagnostic: { code: 'SNAPSHOT_INVALID' } })
  }
})

test('bytes that are missing in the middle are noticed', async (t) => {
  const directory = makeTree(t, demoTree)
  const output = await runProbe(formatProbeRequest(request(directory)))
  const at = output.indexOf('\n@n0nce content\n') + 40
  const parsed = parseSnapshot(Buffer.concat([output.subarray(0, at), output.subarray(at + 7)]), request(directory))
  t.like(parsed, { ok: false, diagnostic: { code: 'SNAPSHOT_INVALID' } })
})

test('what systemctl show says of units', async (t) => {
  const directory = makeTree(t, demoTree)
  const asked = { root: directory, reads: { units: ['a.service', 'b.service', 'c.service'] } }
  const output = (await runProbe(formatProbeRequest(asked))).toString('latin1')
  const shown = `
@n0nce units
LoadState=loaded
ActiveState=active
UnitFileState=enabled

LoadState=masked
ActiveState=inactive
UnitFileState=masked

LoadState=not-found
ActiveState=inactive
UnitFileState=
`
  const parsed = parseSnapshot(Buffer.from(output.replace('\n@n0nce paths\n', `${shown}$&`), 'latin1'), asked)
  t.deepEqual(parsed.ok && [...parsed.snapshot.units.values()], [
    { exists: true, enabled: 'enabled', active: true },
    { exists: true, enabled: 'masked', active: false },
    { exists: false, enabled: null, active: false },
  ])
})

test('never throws, whatever comes', (t) => {
  const names = [
    'host',
    'cpu',
    'pci',
    'pci-links',
    'kernels',
    'aliases',
    'modules',
    'config',
    'symbols',
    'guests',
    'units',
  ]
  const more = [
    'records',
    'paths',
    'stat',
    'content',
    'content-paths',
    'verdict',
    'attributes',
    'attribute-paths',
    'single /x',
  ]
  const word = fc.constantFrom(
    'node',
    'link',
    'glob',
    '\t',
    '/etc/x',
    ':',
    '\0',
    '\n',
    '0',
    '-1',
    'a',
    ' ',
    '=',
    '0000:00:00.0/uevent',
  )
  const body = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(word).map((words) => words.join('')),
  )
  const section = fc.tuple(fc.constantFrom(...names, ...more), body).map(([name, text]) => `\n@x ${name}\n${text}`)
  fc.assert(
    fc.property(fc.array(section), (sections) => {
      parseSnapshot(Buffer.from(`passway-probe 1 x\n${sections.join('')}\n@x end\n`), request('/r'))
    }),
    { numRuns: 300 },
  )
  fc.assert(fc.property(fc.uint8Array(), (bytes) => !parseSnapshot(Buffer.from(bytes), request('/r')).ok))
  t.pass()
})

test('damaged output never throws', async (t) => {
  const directory = makeTree(t, demoTree)
  const output = await runProbe(formatProbeRequest(request(directory)))
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(output.length - 1), fc.nat(255)), { minLength: 1 }), (damage) => {
      const damaged = Buffer.from(output)
      for (const [at, byte] of damage) damaged[at] = byte
      parseSnapshot(damaged, request(directory))
    }),
    { numRuns: 30 },
  )
  t.pass()
})

test('requests are ASCII, in byte order, without repetition', (t) => {
  const reads = { paths: ['/etc/ü', '/etc/a b', '/etc/default/grub'], modules: ['vfio-pci', 'bad name', '.*'] }
  const text = formatProbeRequest({ root: '/srv/root/', reads })
  t.regex(text, /^[\t\n\x20-\x7e]*$/)
  t.true(text.startsWith('root\t/srv/root\n'))
  t.true(text.endsWith('\nend\n'))
  t.true(text.includes('\npath\t/etc/a%20b\n'))
  t.true(text.includes('\npath\t/etc/%C3%BC\n'))
  t.is(text.split('path\t/etc/default/grub\n').length, 2)
  t.is(text.split('module\tvfio[-_]pci\n').length, 2)
  t.false(text.includes('bad'))
})

test('reads of tasks are united', (t) => {
  const united = uniteReads([{ paths: ['/b'] }, { paths: ['/a', '/b'], units: ['x.service'] }])
  t.deepEqual(united.paths, ['/a', '/b'])
  t.true(completeReads(united).paths.includes('/usr/lib/systemd/system/x.service'))
})
