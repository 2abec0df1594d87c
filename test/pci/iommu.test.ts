import test from 'ava'
import { parseKernelCommandLine } from '../../src/formats/kernel-arguments.ts'
import { judgeNextIommu, judgeRemapping } from '../../src/pci/iommu.ts'
import { kernel, pciFunction, snapshot } from '../boot/snapshots.ts'

const active = { iommus: ['dmar0'], pci: [pciFunction({ address: '0000:01:00.0', iommuGroup: 1 })] }
const off = { iommus: [], pci: [pciFunction({ address: '0000:01:00.0' })] }
const byDefault = { CONFIG_INTEL_IOMMU: 'y', CONFIG_INTEL_IOMMU_DEFAULT_ON_INTGPU_OFF: 'y' }
const notByDefault = { CONFIG_INTEL_IOMMU: 'y', CONFIG_INTEL_IOMMU_DEFAULT_ON: 'n' }

const boots = [
  ['GenuineIntel', active, notByDefault, 'quiet', 'off'],
  ['GenuineIntel', active, notByDefault, 'intel_iommu=on', 'on'],
  ['GenuineIntel', off, notByDefault, 'intel_iommu=sm_on,on', 'unknown'],
  ['GenuineIntel', active, notByDefault, 'intel_iommu=on intel_iommu=off', 'off'],
  ['GenuineIntel', active, notByDefault, 'intel_iommu=off intel_iommu=on', 'on'],
  ['GenuineIntel', active, notByDefault, 'intel_iommu=on iommu=off', 'off'],
  ['GenuineIntel', active, byDefault, 'quiet', 'on'],
  ['GenuineIntel', active, {}, 'quiet', 'on'],
  ['GenuineIntel', off, {}, 'quiet', 'unknown'],
  ['GenuineIntel', active, byDefault, 'amd_iommu=off', 'on'],
  ['AuthenticAMD', active, {}, 'quiet', 'on'],
  ['AuthenticAMD', active, {}, 'amd_iommu=off', 'off'],
  ['AuthenticAMD', active, {}, 'iommu=pt,off', 'off'],
  ['AuthenticAMD', active, {}, 'intel_iommu=off', 'on'],
  ['AuthenticAMD', off, {}, 'amd_iommu=on', 'unknown'],
] as const

for (const [vendor, hardware, config, text, expected] of boots) {
  const now = hardware === active ? 'on' : 'off'
  test(`${vendor}, ${now} now, ${JSON.stringify(config)}: a boot with ${text} is ${expected}`, (t) => {
    const base = snapshot({})
    const host = { ...base, ...hardware, cpu: { ...base.cpu, vendor } }
    const next = kernel({ config: new Map(Object.entries(config)) })
    t.is(judgeNextIommu(host, next, parseKernelCommandLine(text)).state, expected)
  })
}

const logs = [
  ['DMAR-IR: Enabled IRQ remapping in x2apic mode', 'on'],
  ['AMD-Vi: Interrupt remapping enabled', 'on'],
  ['DMAR-IR: Not enabling interrupt remapping due to skipped IO-APIC setup', 'off'],
  ['AMD-Vi: Disabling interrupt remapping', 'off'],
  ['DMAR: IOMMU enabled', 'unknown'],
] as const

for (const [line, expected] of logs) {
  test(`interrupt remapping is ${expected} by "${line}"`, (t) => {
    const host = snapshot({ remappedChip: null, kernelLog: [`[    0.4] ${line}`], kernelLogReadable: true })
    t.is(judgeRemapping(host).state, expected)
  })
}

test('a chip that remaps proves it without a log', (t) => {
  const host = snapshot({ remappedChip: 'IR-PCI-MSI', kernelLog: [], kernelLogReadable: false })
  t.is(judgeRemapping(host).state, 'on')
  t.is(judgeRemapping({ ...host, remappedChip: null }).state, 'unknown')
})
