import { formatDriverRules } from '../../src/boot/driver-rules.ts'
import type { DriverClaim } from '../../src/boot/driver-rules.ts'
import type { Topology } from './topologies.ts'

/**
 * One way to configure a machine of the lab. It is written to a fresh disk, the plan of an empty playbook predicts the
 * next boot, the machine boots, and every certain prediction is compared.
 */
export type Configuration = {
  readonly name: string
  readonly topology: Topology
  /** Below the root directory, owner 0:0, mode 0644. Without a final newline where the content has none. */
  readonly files: Readonly<Record<string, string>>
  /** Behind the arguments of normal entries in grub.cfg; of recovery entries where one boots. */
  readonly args: string
  /** `recovery`: GRUB_DEFAULT names the first recovery entry. */
  readonly entry: 'normal' | 'recovery'
  /** `rebuilt`: the image is built after the files were written; `kept`: it is that of the fresh disk. */
  readonly image: 'rebuilt' | 'kept'
  /** Whether the prediction may use `--images`; without it nothing is known of the image. */
  readonly listed: boolean
  /** Drivers that the row is about, as they must be seen; null: none. Left out where only the prediction counts. */
  readonly drivers: Readonly<Record<string, string | null>>
  /** True where the prediction must call at least one of `drivers` uncertain. */
  readonly isOpen: boolean
}

type Given = Pick<Configuration, 'name'> & Partial<Configuration>

function configuration(given: Given): Configuration {
  const image = given.files === undefined ? 'kept' : 'rebuilt'
  const rest = { topology: 'desktop', files: {}, args: '', entry: 'normal', image, listed: true, drivers: {} } as const
  return { ...rest, isOpen: false, ...given }
}

/** Of `desktop`. */
const qemuUsb = '0000:01:00.0'
const necUsb = '0000:03:00.0'
const sshNic = '0000:00:03.0'
const spareNic = '0000:02:00.0'
const vga = '0000:00:01.0'
const display = '0000:00:10.0'
const audio = '0000:00:10.1'
const serial = '0000:00:11.0'
const isa = '0000:00:1f.0'
const sata = '0000:00:1f.2'
const smbus = '0000:00:1f.3'

const vfio = '/etc/modprobe.d/vfio.conf'
const early = '/etc/initramfs-tools/modules'
const softdep = 'softdep xhci_pci pre: vfio-pci\n'
const oneUsb = `options vfio-pci ids=1b36:000d\n${softdep}`

function rules(
  ...claims: readonly (readonly [address: string, id: string, subsystem: string, driver: string | null])[]
) {
  const made = claims.map(([address, id, subsystem, driver]): DriverClaim => {
    const device = { address, id, subsystem, serial: null, slotPath: '' }
    return { want: 'present', of: 'driver', device, driver, live: false }
  })
  return { '/etc/udev/rules.d/10-passway.rules': formatDriverRules(made) ?? '' }
}

function byHand(address: string) {
  return {
    '/etc/udev/rules.d/20-vfio.rules': `SUBSYSTEM=="pci", KERNEL=="${address}", ATTR{driver_override}="vfio-pci"\n`,
    [early]: 'vfio_pci\n',
  }
}

const desktop: readonly Given[] = [
  { name: 'nothing is configured', drivers: { [qemuUsb]: 'xhci_hcd', [audio]: 'snd_hda_intel', [serial]: 'serial' } },
  { name: 'nothing is configured, the image is not listed', listed: false, drivers: { [qemuUsb]: 'xhci_hcd' } },
  {
    name: 'a single device by its id',
    files: { [vfio]: oneUsb },
    drivers: { [qemuUsb]: 'vfio-pci', [necUsb]: 'xhci_hcd' },
  },
  {
    name: 'a whole group',
    files: {
      [vfio]: `options vfio-pci ids=8086:2918,8086:2922,8086:2930
softdep lpc_ich pre: vfio-pci
softdep ahci pre: vfio-pci
softdep i2c_i801 pre: vfio-pci
`,
    },
    drivers: { [isa]: 'vfio-pci', [sata]: 'vfio-pci', [smbus]: 'vfio-pci' },
  },
  {
    name: 'a contaminated group',
    files: { [vfio]: 'options vfio-pci ids=8086:2668\nsoftdep snd_hda_intel pre: vfio-pci\n' },
    drivers: { [audio]: 'vfio-pci', [display]: 'bochs-drm' },
  },
  {
    name: 'identical ids',
    files: { [vfio]: 'options vfio-pci ids=1234:1111\nsoftdep bochs pre: vfio-pci\n' },
    drivers: { [vga]: 'vfio-pci', [display]: 'vfio-pci' },
  },
  {
    name: 'an id with a subsystem that no function has',
    files: { [vfio]: 'options vfio-pci ids=1234:1111:8086:0001\nsoftdep bochs pre: vfio-pci\n' },
    drivers: { [vga]: 'bochs-drm', [display]: 'bochs-drm' },
  },
  {
    name: 'two lines of ids in one file',
    files: { [vfio]: `options vfio-pci ids=1b36:000d\noptions vfio-pci ids=1033:0194\n${softdep}` },
    drivers: { [qemuUsb]: 'xhci_hcd', [necUsb]: 'vfio-pci' },
  },
  {
    name: 'an option in two files',
    files: { '/etc/modprobe.d/10-a.conf': 'options vfio-pci ids=1033:0194\n', '/etc/modprobe.d/9-b.conf': oneUsb },
    drivers: { [qemuUsb]: 'vfio-pci', [necUsb]: 'xhci_hcd' },
  },
  {
    name: 'a file masked from another directory',
    files: { '/lib/modprobe.d/vfio.conf': oneUsb, [vfio]: '' },
    drivers: { [qemuUsb]: 'xhci_hcd' },
  },
  {
    name: 'ids on the command line, a softdep in a file',
    files: { [vfio]: softdep },
    args: 'vfio-pci.ids=1033:0194',
    drivers: { [qemuUsb]: 'xhci_hcd', [necUsb]: 'vfio-pci' },
  },
  {
    name: 'ids on the command line and in a file',
    files: { [vfio]: oneUsb },
    args: 'vfio-pci.ids=1033:0194',
    drivers: { [qemuUsb]: 'xhci_hcd', [necUsb]: 'vfio-pci' },
  },
  {
    name: 'ids behind the name in the list of early modules',
    files: { [early]: 'vfio_pci ids=8086:2668\n' },
    args: 'vfio-pci.ids=1033:0194',
    drivers: { [audio]: 'vfio-pci', [necUsb]: 'xhci_hcd' },
  },
  {
    name: 'softdep missing, the driver is in the image',
    files: { [vfio]: 'options vfio-pci ids=1b36:000d\n', [early]: 'vfio_pci\n' },
    drivers: { [qemuUsb]: 'xhci_hcd' },
  },
  {
    name: 'softdep missing, the driver is not in the image',
    files: { [vfio]: 'options vfio-pci ids=8086:2668\n', [early]: 'vfio_pci\n' },
    drivers: { [audio]: 'vfio-pci' },
  },
  {
    name: 'softdep missing, vfio-pci from modules-load.d',
    files: { [vfio]: 'options vfio-pci ids=8086:2668\n', '/etc/modules-load.d/vfio.conf': 'vfio-pci\n' },
    drivers: {},
    isOpen: true,
  },
  {
    name: 'the image lacks the files and vfio-pci',
    files: { [vfio]: oneUsb },
    image: 'kept',
    drivers: { [qemuUsb]: 'xhci_hcd' },
  },
  {
    name: 'the image lacks the files and the driver',
    files: { [vfio]: 'options vfio-pci ids=8086:2668\nsoftdep snd_hda_intel pre: vfio-pci\n' },
    image: 'kept',
    drivers: { [audio]: 'vfio-pci' },
  },
  { name: 'blacklist in a file', files: { [vfio]: 'blacklist snd-hda-intel\n' }, drivers: { [audio]: null } },
  { name: 'modprobe.blacklist=', args: 'modprobe.blacklist=snd_hda_intel', drivers: { [audio]: null } },
  {
    name: 'modprobe.blacklist= with a dash',
    args: 'modprobe.blacklist=snd-hda-intel',
    drivers: { [audio]: 'snd_hda_intel' },
  },
  {
    name: 'blacklist and modules-load.d',
    files: { [vfio]: 'blacklist snd_hda_intel\n', '/etc/modules-load.d/snd.conf': 'snd_hda_intel\n' },
    drivers: { [audio]: null },
  },
  {
    name: 'blacklist and the list of early modules',
    files: { [vfio]: 'blacklist snd_hda_intel\n', [early]: 'snd_hda_intel\n' },
    drivers: { [audio]: null },
  },
  {
    name: 'install /bin/false and the list of early modules',
    files: { [vfio]: 'install snd_hda_intel /bin/false\n', [early]: 'snd_hda_intel\n' },
    drivers: { [audio]: null },
  },
  {
    name: 'install /bin/false beside a softdep',
    files: { [vfio]: 'install snd_hda_intel /bin/false\nsoftdep snd_hda_intel pre: vfio-pci\n' },
    drivers: { [audio]: 'snd_hda_intel' },
  },
  {
    name: 'module_blacklist=',
    args: 'module_blacklist=bochs,snd_hda_intel',
    drivers: { [audio]: null, [display]: null },
  },
  { name: 'blacklist= of initramfs-tools', args: 'blacklist=xhci_pci', drivers: { [qemuUsb]: 'xhci_hcd' } },
  {
    name: 'rd.driver.pre= and rd.driver.blacklist= of dracut',
    files: { [vfio]: 'options vfio-pci ids=1b36:000d\n' },
    args: 'rd.driver.pre=vfio-pci rd.driver.blacklist=xhci_pci',
    drivers: { [qemuUsb]: 'xhci_hcd' },
  },
  {
    name: 'an alias in a file',
    files: { [vfio]: 'options vfio-pci ids=8086:2668\nalias pci:v00008086d00002668sv*sd*bc*sc*i* vfio-pci\n' },
    drivers: { [audio]: 'vfio-pci' },
  },
  {
    name: 'a driver that is built in',
    files: { [vfio]: 'options vfio-pci ids=1b36:0002\n', [early]: 'vfio_pci\n' },
    drivers: { [serial]: 'serial' },
  },
  {
    name: 'override of one of two identical NICs',
    files: { ...rules([spareNic, '8086:10d3', '8086:0000', 'vfio-pci']), [early]: 'vfio_pci\n' },
    drivers: { [spareNic]: 'vfio-pci', [sshNic]: 'e1000e' },
  },
  {
    name: 'override of a device whose driver is in the image',
    files: { ...rules([necUsb, '1033:0194', '1af4:1100', 'vfio-pci']), [early]: 'vfio_pci\n' },
    drivers: { [necUsb]: 'vfio-pci', [qemuUsb]: 'xhci_hcd' },
  },
  {
    name: 'override to no driver',
    files: rules([spareNic, '8086:10d3', '8086:0000', null]),
    drivers: { [spareNic]: null, [sshNic]: 'e1000e' },
  },
  {
    name: 'override of a device whose driver is built in',
    files: { ...rules([serial, '1b36:0002', '1af4:1100', 'vfio-pci']), [early]: 'vfio_pci\n' },
    drivers: { [serial]: 'vfio-pci' },
  },
  {
    name: 'override for another device at that address',
    files: { ...rules([spareNic, '10de:1c82', '8086:0000', 'vfio-pci']), [early]: 'vfio_pci\n' },
    drivers: { [spareNic]: 'e1000e' },
  },
  {
    name: 'override by hand, the driver in the image and wanted by a twin',
    files: byHand(necUsb),
    isOpen: true,
  },
  {
    name: 'override by hand, the driver only in the root file system',
    files: byHand(spareNic),
    drivers: { [spareNic]: 'vfio-pci', [sshNic]: 'e1000e' },
  },
  {
    name: 'the IOMMU is turned off',
    files: { [vfio]: oneUsb },
    args: 'intel_iommu=off',
    drivers: { [qemuUsb]: 'xhci_hcd' },
  },
  { name: 'intel_iommu=on iommu=pt', args: 'intel_iommu=on iommu=pt', drivers: { [qemuUsb]: 'xhci_hcd' } },
  {
    name: 'an ACS argument on a kernel without the patch',
    args: 'pcie_acs_override=downstream,multifunction',
    drivers: { [display]: 'bochs-drm' },
  },
  {
    name: 'the recovery entry',
    files: { [vfio]: oneUsb },
    // Nothing else would answer on the network there.
    args: 'systemd.wants=systemd-networkd.service systemd.wants=ssh.service',
    entry: 'recovery',
    drivers: { [qemuUsb]: 'vfio-pci' },
  },
  { name: 'huge pages of the default size', args: 'hugepages=32', drivers: {} },
  {
    name: 'huge pages: a count before its size, and a pair too many',
    args: 'hugepages=16 hugepagesz=2M hugepages=64',
    drivers: {},
  },
  { name: 'huge pages by node', args: 'hugepagesz=2M hugepages=0:24', drivers: {} },
  {
    name: 'modules to load at boot',
    files: { '/etc/modules-load.d/vfio.conf': '# two\nvfio_iommu_type1\nvfio_pci ids=1b36:000d\n' },
    image: 'kept',
    drivers: { [qemuUsb]: 'xhci_hcd' },
  },
]

/** Of `switch`. */
const lowerUsb = '0000:04:00.0'
const upperUsb = '0000:05:00.0'

const switched: readonly Given[] = [
  { name: 'switch: nothing is configured', drivers: { [lowerUsb]: 'xhci_hcd', [upperUsb]: 'xhci_hcd' } },
  {
    name: 'switch: identical ids',
    files: { [vfio]: oneUsb },
    drivers: { [lowerUsb]: 'vfio-pci', [upperUsb]: 'vfio-pci' },
  },
  {
    name: 'switch: override of the upper of two identical controllers',
    files: { ...rules([upperUsb, '1b36:000d', '1af4:1100', 'vfio-pci']), [early]: 'vfio_pci\n' },
    drivers: { [lowerUsb]: 'xhci_hcd', [upperUsb]: 'vfio-pci' },
  },
  {
    name: 'switch: override of the lower of two identical controllers',
    files: { ...rules([lowerUsb, '1b36:000d', '1af4:1100', 'vfio-pci']), [early]: 'vfio_pci\n' },
    drivers: { [lowerUsb]: 'vfio-pci', [upperUsb]: 'xhci_hcd' },
  },
  { name: 'switch: override by hand of the upper one', files: byHand(upperUsb), isOpen: true },
  { name: 'switch: override by hand of the lower one', files: byHand(lowerUsb) },
  {
    name: 'switch: behind the conventional bridge, a whole group',
    files: {
      [vfio]: `options vfio-pci ids=8086:100e,1033:0194\n${softdep}softdep e1000 pre: vfio-pci\n`,
    },
  },
  {
    name: 'switch: a PF with its driver',
    files: { [vfio]: 'options vfio-pci ids=8086:10c9\nsoftdep igb pre: vfio-pci\n' },
  },
]

export const configurations: readonly Configuration[] = [
  ...desktop,
  ...switched.map((given) => ({ topology: 'switch' as const, ...given })),
].map(configuration)
