import type { HostHardware } from '../core/host-hardware.ts'

/** What stands between PCI functions and the host. */
export function parseHardware(): HostHardware {
  return {
    iommuGroups: [],
    iommus: [],
    pciNames: new Map(),
    blockDevices: [],
    swaps: [],
    btrfs: [],
    zfs: null,
    network: [],
    routes: [],
    displays: [],
    consoles: [],
    inputs: [],
    watchdogs: [],
    ipmi: false,
    iscsiSessions: [],
    fcHosts: [],
    vfioHolders: [],
    kernelLog: [],
    kernelLogReadable: false,
    remappedChip: null,
  }
}
