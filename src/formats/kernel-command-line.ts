export {
  addMember,
  formatKernelArgument,
  hasMember,
  isKernelBlank,
  isSameName,
  parseCommandLineParts,
  parseKernelArgument,
  parseKernelCommandLine,
  parseMembers,
  removeMember,
} from './kernel-arguments.ts'
export type { KernelArgument } from './kernel-arguments.ts'
export { editKernelArguments } from './edit-kernel-arguments.ts'
export { parseHugepages } from './hugepage-arguments.ts'
export type { HugepageArguments, HugepagePoolRequest } from './hugepage-arguments.ts'
