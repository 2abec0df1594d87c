import type { FileState, InstalledKernel, Snapshot } from '../../src/core/snapshot.ts'
import { directory, kernel, release, snapshot } from './snapshots.ts'

/** Debian 12 with its package systemd-boot: entries on a partition below /efi, named after the token `debian`. */

export const token = 'debian'
/** What the loader puts in front of the options. */
export const initrdWord = ['initrd=', token, release, `initrd.img-${release}`].join('\\')
const absent = { type: 'absent' } as const

type Given = {
  readonly files?: Readonly<Record<string, FileState | string>>
  readonly variables?: Readonly<Record<string, string>>
  readonly images?: readonly string[]
  readonly kernels?: readonly InstalledKernel[]
  /** Of /etc/kernel/cmdline; null: there is none. */
  readonly cmdline?: string | null
  /** What all entries have. */
  readonly options?: string
  readonly live?: string
  readonly more?: Partial<Omit<Snapshot, 'files'>>
}

export function entryPath(of: string = release, name: string = token): string {
  return `/efi/loader/entries/${name}-${of}.conf`
}

/** As 90-loaderentry.install of systemd 252 writes it. */
export function entryText(options: string, of: string = release, name: string = token): string {
  return `title      Debian GNU/Linux 12 (bookworm)
version    ${of}
sort-key   debian
options    ${options}
linux      /${name}/${of}/linux
initrd     /${name}/${of}/initrd.img-${of}
`
}

export function systemdBootHost(given: Given = {}): Snapshot {
  const options = given.options ?? 'root=UUID=1111 ro quiet'
  const { kernels = [kernel()], cmdline = `${options}\n`, variables = {}, live = options } = given
  const entries = kernels.map((each) => [entryPath(each.release), entryText(options, each.release)] as const)
  return snapshot({
    files: {
      '/boot/grub/grub.cfg': absent,
      '/etc/default/grub': absent,
      '/efi/loader': directory,
      '/efi/loader/entries': directory,
      '/efi/loader/entries.srel': 'type1\n',
      '/efi/loader/loader.conf': 'timeout 3\nconsole-mode keep\n',
      '/etc/kernel/entry-token': `${token}\n`,
      ...(cmdline === null ? {} : { '/etc/kernel/cmdline': cmdline }),
      ...Object.fromEntries(entries),
      ...given.files,
    },
    kernels,
    commandLine: `${initrdWord} ${live}`,
    efi: {
      variables: new Map(Object.entries({ LoaderInfo: 'systemd-boot 252.39-1~deb12u2', ...variables })),
      images: given.images ?? [],
    },
    tools: new Map(['bootctl', 'kernel-install', 'update-initramfs'].map((name) => [name, `/usr/bin/${name}`])),
    ...given.more,
  })
}
