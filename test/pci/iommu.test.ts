import test from 'ava'
import { parseKernelCommandLine } from '../../src/formats/kernel-arguments.ts'
import { judgeNextIommu, judgeRemapping } from '../../src/pci/iommu.ts'
import { kernel, pciFunction, snapshot } from '../boot/snapshots.ts'

const grouped = pciFunction({ address: '0000:01:00.0', iommuGroup: 1 })
const intel = { iommus: ['dmar0'], pci: [grouped] }
const asked = { ...intel, commandLine: 'quiet intel_iommu=on' }
const amd = { iommus: ['ivhd0'], pci: [grouped] }
const off = { iommus: [], pci: [pciFunction({ address: '0000:01:00.0' })] }
const byDefault = { CONFIG_INTEL_IOMMU: 'y', CONFIG_INTEL_IOMMU_DEFAULT_ON_INTGPU_OFF: 'y' }
const notByDefault = { CONFIG_INTEL_IOMMU: 'y', CONFIG_INTEL_IOMMU_DEFAULT_ON: 'n' }

const boots = [
  ['GenuineIntel', asked, notByDefault, 'quiet', 'off'],
  ['GenuineIntel', asked, notByDefault, 'intel_iommu=on', 'on'],
  ['GenuineIntel', asked, notByDefault, 'intel-iommu=on', 'on'],
  ['GenuineIntel', off, notByDefault, 'intel_iommu=sm_on,on', 'unknown'],
  ['GenuineIntel', asked, notByDefault, 'intel_iommu=on intel_iommu=off', 'off'],
  ['GenuineIntel', asked, notByDefault, 'intel_iommu=off intel_iommu=on', 'on'],
  ['GenuineIntel', asked, notByDefault, 'intel_iommu=on iommu=off', 'off'],
  ['GenuineIntel', asked, byDefault, 'quiet', 'on'],
  ['GenuineIntel', asked, {}, 'quiet', 'unknown'],
  ['GenuineIntel', intel, {}, 'quiet', 'on'],
  ['GenuineIntel', off, {}, 'quiet', 'unknown'],
  ['GenuineIntel', off, notByDefault, 'quiet', 'off'],
  ['GenuineIntel', intel, byDefault, 'amd_iommu=off', 'on'],
  ['AuthenticAMD', amd, {}, 'quiet', 'on'],
  ['AuthenticAMD', amd, {}, 'amd_iommu=off', 'off'],
  ['AuthenticAMD', amd, {}, 'iommu=pt,off', 'off'],
  ['AuthenticAMD', amd, {}, 'intel_iommu=off', 'on'],
  ['AuthenticAMD', off, {}, 'amd_iommu=on', 'unknown'],
] as const

for (const [vendor, hardware, config, text, expected] of boots) {
  const now = hardware === asked ? 'on by argument' : hardware === off ? 'off' : 'on'
  test(`${vendor}, ${now} now, ${JSON.stringify(config)}: a boot with ${text} is ${expected}`, (t) => {
    const base = snapshot({})
    const host = { ...base, ...hardware, cpu: { ...base.cpu, vendor } }
    const next = kernel({ config: new Map(Object.entries(config)) })
    t.is(judgeNextIommu(host, next, parseKernelCommandLine(text)).state, expected)
  })
}

test('firmware turns it on without an argument, and does so again', (t) => {
  const next = kernel({ config: new Map(Object.entries(notByDefault)) })
  const judge = (text: string) => judgeNextIommu(snapshot(intel), next, parseKernelCommandLine(text)).state
  t.is(judge('quiet iommu=pt'), 'on')
  t.is(judge('intel_iommu=off'), 'off')
})

test('an Intel IOMMU in a virtual machine with a processor of another vendor', (t) => {
  const base = snapshot(intel)
  const host = { ...base, cpu: { ...base.cpu, vendor: 'AuthenticAMD' } }
  t.is(judgeNextIommu(host, kernel(), parseKernelCommandLine('intel_iommu=off')).state, 'off')
  t.is(judgeNextIommu(host, kernel(), parseKernelCommandLine('amd_iommu=off')).state, 'on')
})

const others = [
  ['GenuineIntel', asked, {}, 'intel_iommu=on', 'unknown'],
  ['GenuineIntel', asked, notByDefault, 'intel_iommu=on', 'on'],
  ['GenuineIntel', asked, byDefault, 'quiet', 'on'],
  ['GenuineIntel', intel, notByDefault, 'quiet', 'off'],
  ['GenuineIntel', asked, { CONFIG_INTEL_IOMMU: 'n' }, 'intel_iommu=on', 'off'],
  ['AuthenticAMD', amd, { CONFIG_AMD_IOMMU: 'y' }, 'quiet', 'on'],
  ['AuthenticAMD', amd, { CONFIG_AMD_IOMMU: 'n' }, 'quiet', 'off'],
  ['AuthenticAMD', amd, {}, 'quiet', 'unknown'],
] as const

for (const [vendor, hardware, config, text, expected] of others) {
  test(`another kernel, ${vendor}, ${JSON.stringify(config)}: a boot with ${text} is ${expected}`, (t) => {
    const base = snapshot(hardware)
    const host = { ...base, cpu: { ...base.cpu, vendor } }
    const next = kernel({ release: '6.12.0-1-amd64', config: new Map(Object.entries(config)) })
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
