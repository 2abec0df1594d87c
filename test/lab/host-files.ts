import type { Machine } from './machine.ts'

/** What `stat` and `sha256sum` say of one path: mode, owner, kind, link target, hash of the content. `absent` when it is not there. */
export type FileFacts = string

async function read(machine: Machine, command: string): Promise<string> {
  const { status, stdout, stderr } = await machine.ssh(command)
  if (status !== 0) throw new Error(`on the machine: ${command}: exit ${status}\n${stderr}`)
  return stdout
}

/** Standard output of a command that must succeed, without the last newline. */
export async function readOutput(machine: Machine, command: string): Promise<string> {
  return (await read(machine, command)).replace(/\n$/, '')
}

/** Everything below these directories, except what systemd stamps by itself. Times are left out. */
export async function readTrees(machine: Machine, directories: readonly string[]): Promise<string> {
  const found = `find ${directories.join(' ')} -path /var/lib/systemd -prune -o`
  return read(
    machine,
    `set -e; ${found} -printf '%p %y %m %U:%G %l\\n' | sort; ${found} -type f -print0 | sort -z | xargs -0 sha256sum`,
  )
}

/** Paths must be absolute and free of characters that a shell reads. */
export async function readFiles(machine: Machine, paths: readonly string[]): Promise<Map<string, FileFacts>> {
  const unsafe = paths.filter((path) => !/^\/[\w./@+-]+$/.test(path))
  if (unsafe.length > 0) throw new Error(`paths with odd characters: ${unsafe.join(' ')}`)
  const command = `for f in ${paths.join(' ')}; do
    if [ -L "$f" ] || [ -e "$f" ]; then
      printf '%s\\t%s' "$f" "$(stat -c '%F %a %u:%g %N' "$f")"
      if [ -f "$f" ]; then printf ' %s' "$(sha256sum < "$f")"; fi
      printf '\\n'
    else printf '%s\\tabsent\\n' "$f"; fi
  done`
  const lines = (await readOutput(machine, command)).split('\n')
  return new Map(
    lines.map((line): [string, string] => [line.slice(0, line.indexOf('\t')), line.slice(line.indexOf('\t') + 1)]),
  )
}

/** What the loader and the kernel are given: grub.cfg, and of each image the listing and the configuration inside. */
export type DerivedFiles = { readonly grubCfg: string; readonly images: string }

export async function readDerived(machine: Machine): Promise<DerivedFiles> {
  const images = `set -e
    for image in /boot/initrd.img-*; do
      d=$(mktemp -d)
      unmkinitramfs "$image" "$d"
      cd "$d"
      printf '%s\\n' "$image"
      find . -printf '%P %y %m %l\\n' | sort
      find . \\( -path '*conf/*' -o -path '*etc/modprobe.d/*' \\) -type f | sort | xargs sha256sum
      find . -path '*conf/modules' -exec cat {} +
      cd /; rm -rf "$d"
    done`
  return { grubCfg: await read(machine, 'cat /boot/grub/grub.cfg'), images: await read(machine, images) }
}

export type LiveState = {
  readonly bootId: string
  readonly kernelRelease: string
  readonly commandLine: string
  readonly modules: ReadonlySet<string>
  /** PCI address → driver; an empty text where none is bound. */
  readonly drivers: ReadonlyMap<string, string>
  /** PCI address → IOMMU group. */
  readonly groups: ReadonlyMap<string, number>
  /** Size as in the plan (`2M`) → pages. */
  readonly hugepages: ReadonlyMap<string, number>
  /** `2M 0` → pages of that size on that node. */
  readonly nodePages: ReadonlyMap<string, number>
}

const liveCommand = `cat /proc/sys/kernel/random/boot_id; uname -r; cat /proc/cmdline
cut -d ' ' -f 1 /proc/modules | tr '\\n' ' '; echo
for d in /sys/bus/pci/devices/*; do
  l=$(readlink "$d/driver"); g=$(readlink "$d/iommu_group")
  printf 'pci %s %s %s\\n' "\${d##*/}" "\${g##*/}" "\${l##*/}"
done
for d in /sys/kernel/mm/hugepages/*; do printf 'pages %s %s\\n' "\${d##*-}" "$(cat "$d/nr_hugepages")"; done
for d in /sys/devices/system/node/node*/hugepages/*; do
  n=\${d#*/node/node}; printf 'node %s %s %s\\n' "\${d##*-}" "\${n%%/*}" "$(cat "$d/nr_hugepages")"
done`

function formatSize(kilobytes: number): string {
  return kilobytes >= 1 << 20 ? `${kilobytes >> 20}G` : `${kilobytes >> 10}M`
}

export async function readLive(machine: Machine): Promise<LiveState> {
  const lines = (await readOutput(machine, liveCommand)).split('\n')
  const [bootId = '', kernelRelease = '', commandLine = '', modules = '', ...rest] = lines
  const rows = rest.map((line) => line.split(' '))
  const functions = rows.filter(([kind]) => kind === 'pci')
  const pools = rows.filter(([kind]) => kind === 'pages')
  const nodes = rows.filter(([kind]) => kind === 'node')
  return {
    bootId,
    kernelRelease,
    commandLine,
    modules: new Set(modules.trim().split(' ')),
    drivers: new Map(functions.map(([, address = '', , driver = '']) => [address, driver])),
    groups: new Map(functions.map(([, address = '', group]) => [address, Number(group)])),
    hugepages: new Map(pools.map(([, size = '', pages]) => [formatSize(Number.parseInt(size, 10)), Number(pages)])),
    nodePages: new Map(
      nodes.map(([, size = '', node, pages]) => [`${formatSize(Number.parseInt(size, 10))} ${node}`, Number(pages)]),
    ),
  }
}
