export { formatModprobe, matchesModule, parseModprobe, parseSoftdep } from './modprobe-file.ts'
export type { ModprobeDocument, ModprobeLine } from './modprobe-file.ts'
export {
  appendModprobeLines,
  commentOutModprobeLines,
  removeModprobeLines,
  uncommentModprobeLines,
} from './modprobe-edits.ts'
export {
  effectiveOptions,
  mergeModprobeDirectories,
  modprobeDirectories,
  parseModprobeOptions,
} from './modprobe-directories.ts'
export type { ModprobeEntry, ModprobeOption } from './modprobe-directories.ts'
export { parseCommandLineModprobe } from './modprobe-command-line.ts'
export type { CommandLineModprobe } from './modprobe-command-line.ts'
