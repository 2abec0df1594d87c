/** What is refused of every device that is to get another driver, by code. */
export const targetRefusals = {
  BRIDGE_TARGET: 'A bridge is meant, which vfio-pci never takes.',
  HOST_DEPENDS:
    'The host lives on the device, or it cannot be told. Can be accepted, but not for its own disk or the network of the session.',
  DEVICE_IN_USE: 'A virtual machine that is running has the device.',
  PF_HAS_VFS: 'A physical function has live virtual functions. Can be accepted.',
  BOOT_VGA_ONLY: 'The device is the only console of the host. Can be accepted.',
  IDENTITY_MOVED: 'Another device is at the address than the one that was meant. Can be accepted.',
} as const

/** What is refused of devices for guests beyond that. */
export const guestRefusals = {
  GROUP_SHARED: 'A device that stays with the host is in the same IOMMU group. Can be accepted.',
  RESET_MISSING: 'Nothing can reset the device between two guests. Can be accepted.',
  REGION_RESERVED: 'The firmware keeps memory for itself through the device (RMRR). Can be accepted.',
  INTREMAP_OFF: 'Interrupt remapping is off, or nothing shows that it is on. Can be accepted.',
  IOMMU_OFF: 'No IOMMU would be at work at the next boot.',
  VFIO_MISSING: 'An installed kernel has no vfio-pci.',
} as const

/** What is refused where devices are chosen by what they are. */
export const chooserRefusals = {
  DEVICE_ABSENT: 'No device of the host is the one that is named.',
  DEVICE_INVALID: 'The text names no device.',
} as const
