import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { detectBootStack } from '../../src/boot/detect-stack.ts'
import { makeTree, snapshotOf } from '../host-trees/open-tree.ts'
import { arg, codesOf, contentAfter, planOf } from '../boot/plan-of.ts'

const tree = new URL('../host-trees/systemd-boot.tree', import.meta.url).pathname
const machineId = 'a5b54b8e241248c5b8c8da60651055f2'

for (const shell of [['dash'], ['bash'], ['busybox', 'sh']]) {
  test(`a host with systemd-boot under ${shell.join(' ')}`, async (t) => {
    const directory = makeTree(t, tree)
    const snapshot = await snapshotOf(directory, {}, { shell })
    t.deepEqual(snapshot.efi, {
      variables: new Map([['LoaderInfo', 'systemd-boot 252.39-1~deb12u2']]),
      images: [],
    })
    const detected = detectBootStack(snapshot)
    t.is(detected.ok && detected.stack.entry?.id, `${machineId}-6.1.0-56-amd64.conf`)
    const plan = planOf(snapshot, [[arg('iommu=pt')]])
    t.deepEqual(codesOf(plan), [])
    t.is(contentAfter(plan, '/etc/kernel/cmdline'), 'root=UUID=1111 ro console=ttyS0 quiet iommu=pt\n')
    const prefix = `initrd=\\${machineId}\\6.1.0-56-amd64\\initrd.img-6.1.0-56-amd64`
    t.is(
      plan.nextBoot?.kernelCommandLine,
      `${prefix} root=UUID=1111 ro console=ttyS0 quiet iommu=pt systemd.machine_id=${machineId}`,
    )
  })
}

test('unified images are found by name, also behind links, and never read', async (t) => {
  const directory = makeTree(t, tree)
  mkdirSync(join(directory, 'boot/efi/EFI/Linux'))
  writeFileSync(join(directory, 'boot/efi/EFI/Linux/debian.EFI'), 'MZ')
  symlinkSync('/boot/efi', join(directory, 'efi'))
  const snapshot = await snapshotOf(directory)
  t.deepEqual(snapshot.efi.images, ['/boot/efi/EFI/Linux/debian.EFI'])
  t.false(detectBootStack(snapshot).ok)
})
