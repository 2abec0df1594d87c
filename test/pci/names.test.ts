import test from 'ava'
import { formatDeviceName } from '../../src/pci/names.ts'
import { pciFunction, snapshot } from '../boot/snapshots.ts'

const device = pciFunction({ address: '0000:01:00.0', vendor: '1002', device: '67df' })

for (const [maker, shown] of [
  ['Advanced Micro Devices, Inc. [AMD/ATI]', 'AMD/ATI Ellesmere'],
  ['Intel Corporation', 'Intel Ellesmere'],
  ['NVIDIA Corporation', 'NVIDIA Ellesmere'],
  ['Samsung Electronics Co Ltd', 'Samsung Ellesmere'],
  ['Realtek Semiconductor Co., Ltd.', 'Realtek Ellesmere'],
  ['ASPEED Technology, Inc.', 'ASPEED Ellesmere'],
  ['QEMU', 'QEMU Ellesmere'],
] as const) {
  test(maker, (t) => {
    const pciNames = new Map([
      ['1002', maker],
      ['1002:67df', 'Ellesmere'],
    ])
    t.is(formatDeviceName(snapshot({ pciNames }), device), shown)
  })
}

test('without pci.ids the makers that people know, else nothing', (t) => {
  t.is(formatDeviceName(snapshot(), device), 'AMD/ATI')
  t.is(formatDeviceName(snapshot(), { ...device, vendor: 'fff0' }), '')
})

test('a device that is named after its maker names it once', (t) => {
  const pciNames = new Map([
    ['1002', 'ASPEED Technology, Inc.'],
    ['1002:67df', 'ASPEED Graphics Family'],
  ])
  t.is(formatDeviceName(snapshot({ pciNames }), device), 'ASPEED Graphics Family')
})
