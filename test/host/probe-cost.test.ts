import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { formatProbeRequest } from '../../src/host/probe-request.ts'
import { readProbeProgram } from '../../src/host/programs.ts'
import { benchTree } from '../bench/bench-tree.ts'
import { makeTree, snapshotOf } from '../host-trees/open-tree.ts'

const reads = {
  units: ['irqbalance.service', 'tuned.service', 'power-profiles-daemon.service'],
  symbols: ['pcie_acs_override_setup'],
  modules: ['acpi_cpufreq', 'nouveau'],
}

function hasStrace(): boolean {
  try {
    execFileSync('strace', ['-V'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

const costTest = hasStrace() ? test : test.skip
for (const shell of [['dash'], ['bash'], ['busybox', 'sh']]) {
  costTest(`at most 40 processes for 150 PCI functions under ${shell.join(' ')} (needs strace)`, (t) => {
    const directory = makeTree(t, benchTree())
    const log = join(makeTree(t, ''), 'log')
    const request = formatProbeRequest({ root: directory, reads })
    const command = [...shell, '-c', readProbeProgram(), 'passway', request, '', 'n0nce']
    execFileSync('strace', ['-f', '-qq', '-e', 'trace=clone,clone3,fork,vfork', '-o', log, ...command], {
      stdio: 'pipe',
    })
    const processes = 1 + (readFileSync(log, 'utf8').match(/\b(?:clone3?|v?fork)\(/g)?.length ?? 0)
    t.log(`${processes} processes`)
    t.true(processes <= 40)
    t.true(processes > 5)
  })
}

test('the bench tree is read whole', async (t) => {
  const { pci, kernels } = await snapshotOf(makeTree(t, benchTree()), reads)
  t.is(pci.length, 150)
  t.like(
    pci.find(({ address }) => address === '10000:41:00.0'),
    {
      parent: '10000:00:01.0',
      sriov: { total: 8, enabled: 2 },
      numaNode: 1,
    },
  )
  t.is(pci.find(({ address }) => address === '10000:41:00.1')?.physicalFunction, '10000:41:00.0')
  t.is(kernels.length, 2)
  for (const { pciAliases } of kernels) t.true(pciAliases.length < 100)
})
