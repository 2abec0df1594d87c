/** `desktop` runs on QEMU 7.2; `switch` needs QEMU 8.0 (igb). */
export type Topology = 'desktop' | 'switch'

type Disk = { readonly topology: Topology; readonly intremap: boolean; readonly port: number; readonly disk: string }

/** The first NIC carries ssh; the spare one has the same ids. The last slot is one IOMMU group of two functions, having no ACS. */
const desktop = [
  'e1000e,netdev=net,bus=pcie.0',
  'pcie-root-port,id=rp1,bus=pcie.0,chassis=1,slot=1',
  'qemu-xhci,bus=rp1',
  'pcie-root-port,id=rp2,bus=pcie.0,chassis=2,slot=2',
  'e1000e,bus=rp2',
  'pcie-root-port,id=rp3,bus=pcie.0,chassis=3,slot=3',
  'nec-usb-xhci,bus=rp3',
  'bochs-display,bus=pcie.0,multifunction=on,addr=0x10.0',
  'intel-hda,bus=pcie.0,addr=0x10.1',
  // Its driver is built in to Debian's kernel.
  'pci-serial,bus=pcie.0,addr=0x11.0',
]

/** An SR-IOV NIC, two identical controllers behind a switch, and a conventional bridge: one group of three. */
const switched = [
  'virtio-net-pci,netdev=net,bus=pcie.0',
  'pcie-root-port,id=rp1,bus=pcie.0,chassis=1,slot=1',
  'igb,bus=rp1',
  'pcie-root-port,id=rp2,bus=pcie.0,chassis=2,slot=2',
  'x3130-upstream,id=up1,bus=rp2',
  'xio3130-downstream,id=dn1,bus=up1,chassis=5,slot=1',
  'xio3130-downstream,id=dn2,bus=up1,chassis=6,slot=2',
  'qemu-xhci,bus=dn1',
  'qemu-xhci,bus=dn2',
  'pcie-pci-bridge,id=pb,bus=pcie.0',
  'e1000,bus=pb,addr=1',
  'nec-usb-xhci,bus=pb,addr=2',
]

const devices: Readonly<Record<Topology, readonly string[]>> = { desktop, switch: switched }

/**
 * A PC with an Intel IOMMU, fully emulated: Debian's kernel hangs under some nested KVMs, and emulation runs everywhere.
 * Files of the run (`serial.log`, `qemu.pid`) go to the current directory.
 */
export function qemuArguments({ topology, intremap, port, disk }: Disk): string[] {
  return [
    ['-nodefaults', '-no-reboot', '-M', 'q35,kernel-irqchip=split', '-accel', 'tcg,thread=multi', '-cpu', 'max'],
    ['-smp', '2', '-m', '2048', '-display', 'none', '-vga', 'std'],
    ['-device', `intel-iommu,intremap=${intremap ? 'on' : 'off'},caching-mode=on`],
    // Written back when the host likes: a lab disk need not survive the lab's own power cut.
    ['-drive', `file=${disk},format=qcow2,if=none,id=disk,cache=unsafe`],
    ['-device', 'virtio-blk-pci,drive=disk,bootindex=1'],
    ['-netdev', `user,id=net,hostfwd=tcp:127.0.0.1:${port}-:22`],
    ['-chardev', 'file,id=serial,path=serial.log,append=on', '-serial', 'chardev:serial', '-pidfile', 'qemu.pid'],
    devices[topology].flatMap((device) => ['-device', device]),
  ].flat()
}

/** Names of the devices that QEMU must know. */
export function listDevices(topology: Topology): string[] {
  return [...new Set(devices[topology].map((device) => device.replace(/,.*/, '')))]
}
