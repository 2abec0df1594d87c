import test from 'ava'
import { detectBootStack } from '../../src/boot/detect-stack.ts'
import type { Snapshot } from '../../src/core/snapshot.ts'
import { directory, kernel, release, snapshot } from './snapshots.ts'
import { entryPath, entryText, systemdBootHost } from './systemd-boot-host.ts'

const newer = '6.1.0-40-amd64'
const older = '6.1.0-9-amd64'
const kernels = [kernel(), kernel({ release: newer }), kernel({ release: older })]
const machineId = '0123456789abcdef0123456789abcdef'
const absent = { type: 'absent' } as const

function entryOf(host: Snapshot): string | undefined {
  const detected = detectBootStack(host)
  if (!detected.ok) return detected.diagnostic.message
  return `${detected.stack.entry?.id} ${detected.stack.entry?.release}${detected.stack.once ? ' once' : ''}`
}

const id = (of: string, name = 'debian') => `${name}-${of}.conf ${of}`
const grub = { '/boot/grub/grub.cfg': 'set default=0\n', '/etc/default/grub': 'GRUB_DEFAULT=0\n' }
const own = { '/efi/loader/entries/passway-before-1.conf': entryText('quiet').replace(/^sort-key.*\n/m, '') }

const boots: readonly [title: string, host: Snapshot, entry: string][] = [
  ['the only one', systemdBootHost(), id(release)],
  ['the newest', systemdBootHost({ kernels }), id(newer)],
  ['an entry that is kept is not among them', systemdBootHost({ files: own }), id(release)],
  [
    'the default of loader.conf',
    systemdBootHost({ kernels, files: { '/efi/loader/loader.conf': 'default debian-6.1.0-9*\n' } }),
    id(older),
  ],
  [
    'a default of loader.conf that nothing fits',
    systemdBootHost({ kernels, files: { '/efi/loader/loader.conf': 'default arch-*\n' } }),
    id(newer),
  ],
  [
    'the variable before loader.conf',
    systemdBootHost({
      kernels,
      files: { '/efi/loader/loader.conf': `default debian-${older}.conf\n` },
      variables: { LoaderEntryDefault: `debian-${release}.conf` },
    }),
    id(release),
  ],
  [
    'once before both',
    systemdBootHost({
      kernels,
      variables: { LoaderEntryDefault: `debian-${release}.conf`, LoaderEntryOneShot: `debian-${older}.conf` },
    }),
    `${id(older)} once`,
  ],
  [
    'the one that was booted last',
    systemdBootHost({
      kernels,
      files: { '/efi/loader/loader.conf': 'default @saved\n' },
      variables: { LoaderEntryLastBooted: `debian-${older}.conf` },
    }),
    id(older),
  ],
  [
    'while a transaction is open its own default does not count',
    systemdBootHost({ files: own, variables: { LoaderEntryDefault: 'passway-before-1.conf' } }),
    id(release),
  ],
  [
    'named after the machine',
    systemdBootHost({
      files: {
        '/etc/kernel/entry-token': absent,
        [entryPath()]: absent,
        [entryPath(release, machineId)]: entryText('quiet', release, machineId),
      },
    }),
    id(release, machineId),
  ],
  ['named after the distribution', systemdBootHost({ files: { '/etc/kernel/entry-token': absent } }), id(release)],
  ['a GRUB that is installed as well', systemdBootHost({ files: grub }), id(release)],
  [
    'a tree without variables',
    systemdBootHost({ more: { tree: true, tools: new Map(), efi: { variables: new Map(), images: [] } } }),
    id(release),
  ],
  [
    'a unified image that is not asked for',
    systemdBootHost({
      images: ['/efi/EFI/Linux/other.efi'],
      variables: { LoaderEntryDefault: `debian-${release}.conf` },
    }),
    id(release),
  ],
  [
    'without root',
    systemdBootHost({ files: { '/efi/loader': { type: 'unreadable', reason: '0700' } } }),
    'undefined undefined',
  ],
]
for (const [title, host, entry] of boots) test(`boots: ${title}`, (t) => t.is(entryOf(host), entry))

test('GRUB boots where it left its name', (t) => {
  const efi = { variables: new Map([['LoaderInfo', 'GRUB 2.12']]), images: [] }
  const host = snapshot({ efi, files: { '/efi/loader': directory } })
  t.is(detectBootStack(host).ok && entryOf(host), `gnulinux-simple-1111 ${release}`)
})

const foreign = entryText('quiet').replace('/debian/', '/vmlinuz/')
const refusals: readonly [name: RegExp, host: Snapshot][] = [
  [/proxmox-boot-tool/, systemdBootHost({ files: { '/etc/kernel/proxmox-boot-uuids': 'AAAA-BBBB\n' } })],
  [
    /without bootctl/,
    systemdBootHost({ more: { tools: new Map([['update-initramfs', '/usr/sbin/update-initramfs']]) } }),
  ],
  [/dracut/, systemdBootHost({ more: { tools: new Map([['dracut', '/usr/bin/dracut']]) } })],
  [/of version 247/, systemdBootHost({ variables: { LoaderInfo: 'systemd-boot 247.3' } })],
  [/layout=uki/, systemdBootHost({ files: { '/etc/kernel/install.conf': 'layout=uki\n' } })],
  [/cannot be understood/, systemdBootHost({ files: { '/etc/kernel/install.conf': 'layout=$(choose)\n' } })],
  [/below \/mnt/, systemdBootHost({ files: { '/etc/kernel/install.conf': 'BOOT_ROOT=/mnt\n' } })],
  [/counted/, systemdBootHost({ files: { '/etc/kernel/tries': '3\n' } })],
  [
    /a program of its own/,
    systemdBootHost({ files: { '/etc/kernel/install.d/90-loaderentry.install': '#!/bin/sh\n' } }),
  ],
  [/another tool than kernel-install/, systemdBootHost({ files: { '/efi/loader/entries.srel': 'grub\n' } })],
  [/another tool than kernel-install/, systemdBootHost({ files: { '/etc/kernel/entry-token': 'other\n' } })],
  [/another tool than kernel-install/, systemdBootHost({ files: { [entryPath()]: foreign } })],
  [
    /another tool than kernel-install/,
    systemdBootHost({ kernels, files: { [`/boot/loader/entries/debian-${older}.conf`]: entryText('quiet', older) } }),
  ],
  [/unified kernel images/, systemdBootHost({ images: ['/efi/EFI/Linux/other.efi'] })],
  [
    /another system by default/,
    systemdBootHost({ images: ['/efi/EFI/Linux/other.efi'], variables: { LoaderEntryDefault: 'other.efi' } }),
  ],
  [
    /did not write by default/,
    systemdBootHost({
      files: { '/efi/loader/entries/mine.conf': entryText('quiet'), '/efi/loader/loader.conf': 'default mine.conf\n' },
    }),
  ],
  [/lack the newer kernel 6.1.0-40/, systemdBootHost({ kernels, files: { [entryPath(newer)]: absent } })],
]
for (const [index, [name, host]] of refusals.entries()) {
  test(`refused: ${name.source} ${index}`, (t) => {
    const detected = detectBootStack(host)
    t.false(detected.ok)
    if (detected.ok) return
    t.is(detected.diagnostic.code, 'BOOT_UNSUPPORTED')
    t.regex(detected.diagnostic.message, name)
    t.true((detected.diagnostic.evidence?.length ?? 0) > 0)
  })
}
