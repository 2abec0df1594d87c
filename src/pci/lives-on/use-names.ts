import type { UseOf } from './use.ts'

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
