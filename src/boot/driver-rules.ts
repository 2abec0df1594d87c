import type { Bytes } from '../core/bytes.ts'
import type { Claim, DeviceIdentity } from '../core/claim.ts'
import { comparePciAddresses } from '../pci/address.ts'

export type DriverClaim = Extract<Claim, { of: 'driver' }>

/**
 * The rules must come before 80-drivers.rules, which loads modules. The hook of udev copies files of /etc/udev/rules.d
 * that /lib has no other version of into the images (initramfs-tools/hooks/udev of Debian's and Ubuntu's udev).
 */
export const driverRulesPath = '/etc/udev/rules.d/10-passway.rules'

/** Where an image has them: that hook copies them to lib, which is usr/lib where /usr is merged. */
export const driverRulesInImage = ['usr/lib', 'lib', 'etc'].map((at) => `${at}/udev/rules.d/10-passway.rules`)

/** `none` is no driver's name, so none matches (as in driverctl(8)). */
const noDriver = 'none'

const header = `# Written by passway, which may rewrite it whole. Each device by its address, as long as it is the device that was meant.
ACTION!="add", GOTO="passway_end"
SUBSYSTEM!="pci", GOTO="passway_end"
`

/**
 * A driver that came first, being built in or loaded for another device, is taken off again. The kernel looks at
 * driver_override once more under the device's lock (drivers/pci/pci-driver.c __pci_device_probe), so that after the
 * first line no other driver can come in between. A device that has its driver is left alone, whatever the event.
 */
const footer = `ENV{.PASSWAY_DRIVER}=="", GOTO="passway_end"
TEST=="driver/unbind", TEST!="/sys/bus/pci/drivers/$env{.PASSWAY_DRIVER}/$kernel", ATTR{driver/unbind}="$kernel"
TEST!="driver", ATTR{subsystem/drivers_probe}="$kernel"
LABEL="passway_end"
`

/** udev rules (udev(7)) that set driver_override; null where no function has one. */
export function formatDriverRules(claims: readonly DriverClaim[]): Bytes | null {
  if (claims.length === 0) return null
  const sorted = claims.toSorted((a, b) => comparePciAddresses(a.device.address, b.device.address))
  return `${header}${[...new Set(sorted.map(formatRule))].join('')}${footer}`
}

function formatRule({ device, driver }: DriverClaim): string {
  const name = driver ?? noDriver
  const matches = [`KERNEL=="${device.address}"`, ...matchIdentity(device)]
  return `${[...matches, `ATTR{driver_override}="${name}"`, `ENV{.PASSWAY_DRIVER}="${name}"`].join(', ')}\n`
}

function matchIdentity({ id, subsystem }: DeviceIdentity): readonly string[] {
  const [vendor, device] = id.split(':')
  const [subsystemVendor, subsystemDevice] = subsystem?.split(':') ?? []
  const values = { vendor, device, subsystem_vendor: subsystemVendor, subsystem_device: subsystemDevice }
  return Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [`ATTR{${name}}=="0x${value}"`]))
}
