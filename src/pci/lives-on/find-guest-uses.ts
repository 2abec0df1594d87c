import type { Snapshot } from '../../core/snapshot.ts'
import { isBridge, isVfioDriver } from '../devices.ts'
import type { LivesOn } from './use.ts'

/** Functions of groups that a process has open: they belong to a guest that runs. */
export function findGuestUses(snapshot: Snapshot): LivesOn {
  if (snapshot.vfioHolders === null) {
    const candidates = snapshot.pci
      .filter(({ driver }) => driver !== null && isVfioDriver(driver))
      .map(({ address }) => address)
    const why = 'who has /dev/vfio open only root can see'
    return { uses: [], cannotTell: candidates.length === 0 ? [] : [{ what: 'guest', why, candidates }] }
  }
  const uses = snapshot.vfioHolders.flatMap(({ group, address, pid, command }) => {
    const members = snapshot.pci.filter(
      (found) => !isBridge(found) && (group === null ? found.address === address : found.iommuGroup === group),
    )
    const node = group === null ? '/dev/vfio/devices' : `/dev/vfio/${group}`
    return members.map((found) => ({
      address: found.address,
      what: 'guest' as const,
      chain: [`${command === '' ? 'process' : command} (pid ${pid})`, node, found.address],
      certain: true,
    }))
  })
  return { uses, cannotTell: [] }
}
