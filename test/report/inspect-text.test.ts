import test, { type ExecutionContext } from 'ava'
import type { Snapshot } from '../../src/core/snapshot.ts'
import { judgeHandover } from '../../src/pci/judge-handover.ts'
import { findLivesOn } from '../../src/pci/lives-on/find-lives-on.ts'
import { renderInspect } from '../../src/report/inspect-text.ts'
import { choosePaint, type TextOptions } from '../../src/report/paint.ts'
import { pciFunction, snapshot } from '../boot/snapshots.ts'
import { makeTree, snapshotOf } from '../host-trees/open-tree.ts'
import { readTopology, topologyTree } from '../topologies/open-topology.ts'

const paint = choosePaint({ isTerminal: false, noColor: true, environment: {} })
const colours = choosePaint({ isTerminal: true, noColor: false, environment: {} })
const wide: TextOptions = { paint, width: 200, isWrapped: true, verbose: false }

function open(t: ExecutionContext, name: string): Promise<Snapshot> {
  return snapshotOf(makeTree(t, topologyTree(readTopology(name))))
}

function render(host: Snapshot, options: TextOptions, targets: readonly string[] = []): string {
  const closure = targets.length > 0 ? judgeHandover(host, targets).closure : null
  return renderInspect(
    { host: 'node', snapshot: host, livesOn: findLivesOn(host), diagnostics: [], closure, refusals: [] },
    options,
  )
}

function withoutColours(text: string): string {
  return text.replaceAll(/\u001b\[\d+m/g, '')
}

test('the tree: guides, aligned columns, marks, host bridges of one device on one line', async (t) => {
  const lines = render(await open(t, 'b450-raven-ridge'), wide).split('\n')
  for (const line of [
    '\u2502     \u251c\u2500 0000:16:01.0         9  1022:43c7  -       PCI bridge \u00b7 AMD',
    '\u2502     \u2502  \u2514\u2500 0000:18:00.0      9  10ec:8168  -       \u25cf default route?  network controller \u00b7 Realtek',
    '\u251c\u2500 0000:00:14.0               6  1022:790b  -       SMBus \u00b7 AMD',
    '\u2514\u2500 0000:00:18.0-7             7  1022:\u2026     -       8 functions, host bridge \u00b7 AMD',
  ])
    t.true(lines.includes(line), `${line}\n${lines.join('\n')}`)
})

test('-v shows each of them', async (t) => {
  t.regex(render(await open(t, 'b450-raven-ridge'), { ...wide, verbose: true }), /0000:00:18\.1 +7 +1022:15e9/)
})

test('no line is wider than the terminal, and colours take no room', async (t) => {
  for (const name of ['x570-matisse', 'raptor-lake-vmd', 'epyc-3251-hba']) {
    const host = await open(t, name)
    for (const width of [60, 80, 120]) {
      for (const verbose of [false, true]) {
        const plain = render(host, { ...wide, width, verbose })
        const coloured = render(host, { ...wide, width, verbose, paint: colours })
        t.is(withoutColours(coloured), plain)
        const tree = plain.split('\n').filter((line) => /[\u251c\u2514\u2502]/.test(line))
        t.deepEqual(
          tree.filter((line) => line.length > width),
          [],
          `${name} at ${width}`,
        )
      }
    }
  }
})

test('a narrow terminal: domain 0000 goes first, then the id, which -v shows', async (t) => {
  const host = await open(t, 'x570-matisse')
  const at = (width: number, verbose = false): string => render(host, { ...wide, width, verbose })
  t.regex(at(120), /\u2500 0000:0b:00\.0 .* 10de:1b06 /)
  t.regex(at(80), /\u2500 0b:00\.0 .* 10de:1b06 /)
  t.notRegex(at(50), /10de:1b06/)
  t.regex(at(50, true), /id 10de:1b06/)
})

test('a pipe gets whole lines', async (t) => {
  const host = await open(t, 'x570-matisse')
  t.false(render(host, { ...wide, width: 60, isWrapped: false }).includes('\u2026'))
})

test('names from a host cannot command the terminal', (t) => {
  const evil = '\u001b]0;gone\u0007\u202e'
  const host = snapshot({
    pci: [pciFunction({ address: '0000:01:00.0', driver: `drv${evil}`, driverOverride: evil, iommuGroup: 1 })],
    pciNames: new Map([
      ['8086', `Intel${evil}`],
      ['8086:10d3', `NIC${evil}`],
    ]),
    os: new Map([['PRETTY_NAME', evil]]),
  })
  for (const targets of [[], ['0000:01:00.0']]) {
    for (const verbose of [false, true]) {
      const text = render(host, { ...wide, verbose }, targets)
      t.false(/[\u0000-\u0009\u000b-\u001f\u202e]/.test(text), text)
      t.true(text.includes('drv\\x1b]0;gone'))
    }
  }
})

test('a closure: who travels, who stays, the verdict and why', async (t) => {
  const host = await open(t, 'starship-equal-gpus')
  const text = render(host, wide, ['0000:42:00.0'])
  t.true(text.includes('0000:42:00.0  ok by address, not by id'))
  t.regex(text, /comes along +0000:42:00\.1 +group 25/)
  t.regex(text, /same id +0000:61:00\.0/)
  t.true(text.includes('warning ID_SHARED'))
  t.false(text.includes('0000:21:00.0'), 'only what was asked about')
})

test('-v: everything that is known of a device', (t) => {
  const card = pciFunction({
    address: '0000:01:00.0',
    class: '030000',
    subsystemVendor: '1043',
    subsystemDevice: '85d7',
    numaNode: 1,
    resetMethods: ['flr', 'bus'],
    hasReset: true,
    link: { currentSpeed: '8.0 GT/s PCIe', currentWidth: 8, maxSpeed: '16.0 GT/s PCIe', maxWidth: 16 },
    iommuGroup: 4,
  })
  const text = render(
    snapshot({ pci: [card, { ...card, address: '0000:02:00.0', resetMethods: null, hasReset: false }] }),
    {
      ...wide,
      verbose: true,
    },
  )
  for (const part of [
    'subsystem 1043:85d7',
    'node 1',
    'reset flr bus',
    'link 8.0 GT/s x8 of 16.0 GT/s x16',
    'no reset method',
  ])
    t.true(text.includes(part), part)
})
