import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sha256 } from '../../src/core/public-change.ts'
import { parseImages } from '../../src/host/parse-records.ts'
import {
  bootTools,
  callFor,
  inMiniHost,
  isRoot,
  makeMiniHost,
  readHost,
  release,
  runUnder,
  settleMiniHost,
  shells,
} from './agent-hosts.ts'
import { testUnless } from './skip.ts'

const test = testUnless(isRoot ? null : 'needs root, for chroot')

for (const shell of shells) {
  test(`images are listed and nothing stays behind: ${shell}`, (t) => {
    const root = makeMiniHost(t, { shell, tools: bootTools })
    writeFileSync(join(root, 'etc/modprobe.d/vfio.conf'), 'options vfio-pci ids=10de:1c82\n')
    writeFileSync(join(root, 'etc/initramfs-tools/modules'), '# early\nvfio_pci\nvfio-iommu-type1\n')
    settleMiniHost(root)
    const before = readHost(root)
    const run = runUnder('sh', callFor({ verb: 'images' }), { chroot: root })
    t.is(run.outcome, 'done')
    t.deepEqual(run.codes, [])
    t.deepEqual(readHost(root), before)
    t.deepEqual(readdirSync(join(root, 'var/tmp')), [])
    t.deepEqual(readdirSync(join(root, 'var/lib')), [])
    const listing = parseImages(run.text).find(({ path }) => path === `/boot/initrd.img-${release}`)
    const [inode, size, mtime] = inMiniHost(root, `stat -c '%i %s %Y' /boot/initrd.img-${release}`).split(/\s/)
    t.deepEqual(listing, {
      path: `/boot/initrd.img-${release}`,
      inode: Number(inode),
      size: Number(size),
      mtime: Number(mtime),
      modules: ['vfio_iommu_type1', 'vfio_pci'],
      early: ['vfio_pci', 'vfio_iommu_type1'],
      configuration: new Map([['etc/modprobe.d/vfio.conf', sha256('options vfio-pci ids=10de:1c82\n')]]),
    })
  })
}

test('an image that cannot be unpacked is said, the others are listed', (t) => {
  const root = makeMiniHost(t, { shell: 'dash', tools: bootTools })
  settleMiniHost(root)
  writeFileSync(join(root, `boot/initrd.img-${release}`), 'no archive\n')
  const run = runUnder('sh', callFor({ verb: 'images' }), { chroot: root })
  t.deepEqual(run.codes, ['IMAGE_UNREADABLE'])
  t.is(parseImages(run.text).length, 1)
  t.deepEqual(readdirSync(join(root, 'var/tmp')), [])
})

test('a host without the tool', (t) => {
  const root = makeMiniHost(t, { shell: 'dash', tools: bootTools })
  rmSync(join(root, 'usr/bin/unmkinitramfs'))
  const run = runUnder('sh', callFor({ verb: 'images' }), { chroot: root })
  t.deepEqual(run.codes, ['TOOL_MISSING'])
  t.is(run.outcome, 'refused')
})
