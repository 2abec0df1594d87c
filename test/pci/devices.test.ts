import test from 'ava'
import { findNativeDrivers, formatClass, isBridge, isVfioDriver } from '../../src/pci/devices.ts'
import { findCompanions, findGroupMembers, mapGroups } from '../../src/pci/groups.ts'
import { findFunctionsById } from '../../src/pci/devices.ts'
import { kernel, pciFunction, snapshot } from '../boot/snapshots.ts'

const gpu = pciFunction({
  address: '0000:09:00.0',
  class: '030000',
  vendor: '10de',
  device: '1c82',
  modalias: 'pci:v000010DEd00001C82sv00001043sd000085D7bc03sc00i00',
  iommuGroup: 16,
})
const audio = pciFunction({ address: '0000:09:00.1', class: '040300', vendor: '10de', device: '0fb9', iommuGroup: 16 })
const port = pciFunction({ address: '0000:00:03.1', class: '060400', vendor: '1022', device: '1453', iommuGroup: 16 })
const odd = pciFunction({ address: '0000:0a:00.0', class: '068000', vendor: '10de', device: '1af1', iommuGroup: 16 })
const host = snapshot({
  pci: [audio, gpu, port, odd, pciFunction({ address: '0000:0b:00.0', iommuGroup: 3 })],
  kernels: [
    kernel({
      release: '6.1.0-1-amd64',
      pciAliases: [
        { pattern: 'pci:v000010DEd*sv*sd*bc03sc00i00*', module: 'nouveau', builtin: false },
        { pattern: 'pci:v000010DEd00001C82sv*sd*bc*sc*i*', module: 'nvidia-drm', builtin: false },
        { pattern: 'pci:v*d*sv*sd*bc*sc*i*', module: 'everything', builtin: false },
        { pattern: 'pci:v000010DEd00001C82sv*sd*bc*sc*i*', module: 'vfio-pci', builtin: false },
      ],
    }),
    kernel({
      release: '6.12.0-1-amd64',
      pciAliases: [{ pattern: 'pci:v000010DEd*sv*sd*bc03sc00i00*', module: 'nouveau', builtin: true }],
    }),
  ],
})

test('native drivers over all kernels, without vfio and those that match everything', (t) => {
  t.deepEqual(findNativeDrivers(host, gpu), ['nouveau', 'nvidia_drm'])
})

test('bridges stay, a bridge by word alone comes along', (t) => {
  t.true(isBridge(port))
  t.false(isBridge(odd))
  t.deepEqual(
    findCompanions(host, [gpu]).map((member) => member.address),
    ['0000:09:00.1', '0000:0a:00.0'],
  )
})

test('members in order', (t) => {
  t.deepEqual(
    findGroupMembers(host, 16).map((member) => member.address),
    ['0000:00:03.1', '0000:09:00.0', '0000:09:00.1', '0000:0a:00.0'],
  )
  t.is(mapGroups(host, [gpu])['0000:00:03.1'], 16)
})

test('by id', (t) => {
  const id = { vendor: '10de', device: '0fb9', subsystemVendor: null, subsystemDevice: null }
  t.deepEqual(findFunctionsById(host, id), [audio])
  t.deepEqual(findFunctionsById(host, { ...id, subsystemVendor: '1043', subsystemDevice: '85d7' }), [])
})

test('vfio variants are no native drivers', (t) => {
  t.true(isVfioDriver('vfio-pci'))
  t.true(isVfioDriver('mlx5_vfio_pci'))
  t.false(isVfioDriver('nvme'))
})

test('class names', (t) => {
  t.is(formatClass('030000'), 'VGA controller')
  t.is(formatClass('ff0000'), 'class ff00')
})
