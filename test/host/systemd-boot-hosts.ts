import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import {
  inMiniHost,
  makeMiniHost,
  mkinitramfs,
  olderRelease,
  release,
  shells,
  unmkinitramfs,
  updateInitramfs,
} from './agent-hosts.ts'

/** A host that boots with systemd-boot: entries of kernel-install below /efi, with stand-ins for the tools. */

const guid = '4a67b082-0a4c-41cf-b6c7-440b29bb8c4f'
export const token = 'debian'

const tree = `dir 0755 0:0 /boot/grub
file 0644 0:0 /boot/vmlinuz-${release}
|kernel
file 0644 0:0 /boot/vmlinuz-${olderRelease}
|older kernel
file 0644 0:0 /etc/kernel/entry-token
|${token}
file 0644 0:0 /etc/kernel/cmdline
|root=UUID=uuid ro console=ttyS0 quiet
file 0444 0:0 /proc/cmdline
|initrd=\\debian\\initrd root=UUID=uuid ro console=ttyS0 quiet
file 0644 0:0 /efi/loader/entries.srel
|type1
dir 0755 0:0 /efi/loader/entries
dir 0755 0:0 /efi/EFI
file 0644 0:0 /sys/firmware/efi/efivars/LoaderInfo-${guid}
|.
`

/**
 * What kernel-install of systemd 252 does with 90-loaderentry.install: it writes over live files, and takes the line of
 * the running kernel where it has no file. What the loader has as default meanwhile goes to /var/tmp/defaults.
 */
const kernelInstall = `#!/bin/sh
set -e
[ ! -e /etc/broken-entry-$2 ] || { echo "Error: could not copy" >&2; exit 1; }
[ ! -e /etc/lazy-entry ] || exit 0
conf=\${KERNEL_INSTALL_CONF_ROOT:-/etc/kernel}
read -r token <$conf/entry-token
if [ -f $conf/cmdline ]; then options=$(tr -s ' \\t\\n' ' ' <$conf/cmdline)
else options=$(tr -s ' \\t\\n' '\\n' </proc/cmdline | grep -v -e '^BOOT_IMAGE=' -e '^initrd=' | tr '\\n' ' ')
fi
directory=\${BOOT_ROOT:-/efi}/$token/$2
mkdir -p $directory
cat $3 >$directory/linux
cat $4 >$directory/initrd.img-$2
[ ! -e /etc/torn-copy ] || echo >>$directory/initrd.img-$2
{
  echo "title      Debian GNU/Linux 12 (bookworm)"
  echo "version    $2"
  echo "sort-key   debian"
  echo "options    \${options% }"
  echo "linux      /efi/$token/$2/linux"
  echo "initrd     /efi/$token/$2/initrd.img-$2"
} >/efi/loader/entries/$token-$2.conf
tr -d '\\000-\\037' </sys/firmware/efi/efivars/LoaderEntryDefault-${guid} >>/var/tmp/defaults 2>/dev/null || echo none >>/var/tmp/defaults
`

/** Variables are UTF-16 behind four bytes, as efivarfs shows them. */
const bootctl = `#!/bin/sh
case $1 in
  set-default) name=LoaderEntryDefault ;;
  set-oneshot) name=LoaderEntryOneShot ;;
esac
file=/sys/firmware/efi/efivars/$name-${guid}
[ ! -e /etc/no-variables ] || { echo "Failed to update EFI variable" >&2; exit 1; }
if [ -z "$2" ]; then rm -f $file; exit; fi
{ printf '\\007\\000\\000\\000'; printf '%s' "$2" | sed 's/./&\\n/g' | while read -r char; do printf '%s\\000' "$char"; done; } >$file
`

/** efivarfs does not seek. */
const tail = `#!/bin/sh
case "$*" in */sys/*) echo "tail: cannot seek: Illegal seek" >&2; exit 1 ;; esac
exec busybox tail "$@"
`

/** The hook of Debian's package: a new image is copied at once. */
const withHook = `${updateInitramfs}[ -e /etc/lazy-entry ] ||
  kernel-install add $3 /boot/vmlinuz-$3 /boot/initrd.img-$3 || :
`

export function makeSystemdBootHost(t: ExecutionContext, shell: (typeof shells)[number] = 'busybox sh'): string {
  const tools = {
    '/usr/sbin/mkinitramfs': mkinitramfs,
    '/usr/sbin/update-initramfs': withHook,
    '/usr/bin/unmkinitramfs': unmkinitramfs,
    '/usr/bin/kernel-install': kernelInstall,
    '/usr/bin/bootctl': bootctl,
    '/bin/tail': tail,
  }
  const root = makeMiniHost(t, { shell, tools, tree })
  for (const kernel of [release, olderRelease]) inMiniHost(root, `update-initramfs -u -k ${kernel}`)
  inMiniHost(root, 'rm /var/tmp/defaults')
  return root
}

export function entryOf(root: string, name: string): string {
  return readFileSync(join(root, `efi/loader/entries/${name}.conf`), 'latin1')
}

/** Text of an EFI variable; `undefined` when it is not set. */
export function variableOf(root: string, name: string): string | undefined {
  try {
    return readFileSync(join(root, `sys/firmware/efi/efivars/${name}-${guid}`))
      .subarray(4)
      .toString('utf16le')
  } catch {
    return undefined
  }
}

export function setVariable(root: string, name: string, text: string): void {
  const value = Buffer.concat([Buffer.from([7, 0, 0, 0]), Buffer.from(text, 'utf16le')])
  writeFileSync(join(root, `sys/firmware/efi/efivars/${name}-${guid}`), value)
}
