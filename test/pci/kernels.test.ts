import test from 'ava'
import { findBootable, noteLeftOver } from '../../src/pci/kernels.ts'
import { kernel, release, snapshot } from '../boot/snapshots.ts'

const old = { release: '5.10.0-8-amd64', image: null, initrd: null }
const image = '/boot/initrd.img-5.10.0-8-amd64'

type Row = readonly [title: string, host: Parameters<typeof snapshot>[0], isBootable: boolean]

const rows: readonly Row[] = [
  ['only modules are left of it', { kernels: [kernel(), kernel(old)] }, false],
  ['it runs', { kernels: [kernel({ running: false }), kernel({ ...old, running: true })] }, true],
  ['/boot has it', { kernels: [kernel(), kernel({ ...old, image: '/boot/vmlinuz-5.10.0-8-amd64' })] }, true],
  [
    'its initramfs is there, and is built with those of others',
    { kernels: [kernel(), kernel({ ...old, initrd: { path: image, inode: 1, size: 1, mtime: 1 } })] },
    true,
  ],
  ['/boot has no image at all', { kernels: [kernel({ image: null }), kernel(old)] }, true],
  [
    'systemd-boot has an entry of it',
    { kernels: [kernel(), kernel(old)], files: { '/efi/loader/entries/debian-5.10.0-8-amd64+3.conf': 'title x\n' } },
    true,
  ],
  [
    'systemd-boot has an entry of another one',
    { kernels: [kernel(), kernel(old)], files: { [`/efi/loader/entries/debian-${release}.conf`]: 'title x\n' } },
    false,
  ],
]

for (const [title, given, isBootable] of rows) {
  test(`whether a kernel may boot: ${title}`, (t) => {
    const host = snapshot(given)
    const releases = findBootable(host).map((found) => found.release)
    t.deepEqual(releases, isBootable ? [release, old.release] : [release])
    const told = noteLeftOver(host, () => true).flatMap(({ evidence }) => evidence ?? [])
    t.deepEqual(told, isBootable ? [] : ['/lib/modules/5.10.0-8-amd64: no /boot/vmlinuz-5.10.0-8-amd64'])
    t.deepEqual(
      noteLeftOver(host, ({ running }) => running),
      [],
    )
  })
}
