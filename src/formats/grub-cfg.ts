export { formatGrubCfg, listGrubEntries, parseGrubCfg } from './grub-menu.ts'
export type { GrubCfg, GrubEntry, GrubLinux } from './grub-menu.ts'
export { findDefaultEntry } from './grub-default.ts'
export type { DefaultEntry } from './grub-default.ts'
