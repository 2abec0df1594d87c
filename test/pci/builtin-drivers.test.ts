import test from 'ava'
import { findBuiltinDrivers } from '../../src/pci/builtin-drivers.ts'
import { kernel, pciFunction, snapshot } from '../boot/snapshots.ts'

const serial = pciFunction({
  address: '0000:00:11.0',
  class: '070002',
  vendor: '1b36',
  device: '0002',
  driver: 'serial',
  modalias: 'pci:v00001B36d00000002sv00001AF4sd00001100bc07sc00i02',
})
const usb = pciFunction({
  address: '0000:01:00.0',
  class: '0c0330',
  driver: 'vfio-pci',
  modalias: 'pci:v00001B36d0000000Dsv00001AF4sd00001100bc0Csc03i30',
})
const loadable = { pattern: 'pci:v00001B36d00000002sv*sd*bc*sc*i*', module: '8250_pci', builtin: false }
const other = { ...loadable, module: 'other_serial' }
const renesas = { pattern: 'pci:v*d*sv*sd*bc0Csc03i30*', module: 'xhci_pci_renesas', builtin: false }
const release = kernel({}).release

type Row = readonly [
  title: string,
  host: Parameters<typeof snapshot>[0],
  target: typeof serial,
  expected: readonly string[],
]

const rows: readonly Row[] = [
  ['no alias names the driver that holds the function', {}, serial, ['serial']],
  ['its module is loaded', { loadedModules: new Set(['8250_pci']) }, serial, []],
  ['a module of its name is loaded', { loadedModules: new Set(['serial']) }, serial, []],
  ['nothing is known of modules', { loadedModules: new Set() }, serial, []],
  ['nothing holds it', {}, { ...serial, driver: null }, []],
  ['an alias names a module', { kernels: [kernel({ pciAliases: [loadable] })] }, serial, []],
  [
    'an alias names a built-in module',
    { kernels: [kernel({ pciAliases: [{ ...loadable, builtin: true }] })] },
    serial,
    ['8250_pci'],
  ],
  ['vfio-pci holds it', {}, usb, []],
  [
    'a driver of its class is built in, and another one holds it now',
    { kernels: [kernel({ modules: new Map([['xhci_pci', 'builtin']]) })] },
    usb,
    ['xhci_pci'],
  ],
  [
    'a driver of its class is built in, and a module matches as well',
    { kernels: [kernel({ modules: new Map([['xhci_pci', 'builtin']]), pciAliases: [renesas] })] },
    usb,
    ['xhci_pci'],
  ],
  ['a module matches that is not loaded', { kernels: [kernel({ pciAliases: [other] })] }, serial, ['serial']],
  [
    'a module matches that is loaded, and may have its driver under that name',
    { kernels: [kernel({ pciAliases: [other] })], loadedModules: new Set(['other_serial']) },
    serial,
    [],
  ],
  [
    'what only makes udev load it registers no driver',
    { kernels: [kernel({ pciAliases: [{ ...loadable, module: 'sp5100_tco', builtin: true }] })] },
    { ...serial, driver: null },
    [],
  ],
]

for (const [title, host, target, expected] of rows) {
  test(title, (t) => {
    const found = findBuiltinDrivers(snapshot({ loadedModules: new Set(['e1000e']), ...host, pci: [target] }), target)
    t.deepEqual(
      found.map(({ name }) => name),
      expected,
    )
    for (const { releases } of found) t.deepEqual(releases, [release])
  })
}

test('only kernels that may boot are looked at, each by itself', (t) => {
  const builtin = kernel({ release: '6.12.0-1-amd64', modules: new Map([['xhci_pci', 'builtin']]) })
  const leftOver = kernel({ release: '5.10.0-8-amd64', image: null, initrd: null, modules: builtin.modules })
  const host = snapshot({ kernels: [leftOver, kernel({ pciAliases: [renesas] }), builtin], pci: [usb] })
  t.deepEqual(findBuiltinDrivers(host, usb), [{ name: 'xhci_pci', releases: ['6.12.0-1-amd64'] }])
})
