import type { Bytes } from './bytes.ts'
import type { HostHardware } from './host-hardware.ts'
import type { RecordSummary } from './record.ts'

/** What a path on the host was when it was read. Modes are the permission bits (0o7777). */
export type FileState =
  | { readonly type: 'absent' }
  /** It could not be read (permissions); not the same as absent. */
  | { readonly type: 'unreadable'; readonly reason: string }
  | {
      readonly type: 'file'
      readonly mode: number
      readonly uid: number
      readonly gid: number
      readonly content: Bytes
    }
  | { readonly type: 'directory'; readonly mode: number; readonly uid: number; readonly gid: number }
  /** `resolved`: where the whole chain of links ends, inside the root; null when it dangles, loops or leaves the root (`problem`). */
  | {
      readonly type: 'link'
      readonly to: string
      readonly resolved: string | null
      readonly problem?: 'dangling' | 'loop' | 'escapes'
    }
  | { readonly type: 'other' }

/** One PCI function as sysfs shows it (Documentation/ABI/testing/sysfs-bus-pci). */
export type PciFunction = {
  /** `dddd:bb:dd.f`, lower case; the domain may have more than four digits. */
  readonly address: string
  /** Six hex digits: base class, subclass, programming interface; `030000`. */
  readonly class: string
  /** Four hex digits, lower case. */
  readonly vendor: string
  readonly device: string
  readonly subsystemVendor: string | null
  readonly subsystemDevice: string | null
  readonly modalias: string | null
  /** Bound driver, by the name of its link; null when unbound. */
  readonly driver: string | null
  /** Address of the bridge above, from the sysfs path; null directly under a host bridge. */
  readonly parent: string | null
  readonly iommuGroup: number | null
  /** null: the firmware did not say (sysfs shows -1). */
  readonly numaNode: number | null
  readonly bootVga: boolean | null
  /** null when unset (sysfs shows `(null)`). */
  readonly driverOverride: string | null
  /** Methods in the kernel's order; null where the kernel does not say. */
  readonly resetMethods: readonly string[] | null
  /** Address of the physical function when this is a virtual function. */
  readonly physicalFunction: string | null
  readonly sriov: { readonly total: number; readonly enabled: number } | null
  /** Low seven bits of the header type (config space 0x0e): 0 endpoint, 1 PCI bridge, 2 CardBus; null: not read. */
  readonly headerType: number | null
  /** Bit 7 of the header type; null: not read. */
  readonly multifunction: boolean | null
  /** null where the function is not PCI Express. Speeds as the kernel writes them, `8.0 GT/s PCIe`. */
  readonly link: {
    readonly currentSpeed: string | null
    readonly maxSpeed: string | null
    readonly currentWidth: number | null
    readonly maxWidth: number | null
  } | null
  /** The file `reset` is there: the kernel knows a way to reset this function. */
  readonly hasReset: boolean
  /** MSI or MSI-X is in use (`msi_irqs`). */
  readonly msi: boolean
  /** Two hex digits. */
  readonly revision: string | null
  /** The way to it in sysfs, without itself: host bridge, then addresses of bridges; `pci0000:00`, `0000:00:01.0`. */
  readonly path: readonly string[]
  /** Serial number of an NVMe controller, or the device serial number where the kernel shows it. */
  readonly serial: string | null
}

export type ModuleAvailability = 'loadable' | 'builtin' | 'absent'

/** A kernel with modules under /lib/modules. */
export type InstalledKernel = {
  readonly release: string
  readonly running: boolean
  /** /boot/vmlinuz-RELEASE, when there. */
  readonly image: string | null
  /** /boot/initrd.img-RELEASE with what tells one build from another; mtime in whole seconds. */
  readonly initrd: {
    readonly path: string
    readonly inode: number
    readonly size: number
    readonly mtime: number
  } | null
  /** Lines of /boot/config-RELEASE that the probe filters for: name → value ("y", "m", "n" for "is not set"). */
  readonly config: ReadonlyMap<string, string>
  /** For the module names asked for (names folded to underscores). */
  readonly modules: ReadonlyMap<string, ModuleAvailability>
  /** PCI aliases that can match a function of this host, from modules.alias and modules.builtin.modinfo. */
  readonly pciAliases: readonly { readonly pattern: string; readonly module: string; readonly builtin: boolean }[]
  /** Lines of modules.softdep, `softdep crc32c pre: …`. */
  readonly softdeps: readonly string[]
  /** /boot/System.map-RELEASE: `stub` is Debian's placeholder, which proves nothing. `symbols`: those asked for that it holds. */
  readonly systemMap: { readonly state: 'absent' | 'stub' | 'real' | 'unreadable'; readonly symbols: readonly string[] }
}

export type UnitState = {
  readonly exists: boolean
  /** systemd's UnitFileState: enabled, disabled, static, masked, …; null when the unit does not exist. */
  readonly enabled: string | null
  /** null where nobody can say (a tree, a host without systemd). */
  readonly active: boolean | null
}

export type CpufreqPolicy = {
  /** `policy0` */
  readonly name: string
  readonly driver: string
  readonly governor: string
  readonly availableGovernors: readonly string[]
  readonly preference: string | null
  readonly availablePreferences: readonly string[]
}

export type HugepagePool = {
  /** Kilobytes: 2048, 1048576. */
  readonly sizeKb: number
  readonly total: number
  readonly free: number
  /** node → pages; empty where sysfs has no per-node pools. */
  readonly perNode: ReadonlyMap<number, number>
}

export type Mount = {
  readonly source: string
  readonly target: string
  readonly type: string
  readonly options: readonly string[]
  /** `MAJOR:MINOR` from /proc/self/mountinfo; missing where only /proc/mounts was there. */
  readonly device?: string
}

/**
 * Everything one probe read of one host, as plain data. Paths are those the host itself would use: below
 * `passway_root` they are written without that prefix.
 */
export type Snapshot = HostHardware & {
  readonly machineId: string | null
  readonly bootId: string | null
  readonly hostname: string
  readonly kernelRelease: string
  /** Effective uid of the probe. Where it is not 0, owners are neither changed nor compared. */
  readonly uid: number
  /** True where the host is a tree below `passway_root`. */
  readonly tree: boolean
  /** SSH_CONNECTION as the session had it before sudo: `client port server port`. */
  readonly sshConnection: string | null
  /** /etc/os-release, unquoted. */
  readonly os: ReadonlyMap<string, string>
  readonly cpu: {
    /** `GenuineIntel`, `AuthenticAMD`, … */
    readonly vendor: string
    readonly model: string
    readonly flags: readonly string[]
    /** CPU lists as the kernel writes them, `0-7,16-23`. */
    readonly online: string
    readonly possible: string
    readonly isolated: string
    readonly nohzFull: string
  }
  readonly memory: { readonly totalKb: number; readonly availableKb: number }
  /** Empty where the kernel has no NUMA. */
  readonly numa: readonly { readonly node: number; readonly cpus: string; readonly totalKb: number }[]
  readonly hugepages: readonly HugepagePool[]
  /** Size of the default huge page, from /proc/meminfo. */
  readonly defaultHugepageKb: number | null
  readonly cpufreq: readonly CpufreqPolicy[]
  /** /proc/cmdline without its newline. */
  readonly commandLine: Bytes
  /** Names in /proc/modules. */
  readonly loadedModules: ReadonlySet<string>
  readonly mounts: readonly Mount[]
  readonly pci: readonly PciFunction[]
  readonly kernels: readonly InstalledKernel[]
  /** Symbols asked for that /proc/kallsyms holds; null when it could not be read or was not asked for. */
  readonly kallsyms: readonly string[] | null
  readonly units: ReadonlyMap<string, UnitState>
  /** What an EFI boot loader left behind; empty where there is none. */
  readonly efi: {
    /** `LoaderInfo`, `LoaderEntryDefault`, … of systemd's vendor GUID. */
    readonly variables: ReadonlyMap<string, string>
    /** Unified kernel images, which are entries of the menu as well: paths of EFI/Linux/*.efi. */
    readonly images: readonly string[]
  }
  /** Executables by name (`update-grub`) → path, of the probe's list. */
  readonly tools: ReadonlyMap<string, string>
  /** True where systemd is the running init. */
  readonly systemd: boolean
  readonly files: ReadonlyMap<string, FileState>
  /** Pattern → paths that matched, in byte order. Every match is in `files` too. */
  readonly globs: ReadonlyMap<string, readonly string[]>
  /** One-line attributes (sysfs, procfs) asked for: path → text without the final newline. Absent ones have no entry. */
  readonly attributes: ReadonlyMap<string, string>
  /** /var/lib/passway or /etc/passway, see design section 4. */
  readonly stateDirectory: string
  /** Records on the host, oldest first. */
  readonly records: readonly RecordSummary[]
  /** record.json of the newest record that is committed and not reverted; null when there is none. */
  readonly lastRecord: string | null
  /** The agent's own note of the images it read back: see `ImageListing`; null when there is none. */
  readonly images: readonly ImageListing[]
  /** Running guests found (`qemu-system-x86 (pid 812)`). */
  readonly guests: readonly string[]
}

/** What the agent saw inside an image at the last read-back. Valid only while inode, size and mtime are those of the file. */
export type ImageListing = {
  readonly path: string
  readonly inode: number
  readonly size: number
  readonly mtime: number
  /** Module names (folded, no suffix), in no particular order. */
  readonly modules: readonly string[]
  /** conf/modules of the image: those loaded early, in order. */
  readonly early: readonly string[]
  /** path inside the image (`etc/modprobe.d/passway.conf`) → sha256 */
  readonly configuration: ReadonlyMap<string, string>
}

/** What a module wants read beyond the base snapshot. */
export type Reads = {
  /** Files, exact bytes. */
  readonly paths?: readonly string[]
  /** File patterns (shell globs), exact bytes of every match. */
  readonly globs?: readonly string[]
  /** sysfs/procfs one-line attributes; shell globs allowed. */
  readonly attributes?: readonly string[]
  /** Kernel module names, looked up in every installed kernel. */
  readonly modules?: readonly string[]
  readonly units?: readonly string[]
  /** Kernel symbols, looked up in /proc/kallsyms and every System.map. */
  readonly symbols?: readonly string[]
}

/** Follows links: the state at the end of the chain and the path it stands at. */
export function findFile(snapshot: Snapshot, path: string): { path: string; state: FileState } {
  const state = snapshot.files.get(path) ?? { type: 'absent' }
  if (state.type !== 'link') return { path, state }
  if (state.resolved === null) return { path, state }
  return { path: state.resolved, state: snapshot.files.get(state.resolved) ?? { type: 'absent' } }
}

/** Content of a regular file at the end of any links; `undefined` when there is none. */
export function findContent(snapshot: Snapshot, path: string): Bytes | undefined {
  const { state } = findFile(snapshot, path)
  return state.type === 'file' ? state.content : undefined
}
