import test from 'ava'
import { afterPlan, atBoot, codesOf, contentAfter, early, planOf } from './plan-of.ts'
import { kernel, snapshot } from './snapshots.ts'
import type { Claim } from '../../src/core/claim.ts'

const modules = '/etc/initramfs-tools/modules'
const own = '/etc/modules-load.d/passway.conf'

test('early modules are added in order', (t) => {
  const host = snapshot({ files: { [modules]: '# comment\nraid1\n' } })
  const claims = early('vfio_pci', 'vfio', 'vfio_iommu_type1')
  const plan = planOf(host, [claims])
  t.is(contentAfter(plan, modules), '# comment\nraid1\nvfio_pci\nvfio\nvfio_iommu_type1\n')
  t.deepEqual(plan.regenerate, ['initramfs'])
  t.deepEqual(plan.expectation?.imageModules, ['vfio_pci', 'vfio', 'vfio_iommu_type1'])
  t.deepEqual(planOf(afterPlan(host, plan), [claims]).changes, [])
})

test('a module that is listed counts, however it is spelt', (t) => {
  const host = snapshot({ files: { [modules]: 'vfio-pci ids=1:2\nvfio\n' } })
  t.deepEqual(planOf(host, [early('vfio_pci', 'vfio')]).changes, [])
})

test('order is corrected where one task needs it, and only the lines in question move', (t) => {
  const host = snapshot({ files: { [modules]: 'nvme\nvfio\nraid1\nvfio-pci  # x\n' } })
  const plan = planOf(host, [early('vfio_pci', 'vfio')])
  t.is(contentAfter(plan, modules), 'nvme\nvfio-pci  # x\nraid1\nvfio\n')
  t.deepEqual(planOf(host, [early('vfio_pci'), early('vfio')]).changes, [])
})

test('two tasks with opposite orders are a conflict', (t) => {
  const plan = planOf(snapshot(), [early('vfio', 'vfio_pci'), early('vfio_pci', 'vfio')])
  t.deepEqual(codesOf(plan), ['CLAIM_CONFLICT', 'CLAIM_CONFLICT'])
})

test('modules that are built in are not expected in the images', (t) => {
  const built = kernel({ modules: new Map([['vfio', 'builtin']]) })
  const plan = planOf(snapshot({ kernels: [built] }), [early('vfio', 'vfio_pci')])
  t.deepEqual(plan.expectation?.imageModules, ['vfio_pci'])
})

test('modules for the boot go into a file of our own unless any file lists them', (t) => {
  const host = snapshot({
    files: { '/etc/modules': 'loop\nvfio-pci\n', '/usr/lib/modules-load.d/x.conf': 'kvm\n' },
  })
  const claims = atBoot('vfio', 'vfio_pci', 'kvm')
  const plan = planOf(host, [claims])
  t.is(contentAfter(plan, own), '# Written by passway: kernel modules to load at boot.\nvfio\n')
  t.deepEqual(plan.regenerate, [])
  t.is(plan.reboot, 'needed')
  t.is(plan.expectation, null)
  const second = planOf(afterPlan(host, plan), [claims])
  t.deepEqual(second.changes, [])
  t.deepEqual(
    second.pending.map(({ what }) => what),
    ['module kvm', 'module vfio', 'module vfio_pci'],
  )
  t.is(second.reboot, 'needed')
  t.is(contentAfter(planOf(afterPlan(host, plan), [], true), own), null)
})

test('no reboot where the modules are loaded now as well', (t) => {
  const now: Claim = { want: 'present', of: 'kernel-module', target: 'vfio-pci' }
  const plan = planOf(snapshot(), [[...atBoot('vfio_pci'), now]])
  t.is(plan.reboot, 'none')
  t.deepEqual(
    plan.changes.map(({ kind, target, after }) => [kind, target, after === 'loaded']),
    [
      ['file', own, false],
      ['kernel-module', 'vfio_pci', true],
    ],
  )
})
