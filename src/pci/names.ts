import type { PciFunction, Snapshot } from '../core/snapshot.ts'

/** Makers that a host without pci.ids should not show as bare numbers (https://pci-ids.ucw.cz). */
const makers: Readonly<Record<string, string>> = {
  '1000': 'Broadcom / LSI',
  '1002': 'AMD/ATI',
  '1022': 'AMD',
  '102b': 'Matrox',
  '106b': 'Apple',
  '10de': 'NVIDIA',
  '10ec': 'Realtek',
  '1179': 'Toshiba',
  '1234': 'QEMU',
  '126f': 'Silicon Motion',
  '144d': 'Samsung',
  '14c3': 'MediaTek',
  '14e4': 'Broadcom',
  '15ad': 'VMware',
  '15b3': 'Mellanox',
  '15b7': 'SanDisk',
  '168c': 'Qualcomm Atheros',
  '17cb': 'Qualcomm',
  '1912': 'Renesas',
  '1969': 'Qualcomm Atheros',
  '1987': 'Phison',
  '1a03': 'ASPEED',
  '1ac1': 'Global Unichip',
  '1af4': 'Red Hat (virtio)',
  '1b21': 'ASMedia',
  '1b36': 'Red Hat',
  '1b4b': 'Marvell',
  '1b73': 'Fresco Logic',
  '1cc1': 'ADATA',
  '1d0f': 'Amazon',
  '1d6a': 'Aquantia',
  '1e0f': 'KIOXIA',
  '2646': 'Kingston',
  '8086': 'Intel',
  c0a9: 'Micron / Crucial',
}

/** Maker and device in the words of the host's pci.ids, the maker shortened; what nobody names is left out. */
export function formatDeviceName({ pciNames }: Snapshot, { vendor, device }: PciFunction): string {
  const written = pciNames.get(vendor)
  const maker = written === undefined ? (makers[vendor] ?? '') : shortenMaker(written)
  const name = pciNames.get(`${vendor}:${device}`) ?? ''
  return name.startsWith(maker) ? name : `${maker} ${name}`.trim()
}

/** `Advanced Micro Devices, Inc. [AMD/ATI]` → `AMD/ATI`, `Intel Corporation` → `Intel` */
function shortenMaker(name: string): string {
  const short = /\[([^\]]+)\]\s*$/.exec(name)?.[1] ?? name
  return short.replace(
    /,? (?:Inc\.?|Corporation|Corp\.?|Co\.?,? ?Ltd\.?|Ltd\.?|LLC|GmbH|Technology|Electronics|Semiconductor)(?=[ ,.]|$).*$/,
    '',
  )
}
