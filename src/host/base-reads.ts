import type { Reads } from '../core/snapshot.ts'

/** Where modprobe looks, the first directory first (modprobe.d(5), kmod 34). */
const modprobeDirectories = ['/etc', '/run', '/usr/local/lib', '/usr/lib', '/lib'].map((at) => `${at}/modprobe.d`)
const modulesLoadDirectories = ['/etc', '/run', '/usr/local/lib', '/usr/lib', '/lib'].map(
  (at) => `${at}/modules-load.d`,
)

/** Where partitions with entries of the Boot Loader Specification are mounted (kernel-install(8)). */
const loaderDirectories = ['/efi', '/boot', '/boot/efi'].map((at) => `${at}/loader`)

const cpuAttributes = ['online', 'possible', 'isolated', 'nohz_full'].map((name) => `/sys/devices/system/cpu/${name}`)
const policyAttributes = [
  'scaling_driver',
  'scaling_governor',
  'scaling_available_governors',
  'energy_performance_preference',
  'energy_performance_available_preferences',
].map((name) => `/sys/devices/system/cpu/cpufreq/policy*/${name}`)

/** What parse-hardware.ts makes its values of. */
const hardwareAttributes = [
  '/proc/self/mountinfo',
  '/proc/swaps',
  '/proc/consoles',
  '/proc/bus/input/devices',
  '/proc/net/if_inet6',
  ...['dev', 'size', 'partition', 'serial', 'dm/name', 'dm/uuid', 'md/level'].map(
    (name) => `/sys/class/block/*/${name}`,
  ),
  '/sys/class/nvme/*/serial',
  '/sys/class/net/*/operstate',
  '/sys/class/net/*/uevent',
  '/sys/class/drm/card*-*/status',
  '/sys/class/watchdog/*/state',
  '/sys/class/iscsi_session/*/targetname',
  '/sys/class/iscsi_connection/*/persistent_address',
  '/sys/kernel/iommu_groups/*/type',
  '/sys/kernel/iommu_groups/*/reserved_regions',
] as const

/** Where passway writes files of its own; some hosts lack some of them. */
export const madeDirectories = [
  '/etc/modprobe.d',
  '/etc/modules-load.d',
  '/etc/systemd/system',
  '/etc/tmpfiles.d',
  '/etc/udev',
  '/etc/udev/rules.d',
] as const

const vfioModules = ['vfio', 'vfio_pci', 'vfio_iommu_type1', 'vfio_virqfd', 'vfio_pci_core', 'pci_stub']
/** Drivers by class: a kernel that has them built in lists no alias of theirs. */
const classModules = ['ahci', 'nvme', 'xhci_pci', 'ehci_pci', 'ohci_pci', 'uhci_hcd', 'sdhci_pci']

/** What is read of every host, whatever the tasks are. */
export const baseReads = {
  paths: [
    '/etc',
    '/var',
    '/var/lib',
    '/etc/os-release',
    '/usr/lib/os-release',
    '/etc/machine-id',
    '/etc/hostname',
    '/etc/fstab',
    '/etc/default',
    ...madeDirectories,
    '/etc/default/grub',
    '/boot',
    '/boot/grub',
    '/boot/grub/grub.cfg',
    '/boot/grub/grubenv',
    '/boot/grub/custom.cfg',
    '/boot/grub2',
    '/boot/efi',
    '/efi',
    ...loaderDirectories,
    ...loaderDirectories.flatMap((at) => [`${at}/entries`, `${at}/entries.srel`, `${at}/loader.conf`]),
    '/sys/firmware/efi',
    '/run/ostree-booted',
    '/etc/kernel',
    '/etc/kernel/cmdline',
    '/usr/lib/kernel/cmdline',
    '/etc/kernel/entry-token',
    '/etc/kernel/install.conf',
    '/usr/lib/kernel/install.conf',
    '/etc/kernel/tries',
    '/etc/machine-info',
    '/etc/kernel/proxmox-boot-uuids',
    '/etc/dracut.conf',
    '/etc/mkinitcpio.conf',
    '/etc/initramfs-tools',
    '/etc/initramfs-tools/initramfs.conf',
    '/etc/initramfs-tools/update-initramfs.conf',
    '/etc/initramfs-tools/modules',
    '/etc/modules',
    '/lib/modules',
  ],
  globs: [
    ...loaderDirectories.map((at) => `${at}/entries/*.conf`),
    '/etc/kernel/install.d/*.install',
    '/etc/default/grub.d/*.cfg',
    '/etc/grub.d/*',
    '/etc/dracut.conf.d/*.conf',
    '/etc/initramfs-tools/conf.d/*',
    '/usr/share/initramfs-tools/modules.d/*',
    ...modprobeDirectories.map((directory) => `${directory}/*.conf`),
    ...modulesLoadDirectories.map((directory) => `${directory}/*.conf`),
    '/etc/udev/rules.d/*.rules',
    '/etc/tmpfiles.d/passway*.conf',
    '/etc/systemd/system/passway*',
  ],
  attributes: [
    '/proc/cmdline',
    '/proc/meminfo',
    '/proc/modules',
    '/proc/mounts',
    '/proc/sys/kernel/hostname',
    '/proc/sys/kernel/osrelease',
    '/proc/sys/kernel/random/boot_id',
    ...cpuAttributes,
    ...policyAttributes,
    '/sys/devices/system/node/node*/cpulist',
    '/sys/devices/system/node/node*/meminfo',
    '/sys/devices/system/node/node*/hugepages/hugepages-*/nr_hugepages',
    '/sys/kernel/mm/hugepages/hugepages-*/nr_hugepages',
    '/sys/kernel/mm/hugepages/hugepages-*/free_hugepages',
    ...hardwareAttributes,
  ],
  modules: [...vfioModules, ...classModules, 'drm'],
} as const satisfies Reads

/** Regular expressions for the names of /boot/config-* lines that are worth knowing. */
export const configNames = [
  'CONFIG_(AMD|INTEL)_IOMMU[A-Z0-9_]*',
  'CONFIG_IOMMU_DEFAULT_[A-Z_]+',
  'CONFIG_IRQ_REMAP',
  'CONFIG_VFIO[A-Z0-9_]*',
  'CONFIG_PCI(EPORTBUS|_IOV|_STUB)',
  'CONFIG_CPU_FREQ_DEFAULT_GOV_[A-Z]+',
  'CONFIG_X86_(ACPI_CPUFREQ|INTEL_PSTATE|AMD_PSTATE)',
  'CONFIG_HUGETLB[A-Z_]*',
  'CONFIG_HAVE_ARCH_TRANSPARENT_HUGEPAGE_PUD',
  'CONFIG_IKCONFIG[A-Z_]*',
  'CONFIG_MODULE_COMPRESS[A-Z0-9_]*',
  'CONFIG_KALLSYMS[A-Z_]*',
] as const

/** Executables whose presence decides what can be done on a host. */
export const toolNames = [
  'update-grub',
  'grub-mkconfig',
  'grub2-mkconfig',
  'grub-script-check',
  'grub-probe',
  'grub-reboot',
  'update-initramfs',
  'mkinitramfs',
  'lsinitramfs',
  'unmkinitramfs',
  'dracut',
  'lsinitrd',
  'mkinitcpio',
  'systemctl',
  'systemd-run',
  'proxmox-boot-tool',
  'grubby',
  'bootctl',
  'kernel-install',
  'rpm-ostree',
  'kernelstub',
  'sdbootutil',
  'flock',
  'setsid',
  'sync',
  'sha256sum',
  'base64',
  'awk',
  'chattr',
  'lsattr',
  'getfattr',
  'setfattr',
  'cpio',
  'modprobe',
  'zstd',
  'xz',
] as const

/** Where systemd finds unit files, the first directory first (systemd.unit(5)). */
export const unitDirectories = [
  '/etc/systemd/system',
  '/run/systemd/system',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
] as const
