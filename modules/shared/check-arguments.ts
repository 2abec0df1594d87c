import { error, warning } from '../../src/core/diagnostic.ts'
import type { Diagnostic } from '../../src/core/diagnostic.ts'
import type { TaskOptions } from '../../src/core/module.ts'
import { isRepeatable } from '../../src/formats/edit-kernel-arguments.ts'
import { foldArgumentName, isListArgument } from './kernel-arguments.ts'
import type { KernelArgument } from './kernel-arguments.ts'
import { refuse } from './refuse.ts'

type Rule = (argument: KernelArgument, options: TaskOptions) => Diagnostic | undefined

const rules: readonly Rule[] = [
  ownedByHugepages,
  ownedByOtherModule,
  ownedByLoader,
  changesRoot,
  amdIommuOn,
  unsafeInterrupts,
]

/** Everything that speaks against putting these arguments on the command line. */
export function checkPresent(args: readonly KernelArgument[], options: TaskOptions): readonly Diagnostic[] {
  const found = args.flatMap((argument) => rules.map((rule) => rule(argument, options)))
  return [...found, ...findContradictions(args)].filter((diagnostic) => diagnostic !== undefined)
}

/** Everything that speaks against removing these arguments. */
export function checkAbsent(
  args: readonly KernelArgument[],
  present: readonly KernelArgument[],
): readonly Diagnostic[] {
  const found = args.flatMap((argument) => [
    ownedByHugepages(argument),
    ownedByLoader(argument),
    wantedToo(argument, present),
  ])
  return found.filter((diagnostic) => diagnostic !== undefined)
}

const hugepageArguments: ReadonlySet<string> = new Set(['hugepages', 'hugepagesz', 'default_hugepagesz'])

function ownedByHugepages(argument: KernelArgument): Diagnostic | undefined {
  if (!hugepageArguments.has(argument.name)) return undefined
  return error('SEQUENCE_OF_HUGEPAGES', `${argument.name}= belongs to a sequence whose order counts`, {
    hint: 'use the module hugepages: hugepages=N binds to the hugepagesz= before it, and it writes the whole sequence',
  })
}

const otherModules: ReadonlyMap<string, { module: string; why: string }> = new Map([
  ['pcie_acs_override', { module: 'acs_override', why: 'it checks that the kernel has the patch and names the risk' }],
  ['vfio_pci.ids', { module: 'vfio_ids', why: 'it checks the ids against the devices of the host' }],
])

function ownedByOtherModule(argument: KernelArgument): Diagnostic | undefined {
  const owner = otherModules.get(foldArgumentName(argument.name))
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
  if (foldArgumentName(name) !== 'amd_iommu' || !value?.split(',').includes('on')) return undefined
  return warning('AMD_IOMMU_ON', 'amd_iommu has no value "on": the kernel logs an unknown option and ignores it', {
    hint: 'leave it out: an AMD IOMMU is on whenever the firmware offers it (drivers/iommu/amd/init.c)',
  })
}

function unsafeInterrupts({ name, value }: KernelArgument, options: TaskOptions): Diagnostic | undefined {
  if (foldArgumentName(name) !== 'vfio_iommu_type1.allow_unsafe_interrupts') return undefined
  if (value !== null && /^(0|n|no|off)$/i.test(value)) return undefined
  return refuse(options, 'UNSAFE_INTERRUPTS', `${name} lets a guest inject interrupts into the host`, {
    hint: 'turn interrupt remapping on in the firmware instead',
  })
}

function findContradictions(args: readonly KernelArgument[]): Diagnostic[] {
  const seen = new Map<string, KernelArgument>()
  const found: Diagnostic[] = []
  for (const argument of args) {
    const name = foldArgumentName(argument.name)
    const first = seen.get(name)
    const differs = first !== undefined && first.value !== argument.value
    if (differs && !isRepeatable(argument.name) && !isListArgument(name)) found.push(contradiction(first, argument))
    seen.set(name, first ?? argument)
  }
  return found
}

function contradiction(first: KernelArgument, second: KernelArgument): Diagnostic {
  return error('ARGUMENT_TWICE', `${second.name} is asked for twice with different values`, {
    hint: 'the last one would win: keep one of them',
    evidence: [formatArgument(first), formatArgument(second)],
  })
}

function wantedToo(argument: KernelArgument, present: readonly KernelArgument[]): Diagnostic | undefined {
  const same = present.find((other) => {
    if (foldArgumentName(other.name) !== foldArgumentName(argument.name)) return false
    return argument.value === null || argument.value === other.value
  })
  if (!same) return undefined
  return error('ARGUMENT_BOTH', `${formatArgument(argument)} is asked for and asked away in one task`, {
    evidence: [`present: ${formatArgument(same)}`, `absent: ${formatArgument(argument)}`],
  })
}

function formatArgument({ name, value }: KernelArgument): string {
  return value === null ? name : `${name}=${value}`
}
