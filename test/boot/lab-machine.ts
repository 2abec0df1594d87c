import { hashBytes } from '../../src/boot/check-images.ts'
import type { DriverPrediction, NextBoot } from '../../src/core/plan.ts'
import type { ImageListing, InstalledKernel, PciFunction, Snapshot } from '../../src/core/snapshot.ts'
import { parseModprobe, parseSoftdep } from '../../src/formats/modprobe.ts'
import { planOf } from './plan-of.ts'
import { grubConfiguration, kernel, pciFunction, release, snapshot } from './snapshots.ts'

/**
 * The lab's `desktop` as its sysfs shows it under Debian 12 (kernel 6.1): aliases of modules.alias and lines of
 * modules.softdep as they stand there; that kernel names no alias of built-in drivers.
 */

type Row = readonly [
  address: string,
  code: string,
  id: string,
  subsystem: string,
  driver: string | null,
  group: number,
  parent?: string,
]

const rows: readonly Row[] = [
  ['0000:00:00.0', '060000', '8086:29c0', '1af4:1100', null, 0],
  ['0000:00:01.0', '030000', '1234:1111', '1af4:1100', 'bochs-drm', 1],
  ['0000:00:02.0', '010000', '1af4:1001', '1af4:0002', 'virtio-pci', 2],
  ['0000:00:03.0', '020000', '8086:10d3', '8086:0000', 'e1000e', 3],
  ['0000:00:04.0', '060400', '1b36:000c', '1b36:0000', 'pcieport', 4],
  ['0000:00:05.0', '060400', '1b36:000c', '1b36:0000', 'pcieport', 5],
  ['0000:00:06.0', '060400', '1b36:000c', '1b36:0000', 'pcieport', 6],
  ['0000:00:10.0', '038000', '1234:1111', '1af4:1100', 'bochs-drm', 7],
  ['0000:00:10.1', '040300', '8086:2668', '1af4:1100', 'snd_hda_intel', 7],
  ['0000:00:11.0', '070002', '1b36:0002', '1af4:1100', 'serial', 12],
  ['0000:00:1f.0', '060100', '8086:2918', '1af4:1100', 'lpc_ich', 8],
  ['0000:00:1f.2', '010601', '8086:2922', '1af4:1100', 'ahci', 8],
  ['0000:00:1f.3', '0c0500', '8086:2930', '1af4:1100', 'i801_smbus', 8],
  ['0000:01:00.0', '0c0330', '1b36:000d', '1af4:1100', 'xhci_hcd', 9, '0000:00:04.0'],
  ['0000:02:00.0', '020000', '8086:10d3', '8086:0000', 'e1000e', 10, '0000:00:05.0'],
  ['0000:03:00.0', '0c0330', '1033:0194', '1af4:1100', 'xhci_hcd', 11, '0000:00:06.0'],
]

export const qemuUsb = '0000:01:00.0'
export const necUsb = '0000:03:00.0'
export const sshNic = '0000:00:03.0'
export const spareNic = '0000:02:00.0'
export const display = '0000:00:10.0'
export const audio = '0000:00:10.1'
export const serial = '0000:00:11.0'

function toFunction([address, code, id, subsystem, driver, iommuGroup, parent]: Row): PciFunction {
  const [vendor = '', device = ''] = id.split(':')
  const [subsystemVendor = '', subsystemDevice = ''] = subsystem.split(':')
  const upper = (digits: string) => `0000${digits.toUpperCase()}`
  const classes = code.toUpperCase()
  return pciFunction({
    address,
    class: code,
    vendor,
    device,
    subsystemVendor,
    subsystemDevice,
    modalias: `pci:v${upper(vendor)}d${upper(device)}sv${upper(subsystemVendor)}sd${upper(subsystemDevice)}bc${classes.slice(0, 2)}sc${classes.slice(2, 4)}i${classes.slice(4)}`,
    driver,
    iommuGroup,
    parent: parent ?? null,
    headerType: code.startsWith('0604') ? 1 : 0,
  })
}

/** In the order of modules.alias. */
export const aliases: InstalledKernel['pciAliases'] = [
  ['pci:v00001AF4d*sv*sd*bc*sc*i*', 'virtio_pci'],
  ['pci:v00001234d00001111sv*sd*bc*sc*i*', 'bochs'],
  ['pci:v00001234d00001111sv00001AF4sd00001100bc*sc*i*', 'bochs'],
  ['pci:v*d*sv*sd*bc01sc06i01*', 'ahci'],
  ['pci:v00008086d00002922sv*sd*bc*sc*i*', 'ahci'],
  ['pci:v00008086d000010D3sv*sd*bc*sc*i*', 'e1000e'],
  ['pci:v*d*sv*sd*bc0Csc03i30*', 'xhci_pci'],
  ['pci:v00008086d00002930sv*sd*bc*sc*i*', 'i2c_i801'],
  ['pci:v00008086d00002918sv*sd*bc*sc*i*', 'lpc_ich'],
  ['pci:v00008086d*sv*sd*bc04sc03i00*', 'snd_hda_intel'],
  ['pci:v00008086d00002668sv*sd*bc*sc*i*', 'snd_hda_intel'],
].map(([pattern = '', module = '']) => ({ pattern, module, builtin: false }))

const softdeps = [
  'softdep ext4 pre: crypto-crc32c',
  'softdep r8169 pre: realtek',
  'softdep vfio post: vfio_iommu_type1 vfio_iommu_spapr_tce',
]

const loadable =
  'vfio vfio_pci vfio_pci_core vfio_iommu_type1 vfio_virqfd pci_stub kvm vhost_net ahci nvme xhci_pci ehci_pci ohci_pci uhci_hcd sdhci_pci'.split(
    ' ',
  )

/** What the lab's image holds by its hook. */
const inImage = ['virtio_pci', 'virtio_blk', 'ext4', 'crc32c_generic', 'xhci_pci', 'xhci_hcd', 'usbcore']

export type LabFiles = Readonly<Record<string, string>>

export type Lab = {
  /** Written before the image was built. */
  readonly files?: LabFiles
  /** Arguments of normal entries behind `quiet`. */
  readonly args?: string
  /** Those of the running kernel, where they are not the same. */
  readonly liveArgs?: string
  /** `none`: nothing is known of the image. `old`: it was built before the files were written. */
  readonly image?: 'listed' | 'none' | 'old'
  /** Modules in the image beyond those of the hook. */
  readonly holds?: readonly string[]
  readonly kernel?: Partial<InstalledKernel>
  readonly change?: (functions: readonly PciFunction[]) => readonly PciFunction[]
  readonly more?: Partial<Snapshot>
}

export function lab({ files = {}, args = '', liveArgs = args, image = 'listed', holds = [], ...rest }: Lab): Snapshot {
  const line = `quiet${args === '' ? '' : ` ${args}`}`
  const modules = new Map(loadable.map((name) => [name, 'loadable' as const]))
  const made = kernel({ modules, pciAliases: aliases, softdeps, ...rest.kernel })
  const functions = rows.map(toFunction)
  const { files: more, ...others } = rest.more ?? {}
  const host = snapshot({
    commandLine: `BOOT_IMAGE=/boot/vmlinuz-${release} root=UUID=1111 ro quiet${liveArgs === '' ? '' : ` ${liveArgs}`}`,
    pci: rest.change?.(functions) ?? functions,
    kernels: [made],
    loadedModules: new Set(aliases.map(({ module }) => module)),
    iommus: ['dmar0'],
    files: {
      '/etc/default/grub': `GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT="${line}"\nGRUB_CMDLINE_LINUX=""\n`,
      '/boot/grub/grub.cfg': grubConfiguration(line),
      '/etc/initramfs-tools/initramfs.conf': 'MODULES=list\n',
      ...files,
      ...Object.fromEntries(more ?? []),
    },
    ...others,
  })
  return image === 'none' ? host : { ...host, images: [list(image === 'old' ? {} : files, holds)] }
}

function list(files: LabFiles, holds: readonly string[]): ImageListing {
  const early = (files['/etc/initramfs-tools/modules'] ?? '')
    .split('\n')
    .filter((line) => /^[^#]/.test(line))
    .map((line) => line.split(' ')[0]?.replaceAll('-', '_') ?? '')
  const modprobe = Object.entries(files).filter(([path]) => /^\/(etc|lib)\/modprobe\.d\/.*\.conf$/.test(path))
  const rules = Object.entries(files).filter(([path]) => path.startsWith('/etc/udev/rules.d/'))
  return {
    path: `/boot/initrd.img-${release}`,
    inode: 12,
    size: 30_000_000,
    mtime: 1_700_000_000,
    modules: [...new Set([...inImage, ...holds, ...early, ...pulled(modprobe.map(([, content]) => content))])],
    early,
    configuration: new Map([
      ...modprobe.map(([path, content]) => [path.slice(1), hashBytes(content)] as const),
      ...rules.map(([path, content]) => [path.replace('/etc/', 'usr/lib/'), hashBytes(content)] as const),
    ]),
  }
}

/** mkinitramfs takes along what softdeps of its modules name. */
function pulled(contents: readonly string[]): readonly string[] {
  const lines = contents.flatMap((content) => parseModprobe(content).lines)
  return lines
    .filter(({ kind, module }) => kind === 'softdep' && inImage.includes(module))
    .flatMap(({ value }) => parseSoftdep(value).pre.map((name) => name.replaceAll('-', '_')))
}

export function nextBootOf(host: Snapshot): NextBoot {
  const { nextBoot } = planOf(host, [])
  if (nextBoot === null) throw new Error('no next boot')
  return nextBoot
}

export function driverOf(host: Snapshot, address: string): DriverPrediction {
  const found = nextBootOf(host).drivers[address]
  if (found === undefined) throw new Error(`no function ${address}`)
  return found
}
