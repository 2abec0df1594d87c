import type { BlockDevice, HostHardware } from '../../src/core/host-hardware.ts'
import type { FileState, InstalledKernel, PciFunction, Snapshot } from '../../src/core/snapshot.ts'
import { bytesFromText } from '../../src/core/bytes.ts'

/** A small Debian 12 host with GRUB and initramfs-tools, as data; tests override what they are about. */

export function file(content: string, mode = 0o644): FileState {
  return { type: 'file', mode, uid: 0, gid: 0, content: bytesFromText(content) }
}

export const directory: FileState = { type: 'directory', mode: 0o755, uid: 0, gid: 0 }

export function pciFunction(given: Partial<PciFunction> & { address: string }): PciFunction {
  return {
    class: '020000',
    vendor: '8086',
    device: '10d3',
    subsystemVendor: null,
    subsystemDevice: null,
    modalias: null,
    driver: null,
    parent: null,
    iommuGroup: null,
    numaNode: null,
    bootVga: null,
    driverOverride: null,
    resetMethods: null,
    physicalFunction: null,
    sriov: null,
    headerType: null,
    multifunction: null,
    link: null,
    hasReset: true,
    msi: false,
    revision: null,
    path: [],
    serial: null,
    ...given,
  }
}

export const release = '6.1.0-32-amd64'

export function kernel(given: Partial<InstalledKernel> = {}): InstalledKernel {
  const name = given.release ?? release
  return {
    release: name,
    running: name === release,
    image: `/boot/vmlinuz-${name}`,
    initrd: { path: `/boot/initrd.img-${name}`, inode: 12, size: 30_000_000, mtime: 1_700_000_000 },
    config: new Map(),
    modules: new Map(['vfio', 'vfio_pci', 'vfio_iommu_type1', 'kvm'].map((module) => [module, 'loadable' as const])),
    pciAliases: [],
    softdeps: [],
    systemMap: { state: 'stub', symbols: [] },
    ...given,
  }
}

const grubDefaults = `# If you change this file, run 'update-grub' afterwards to update
# /boot/grub/grub.cfg.

GRUB_DEFAULT=0
GRUB_TIMEOUT=5
GRUB_DISTRIBUTOR=\`lsb_release -i -s 2> /dev/null || echo Debian\`
GRUB_CMDLINE_LINUX_DEFAULT="quiet"
GRUB_CMDLINE_LINUX=""
`

/** `others`: releases of kernels that have an entry in the submenu. */
export function grubConfiguration(normal: string, recovery = '', others: readonly string[] = []): string {
  const rest = others.map(
    (
      name,
    ) => `	menuentry 'Debian GNU/Linux, with Linux ${name}' $menuentry_id_option 'gnulinux-${name}-advanced-1111' {
		linux	/boot/vmlinuz-${name} root=UUID=1111 ro ${normal}
		initrd	/boot/initrd.img-${name}
	}
`,
  )
  return `### BEGIN /etc/grub.d/00_header ###
if [ -s $prefix/grubenv ]; then
  set have_grubenv=true
  load_env
fi
if [ "\${next_entry}" ] ; then
   set default="\${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="0"
fi
### END /etc/grub.d/00_header ###

### BEGIN /etc/grub.d/10_linux ###
menuentry 'Debian GNU/Linux' --class debian --class gnu-linux --class gnu --class os $menuentry_id_option 'gnulinux-simple-1111' {
	load_video
	insmod gzio
	insmod part_gpt
	insmod ext2
	search --no-floppy --fs-uuid --set=root 1111
	echo	'Loading Linux ${release} ...'
	linux	/boot/vmlinuz-${release} root=UUID=1111 ro ${normal}
	echo	'Loading initial ramdisk ...'
	initrd	/boot/initrd.img-${release}
}
submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'gnulinux-advanced-1111' {
	menuentry 'Debian GNU/Linux, with Linux ${release}' --class debian --class gnu-linux --class gnu --class os $menuentry_id_option 'gnulinux-${release}-advanced-1111' {
		load_video
		insmod gzio
		insmod part_gpt
		insmod ext2
		search --no-floppy --fs-uuid --set=root 1111
		echo	'Loading Linux ${release} ...'
		linux	/boot/vmlinuz-${release} root=UUID=1111 ro ${normal}
		echo	'Loading initial ramdisk ...'
		initrd	/boot/initrd.img-${release}
	}
	menuentry 'Debian GNU/Linux, with Linux ${release} (recovery mode)' --class debian --class gnu-linux --class gnu --class os $menuentry_id_option 'gnulinux-${release}-recovery-1111' {
		load_video
		search --no-floppy --fs-uuid --set=root 1111
		echo	'Loading Linux ${release} ...'
		linux	/boot/vmlinuz-${release} root=UUID=1111 ro single ${recovery}
		echo	'Loading initial ramdisk ...'
		initrd	/boot/initrd.img-${release}
	}
${rest.join('')}}
### END /etc/grub.d/10_linux ###
`
}

const initramfsModules = `# List of modules that you want to include in your initramfs.
# They will be loaded at boot time in the order below.
#
# Syntax:  module_name [args ...]
#
`

export const debianFiles: Readonly<Record<string, FileState>> = {
  '/etc/default/grub': file(grubDefaults),
  '/etc/default/grub.d': directory,
  '/boot/grub/grub.cfg': file(grubConfiguration('quiet'), 0o600),
  '/etc/initramfs-tools': directory,
  '/etc/initramfs-tools/modules': file(initramfsModules),
  '/etc/initramfs-tools/initramfs.conf': file('MODULES=most\n'),
  '/etc/modprobe.d': directory,
  '/etc/modules-load.d': directory,
  '/etc/modules': file('# /etc/modules: kernel modules to load at boot time.\n'),
  '/etc/systemd/system': directory,
  '/etc/tmpfiles.d': directory,
  '/etc/udev/rules.d': directory,
}

export function blockDevice(given: Partial<BlockDevice> & { name: string }): BlockDevice {
  return {
    path: null,
    number: null,
    parents: [],
    partitionOf: null,
    dm: null,
    md: null,
    size: 64 * 1024 ** 3,
    serial: null,
    fsType: null,
    fsLabel: null,
    fsUuid: null,
    partUuid: null,
    ...given,
  }
}

/** A disk for the root, and a console that is no screen: nothing here keeps a function of a test with the host. */
export const noHardware: HostHardware = {
  iommuGroups: [],
  iommus: [],
  pciNames: new Map(),
  blockDevices: [
    blockDevice({ name: 'sda', path: '/devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda' }),
    blockDevice({
      name: 'sda1',
      path: '/devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda/sda1',
      partitionOf: 'sda',
    }),
  ],
  swaps: [],
  btrfs: [],
  zfs: null,
  network: [],
  routes: [],
  displays: [],
  consoles: ['tty0', 'ttyS0'],
  inputs: [],
  watchdogs: [],
  ipmi: false,
  iscsiSessions: [],
  fcHosts: [],
  vfioHolders: [],
  kernelLog: [],
  kernelLogReadable: true,
  remappedChip: null,
}

type Overrides = Omit<Partial<Snapshot>, 'files'> & { readonly files?: Readonly<Record<string, FileState | string>> }

export function snapshot(given: Overrides = {}): Snapshot {
  const { files: givenFiles = {}, ...rest } = given
  const states = Object.entries(givenFiles).map(
    ([path, state]) => [path, typeof state === 'string' ? file(state) : state] as const,
  )
  const files = new Map([...Object.entries(debianFiles), ...states])
  return {
    machineId: '0123456789abcdef0123456789abcdef',
    bootId: '7c3f9e6a-0000-4000-8000-000000000001',
    hostname: 'node1',
    kernelRelease: release,
    uid: 0,
    tree: false,
    sshConnection: null,
    os: new Map([
      ['ID', 'debian'],
      ['VERSION_ID', '12'],
    ]),
    cpu: {
      vendor: 'GenuineIntel',
      model: 'test',
      flags: [],
      online: '0-3',
      possible: '0-3',
      isolated: '',
      nohzFull: '',
    },
    memory: { totalKb: 16_000_000, availableKb: 12_000_000 },
    numa: [],
    hugepages: [],
    defaultHugepageKb: 2048,
    cpufreq: [],
    commandLine: `BOOT_IMAGE=/boot/vmlinuz-${release} root=UUID=1111 ro quiet`,
    loadedModules: new Set(),
    mounts: [{ source: '/dev/sda1', target: '/', type: 'ext4', options: ['rw'] }],
    pci: [],
    kernels: [kernel()],
    kallsyms: null,
    units: new Map(),
    efi: { variables: new Map(), images: [] },
    tools: new Map(
      ['update-grub', 'grub-mkconfig', 'grub-script-check', 'update-initramfs', 'lsinitramfs'].map((name) => [
        name,
        `/usr/sbin/${name}`,
      ]),
    ),
    systemd: true,
    files,
    globs: new Map([...globbed(files)].map(([pattern, paths]) => [pattern, paths] as const)),
    attributes: new Map(),
    stateDirectory: '/var/lib/passway',
    records: [],
    lastRecord: null,
    images: [],
    guests: [],
    ...noHardware,
    ...rest,
  }
}

const patterns = [
  '/etc/default/grub.d/*.cfg',
  '/etc/modprobe.d/*.conf',
  '/run/modprobe.d/*.conf',
  '/usr/local/lib/modprobe.d/*.conf',
  '/usr/lib/modprobe.d/*.conf',
  '/lib/modprobe.d/*.conf',
  '/etc/modules-load.d/*.conf',
  '/run/modules-load.d/*.conf',
  '/usr/lib/modules-load.d/*.conf',
]

function globbed(files: ReadonlyMap<string, FileState>): ReadonlyMap<string, readonly string[]> {
  return new Map(
    patterns.map((pattern) => [pattern, [...files.keys()].filter((path) => fits(pattern, path)).toSorted()]),
  )
}

function fits(pattern: string, path: string): boolean {
  const [head = '', tail = ''] = pattern.split('*')
  const middle = path.slice(head.length, path.length - tail.length)
  return (
    path.startsWith(head) && path.endsWith(tail) && !middle.includes('/') && middle !== '' && !middle.startsWith('.')
  )
}
