/** What stands between PCI functions and the host's own life, as sysfs and procfs show it. Plain data, nothing judged. */
export type HostHardware = {
  /** /sys/kernel/iommu_groups, in numeric order. */
  readonly iommuGroups: readonly IommuGroup[]
  /** Units at work, by their names in /sys/class/iommu (`dmar0`, `ivhd0`); empty: no IOMMU translates. */
  readonly iommus: readonly string[]
  /** From the host's pci.ids, for the functions of this host only: `vvvv` and `vvvv:dddd` → name. */
  readonly pciNames: ReadonlyMap<string, string>
  readonly blockDevices: readonly BlockDevice[]
  /** Active swaps by their names in /proc/swaps (`/dev/dm-1`, `/swap.img`). */
  readonly swaps: readonly string[]
  /** Mounted btrfs by UUID (/sys/fs/btrfs): names of the member block devices. */
  readonly btrfs: readonly { readonly uuid: string; readonly members: readonly string[] }[]
  /** Imported pools; null where ZFS is not loaded, `unknown` where it is and nobody can say what its pools stand on. */
  readonly zfs: readonly ZfsPool[] | 'unknown' | null
  readonly network: readonly NetworkDevice[]
  /** The main routing tables, v4 and v6; null where they could not be read or are too long to be taken along. */
  readonly routes: readonly Route[] | null
  readonly displays: readonly Display[]
  /** Names in /proc/consoles (`tty0`, `ttyS0`), null where it could not be read. */
  readonly consoles: readonly string[] | null
  readonly inputs: readonly InputDevice[]
  readonly watchdogs: readonly Watchdog[]
  /** True where the host has an IPMI interface to a management controller. */
  readonly ipmi: boolean
  readonly iscsiSessions: readonly IscsiSession[]
  readonly fcHosts: readonly { readonly name: string; readonly path: string }[]
  /** Who has a group of /dev/vfio open; null where the descriptors of others could not be read (not root). */
  readonly vfioHolders: readonly VfioHolder[] | null
  /** Lines of the kernel log about IOMMUs, interrupt remapping, vfio, ACS, BARs and resets, oldest first. */
  readonly kernelLog: readonly string[]
  /** False where the log could not be read: then `kernelLog` proves nothing by what is missing. */
  readonly kernelLogReadable: boolean
  /** The first interrupt chip of /proc/interrupts that remaps (`IR-PCI-MSI`); null where none does or none was seen. */
  readonly remappedChip: string | null
}

export type IommuGroup = {
  readonly id: number
  /** `DMA`, `DMA-FQ`, `identity`, …; null where the kernel does not say. */
  readonly type: string | null
  /** Addresses as the kernel writes them, `0x00000000fee00000`; types `direct`, `direct-relaxable`, `msi`, `reserved`. */
  readonly reservedRegions: readonly { readonly start: string; readonly end: string; readonly type: string }[]
}

export type BlockDevice = {
  /** Kernel name: `nvme0n1p3`, `dm-0`, `md127`. */
  readonly name: string
  /** sysfs directory without /sys, `/devices/pci0000:00/…/block/sda`; null where the link could not be read. */
  readonly path: string | null
  /** `MAJOR:MINOR` */
  readonly number: string | null
  /** What it is made of (`slaves` in sysfs): names of block devices. */
  readonly parents: readonly string[]
  /** The disk, when this is a partition. */
  readonly partitionOf: string | null
  readonly dm: { readonly name: string; readonly uuid: string } | null
  readonly md: { readonly level: string } | null
  /** Bytes. */
  readonly size: number
  /** From the controller (NVMe), the disk's own attribute, or udev. */
  readonly serial: string | null
  /** What udev saw on it (`ext4`, `LVM2_member`, `zfs_member`); null where udev has no word. */
  readonly fsType: string | null
  readonly fsLabel: string | null
  readonly fsUuid: string | null
  readonly partUuid: string | null
}

export type ZfsPool = {
  readonly name: string
  /** Names of block devices (`sda3`, `nvme1n1p1`), files left out. */
  readonly members: readonly string[]
}

export type NetworkDevice = {
  readonly name: string
  /** sysfs directory without /sys; null where the link could not be read. */
  readonly path: string | null
  /** `bridge`, `bond`, `vlan`, `team`, `macvlan`, `wlan`, … (DEVTYPE), `openvswitch`, `physical`, `loopback`, `virtual`. */
  readonly kind: string
  /** The bridge, bond or switch it is a port of. */
  readonly master: string | null
  /** What it stands on (`lower_*` in sysfs). */
  readonly lowers: readonly string[]
  /** IPv6 addresses, full and lower case: the kernel has no file that names the interface of an IPv4 address. */
  readonly addresses: readonly string[]
  readonly up: boolean
}

export type Route = {
  readonly interface: string
  /** Address bytes in hexadecimal, network order: 8 digits for v4, 32 for v6. */
  readonly destination: string
  readonly prefix: number
  /** True where packets go to a gateway first. */
  readonly gateway: boolean
  readonly metric: number
}

export type Display = {
  /** PCI function of the card; null for one that is none. */
  readonly address: string | null
  /** `HDMI-A-1` */
  readonly connector: string
  /** `connected`, `disconnected`, `unknown` */
  readonly status: string
}

export type InputDevice = {
  readonly name: string
  /** sysfs directory without /sys. */
  readonly path: string
  /** By the keys it has, as systemd's udev-builtin-input_id.c decides. */
  readonly isKeyboard: boolean
}

export type Watchdog = {
  readonly name: string
  readonly path: string | null
  /** `active`, `inactive`; null where the kernel does not say. */
  readonly state: string | null
}

export type IscsiSession = {
  /** `session1` */
  readonly name: string
  readonly target: string
  /** Address of the portal. */
  readonly address: string | null
}

export type VfioHolder = {
  /** Of /dev/vfio/N; null for a device that was opened by itself (/dev/vfio/devices/vfioN). */
  readonly group: number | null
  /** PCI function, where a device was opened by itself. */
  readonly address: string | null
  readonly pid: number
  /** Empty where the name could not be read. */
  readonly command: string
}
