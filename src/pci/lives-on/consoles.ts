import type { PciFunction, Snapshot } from '../../core/snapshot.ts'
import { isVfioDriver } from '../devices.ts'

/**
 * Whether a function with this driver shows what the host does. A 3D controller (0302) has no screen of its own. Without
 * a driver only the card that the firmware set up draws: the kernel goes on in that framebuffer.
 */
export function showsConsole(found: PciFunction, driver: string | null): boolean {
  const isCard = found.class.startsWith('03') && !found.class.startsWith('0302') && found.physicalFunction === null
  return isCard && (driver === null ? found.bootVga !== false : !isVfioDriver(driver))
}

/** Cards that show what the host does now. */
export function findScreens({ pci }: Snapshot): readonly PciFunction[] {
  return pci.filter((found) => showsConsole(found, found.driver))
}

const lineConsole = /^(?:ttyS|ttyAMA|ttyUSB|ttyPS|ttyXR|hvc|sclp|ttysclp|netcon)/

/** Names in /proc/consoles of what is read from another machine. */
export function findLines({ consoles }: Snapshot): readonly string[] {
  return (consoles ?? []).filter((name) => lineConsole.test(name))
}
