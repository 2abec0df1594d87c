import { error, warning } from '../../src/core/diagnostic.ts'
import type { Diagnostic } from '../../src/core/diagnostic.ts'
import type { ModuleDiagnostic, TaskOptions } from '../../src/core/module.ts'
import { foldName } from '../../src/core/fold-name.ts'
import type { KernelArgument } from './kernel-arguments.ts'
import { refuse } from '../../src/core/refuse.ts'

/** An argument and the item of the parameters that it was read from. */
export type ListedItem = { readonly argument: KernelArgument; readonly path: readonly (string | number)[] }

type Rule = (argument: KernelArgument, options: TaskOptions) => Diagnostic | undefined

const rules: readonly Rule[] = [
  ownedByHugepages,
  ownedByOtherModule,
  ownedByLoader,
  changesRoot,
  amdIommuOn,
  unsafeInterrupts,
]

/**
 * Everything that speaks against putting these arguments on the command line. Whether they contradict each other, or
 * those of other tasks, is found when the claims of all tasks are merged.
 */
export function checkPresent(args: readonly ListedItem[], options: TaskOptions): readonly ModuleDiagnostic[] {
  return args.flatMap(({ argument, path }) =>
    atPath(
      path,
      rules.map((rule) => rule(argument, options)),
    ),
  )
}

function atPath(path: ListedItem['path'], found: readonly (Diagnostic | undefined)[]): readonly ModuleDiagnostic[] {
  return found.flatMap((diagnostic) => (diagnostic === undefined ? [] : [{ ...diagnostic, path }]))
}

/** Everything that speaks against removing these arguments. */
export function checkAbsent(args: readonly ListedItem[]): readonly ModuleDiagnostic[] {
  return args.flatMap(({ argument, path }) => atPath(path, [ownedByHugepages(argument), ownedByLoader(argument)]))
}

const hugepageArguments: ReadonlySet<string> = new Set(['hugepages', 'hugepagesz', 'default_hugepagesz'])

function ownedByHugepages(argument: KernelArgument): Diagnostic | undefined {
  if (!hugepageArguments.has(foldName(argument.name))) return undefined
  return error('SEQUENCE_OF_HUGEPAGES', `${argument.name}= belongs to a sequence whose order counts`, {
    hint: 'use the module hugepages: hugepages=N binds to the hugepagesz= before it, and it writes the whole sequence',
  })
}

const otherModules: ReadonlyMap<string, { module: string; why: string }> = new Map([
  ['pcie_acs_override', { module: 'acs_override', why: 'it checks that the kernel has the patch and names the risk' }],
  ['vfio_pci.ids', { module: 'vfio_ids', why: 'it checks the ids against the devices of the host' }],
])

function ownedByOtherModule(argument: KernelArgument): Diagnostic | undefined {
  const owner = otherModules.get(foldName(argument.name))
  if (!owner) return undefined
  return error('ARGUMENT_OF_MODULE', `${argument.name}= is the work of the module ${owner.module}`, {
    hint: `use the module ${owner.module}: ${owner.why}`,
  })
}

function ownedByLoader({ name }: KernelArgument): Diagnostic | undefined {
  if (name !== 'BOOT_IMAGE' && name !== 'initrd') return undefined
  return error('ARGUMENT_OF_LOADER', `${name}= is written by the boot loader itself`)
}

const rootArguments: ReadonlySet<string> = new Set(['root', 'rootflags', 'rootfstype', 'init', 'rdinit', 'ro', 'rw'])

function changesRoot({ name }: KernelArgument): Diagnostic | undefined {
  if (!rootArguments.has(name)) return undefined
  return warning(
    'ROOT_CHANGED',
    `${name} decides how the root file system is found: a mistake leaves the host unbootable`,
  )
}

function amdIommuOn({ name, value }: KernelArgument): Diagnostic | undefined {
  if (foldName(name) !== 'amd_iommu' || !value?.split(',').includes('on')) return undefined
  return warning('AMD_IOMMU_ON', 'amd_iommu has no value "on": the kernel logs an unknown option and ignores it', {
    hint: 'leave it out: an AMD IOMMU is on whenever the firmware offers it (drivers/iommu/amd/init.c)',
  })
}

function unsafeInterrupts({ name, value }: KernelArgument, options: TaskOptions): Diagnostic | undefined {
  if (foldName(name) !== 'vfio_iommu_type1.allow_unsafe_interrupts') return undefined
  if (value !== null && /^(0|n|no|off)$/i.test(value)) return undefined
  return refuse(options, 'UNSAFE_INTERRUPTS', `${name} lets a guest inject interrupts into the host`, {
    hint: 'turn interrupt remapping on in the firmware instead',
  })
}
