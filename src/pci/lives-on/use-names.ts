import type { Use, UseOf } from './use.ts'

/** For people, short. */
export const useNames: Readonly<Record<UseOf, string>> = {
  root: 'root file system',
  boot: '/boot',
  esp: 'EFI system partition',
  swap: 'swap',
  mount: 'mounted file system',
  'session-nic': 'this session',
  'default-route': 'default route',
  display: 'only display',
  keyboard: 'last keyboard',
  'bmc-vga': 'remote console',
  watchdog: 'watchdog',
  pool: 'storage pool',
  iscsi: 'iSCSI disk',
  nfs: 'network file system',
  fc: 'Fibre Channel disk',
  guest: 'running guest',
}

/** `/ ← dm-0 ← nvme0n1p3 ← 0000:04:00.0` */
export function formatUse({ chain, certain }: Pick<Use, 'chain' | 'certain'>): string {
  return `${chain.join(' \u2190 ')}${certain ? '' : ' (likely, not proven)'}`
}
