import { foldName } from '../core/fold-name.ts'

/** Names of drivers in sysfs that are not their module's (`.name` of struct pci_driver in its source), by folded module name. */
const driverNames: ReadonlyMap<string, string> = new Map([
  ['xhci_pci', 'xhci_hcd'],
  ['xhci_pci_renesas', 'xhci-pci-renesas'],
  ['ehci_pci', 'ehci-pci'],
  ['ohci_pci', 'ohci-pci'],
  ['vfio_pci', 'vfio-pci'],
  ['pci_stub', 'pci-stub'],
  ['i2c_nvidia_gpu', 'nvidia-gpu'],
  ['bochs', 'bochs-drm'],
  ['virtio_pci', 'virtio-pci'],
  ['i2c_i801', 'i801_smbus'],
  ['i2c_piix4', 'piix4_smbus'],
  ['sdhci_pci', 'sdhci-pci'],
  ['snd_sof_pci_intel_tgl', 'sof-audio-pci-intel-tgl'],
  ['snd_sof_pci_intel_cnl', 'sof-audio-pci-intel-cnl'],
  ['intel_lpss_pci', 'intel-lpss'],
  ['spi_intel_pci', 'intel-spi'],
  ['i2c_designware_pci', 'i2c-designware-pci'],
  ['8250_pci', 'serial'],
])

/** The driver that a module registers; where its source was not looked up, it has the module's name. */
export function findDriverName(module: string): string {
  return driverNames.get(foldName(module)) ?? module
}

/** True when the name is known, not only taken from the module. */
export function isDriverNameKnown(module: string): boolean {
  return driverNames.has(foldName(module))
}

/**
 * Modules whose table of PCI ids only makes udev load them: they register no PCI driver, or one that always refuses
 * (drivers/watchdog/sp5100_tco.c, drivers/char/hw_random, drivers/hwmon, drivers/i2c/busses of the kernel). Of NVIDIA's
 * modules only `nvidia` itself takes a function; the others work through it.
 */
const withoutDriver: ReadonlySet<string> = new Set([
  'sp5100_tco',
  'amd_rng',
  'geode_rng',
  'intel_rng',
  'via686a',
  'sis5595',
  'vt8231',
  'i2c_viapro',
  'nvidia_drm',
  'nvidia_modeset',
  'nvidia_uvm',
])

export function registersDriver(module: string): boolean {
  return !withoutDriver.has(foldName(module))
}

/** Drivers of the kernel's DRM for displays on PCI: all of them need the module `drm`. */
export const displayDrivers: ReadonlySet<string> = new Set([
  'amdgpu',
  'ast',
  'bochs',
  'cirrus',
  'gma500_gfx',
  'hibmc_drm',
  'i915',
  'mgag200',
  'nouveau',
  'qxl',
  'radeon',
  'vboxvideo',
  'vmwgfx',
  'xe',
])

/** Drivers that match by class alone; a kernel that has them built in lists no alias of theirs (modpost, before 6.18). */
export const classDrivers: readonly { readonly module: string; readonly classes: RegExp }[] = [
  { module: 'ahci', classes: /^010601$/ },
  { module: 'nvme', classes: /^010802$/ },
  { module: 'xhci_pci', classes: /^0c0330$/ },
  { module: 'ehci_pci', classes: /^0c0320$/ },
  { module: 'ohci_pci', classes: /^0c0310$/ },
  { module: 'uhci_hcd', classes: /^0c0300$/ },
  { module: 'sdhci_pci', classes: /^0805/ },
]

/** Drivers of functions that this host may not have, and that no other module needs but those named here. */
export const soleDrivers: ReadonlySet<string> = new Set([
  ...displayDrivers,
  ...classDrivers.map(({ module }) => module),
  'nvidia',
  'nvidia_drm',
  'nvidia_modeset',
  'nvidia_uvm',
  'nvidiafb',
  'snd_hda_intel',
])
