import type { DriverPrediction, NextBoot, Pending } from '../core/plan.ts'
import { findFile } from '../core/snapshot.ts'
import type { InstalledKernel, PciFunction, Snapshot } from '../core/snapshot.ts'
import { parseGrubLinuxArguments } from '../formats/grub-quoting.ts'
import type { GrubEntry } from '../formats/grub-cfg.ts'
import { formatSizeKb, parseHugepages } from '../formats/hugepage-arguments.ts'
import { parseKernelCommandLine } from '../formats/kernel-command-line.ts'
import { modprobeDirectories } from '../formats/modprobe.ts'
import { parseModuleList } from '../formats/module-list.ts'
import { byAddress, isBridge } from '../pci/devices.ts'
import { composeNormal, hasName, parseArgumentList } from './argument-list.ts'
import type { ArgumentList } from './argument-list.ts'
import { findListing } from './check-images.ts'
import type { BootStack } from './detect-stack.ts'
import { foldName } from './fold-name.ts'
import { evaluateGrubArguments, readGrubDefaults } from './grub-defaults.ts'
import { listFiles } from './list-files.ts'
import { findVfioFunctions, predictDriver } from './predict-drivers.ts'
import type { DriverInputs } from './predict-drivers.ts'
import { earlyModulesPath, listModulesLoadFiles } from './settle-module-lists.ts'

export type NextBootInput = {
  /** The host as it is. */
  readonly before: Snapshot
  /** The host after the plan's changes (`applyChanges`). */
  readonly after: Snapshot
  readonly stack: BootStack
  /** The menu is generated again from the variables. */
  readonly menuRebuilt: boolean
  readonly imagesRebuilt: boolean
  /** Functions that tasks name. */
  readonly interest: readonly PciFunction[]
  readonly uncertain: NextBoot['uncertain']
}

export type PredictedBoot = {
  readonly nextBoot: NextBoot | null
  /** Drivers that are saved already and wait for a boot. */
  readonly pending: readonly Pending[]
}

/** What the next boot brings, read off the files as they will be. */
export function predictNextBoot(input: NextBootInput): PredictedBoot {
  const { stack, after, before } = input
  if (stack.entry === null || stack.entry.linux === null) return { nextBoot: null, pending: [] }
  const release = findRelease(stack.entry)
  const commandLine = predictCommandLine(input, stack.entry)
  const inputs = gather(after, release, commandLine.args, input.imagesRebuilt)
  const earlier = gather(
    before,
    release,
    predictCommandLine({ ...input, after: before, menuRebuilt: false }, stack.entry).args,
    false,
  )
  const targets = findTargets(input.interest, inputs, earlier)
  const drivers = targets.map((each) => [each.address, predictDriver(inputs, each)] as const)
  return {
    nextBoot: {
      entry: { id: stack.entry.id ?? stack.entry.title, kernel: release },
      kernelCommandLine: [`BOOT_IMAGE=${stack.entry.linux.path}`, ...commandLine.args.map(({ text }) => text)].join(
        ' ',
      ),
      drivers: Object.fromEntries(drivers),
      modules: { image: keepKnown(inputs.early, inputs.kernel), boot: keepKnown(inputs.boot, inputs.kernel) },
      hugepages: predictHugepages(commandLine.args),
      groups: predictGroups(input, targets, commandLine.args),
      uncertain: [...input.uncertain, ...commandLine.uncertain, ...doubts(input, targets, commandLine.args, drivers)],
    },
    pending: findPendingDrivers(targets, earlier, new Map(drivers)),
  }
}

/** `/boot/vmlinuz-6.1.0-32-amd64` → the release; the bare name where it has none. */
function findRelease(entry: GrubEntry): string {
  const name = entry.linux?.path.split('/').at(-1) ?? ''
  return name.replace(/^(vmlinuz|vmlinux|kernel|linux)-/, '')
}

type PredictedLine = { readonly args: ArgumentList; readonly uncertain: NextBoot['uncertain'] }

/** The entry's own beginning (`root=… ro`), then both variables as 10_linux composes them. */
function predictCommandLine(input: NextBootInput, entry: GrubEntry): PredictedLine {
  const text = entry.linux?.args ?? ''
  const current = parseArgumentList(text)
  const uncertain = parseGrubLinuxArguments(text).unknown.map(({ text, why }) => ({
    code: 'LOADER_VARIABLE',
    what: text,
    why,
  }))
  const isGenerated = entry.section === '10_linux' || entry.section === '10_linux_zfs'
  const known = current.filter(({ text }) => !text.includes('$'))
  if (!input.menuRebuilt || !isGenerated) return { args: known, uncertain }
  const next = evaluateGrubArguments(readGrubDefaults(input.after, new Map()))
  if (!next.ok) return { args: known, uncertain }
  const earlier = evaluateGrubArguments(readGrubDefaults(input.before, new Map()))
  const prefix = findPrefix(known, earlier.ok ? composeNormal(earlier.lists) : null)
  return { args: [...prefix, ...composeNormal(next.lists)], uncertain }
}

/** What stands before the variables: all but their present text; where that is not found, the words of 10_linux itself. */
function findPrefix(entry: ArgumentList, variables: ArgumentList | null): ArgumentList {
  const rest = variables === null ? -1 : entry.length - variables.length
  const isTail = rest >= 0 && variables?.every((argument, index) => argument.text === entry[rest + index]?.text)
  if (isTail === true) return entry.slice(0, rest)
  const end = entry.findIndex(
    (argument) => !['root', 'ro', 'rw', 'rootflags', 'boot'].some((name) => hasName(argument, name)),
  )
  return end === -1 ? entry : entry.slice(0, end)
}

function gather(snapshot: Snapshot, release: string, commandLine: ArgumentList, imagesRebuilt: boolean): DriverInputs {
  const kernel = snapshot.kernels.find((each) => each.release === release)
  const listing = kernel?.initrd && !imagesRebuilt ? findListing(snapshot, kernel.initrd) : undefined
  return {
    snapshot,
    kernel,
    commandLine,
    modprobe: readModprobe(snapshot),
    early: readEarly(snapshot),
    boot: readBoot(snapshot),
    inImage: listing === undefined ? null : new Set(listing.modules.map(foldName)),
  }
}

function contentOf(snapshot: Snapshot, path: string): string {
  const { state } = findFile(snapshot, path)
  return state.type === 'file' ? state.content : ''
}

function readModprobe(snapshot: Snapshot): DriverInputs['modprobe'] {
  const paths = modprobeDirectories.flatMap((directory) => listFiles(snapshot, directory, '.conf'))
  return paths.map((path) => ({ path, content: contentOf(snapshot, path) }))
}

function readEarly(snapshot: Snapshot): readonly string[] {
  return parseModuleList(contentOf(snapshot, earlyModulesPath), 'initramfs').entries.map(({ module }) =>
    foldName(module),
  )
}

function readBoot(snapshot: Snapshot): readonly string[] {
  const lists = listModulesLoadFiles(snapshot).map((path) => parseModuleList(contentOf(snapshot, path), 'modules-load'))
  return lists.flatMap((list) => list.entries.map(({ module }) => foldName(module)))
}

/** Lists of real hosts hold names that no kernel has; only those that were looked up and found are predicted. */
function keepKnown(names: readonly string[], kernel: InstalledKernel | undefined): readonly string[] {
  const found = names.filter((name) => {
    const availability = kernel?.modules.get(foldName(name))
    return availability === 'loadable' || availability === 'builtin'
  })
  return [...new Set(found)]
}

/** Functions that tasks name, and those that get or lose vfio-pci by this plan. */
function findTargets(
  interest: readonly PciFunction[],
  after: DriverInputs,
  before: DriverInputs,
): readonly PciFunction[] {
  const taken = [findVfioFunctions(after), findVfioFunctions(before)]
  const changed = taken[0]?.filter((each) => !taken[1]?.includes(findSame(before, each))) ?? []
  const lost = taken[1]?.filter((each) => !taken[0]?.includes(findSame(after, each))) ?? []
  const all = new Map([...interest, ...changed, ...lost].map((each) => [each.address, each]))
  return [...all.values()].filter((each) => !isBridge(each)).toSorted(byAddress)
}

function findSame(inputs: DriverInputs, target: PciFunction): PciFunction {
  return inputs.snapshot.pci.find((each) => each.address === target.address) ?? target
}

function predictHugepages(args: ArgumentList): NextBoot['hugepages'] {
  const text = args.map((argument) => argument.text).join(' ')
  const { pools } = parseHugepages(parseKernelCommandLine(text))
  return Object.fromEntries(
    pools.map(({ sizeKb, total, nodes }) => [
      formatSizeKb(sizeKb),
      nodes === null
        ? { total }
        : { total, nodes: Object.fromEntries([...nodes].map(([node, pages]) => [String(node), pages])) },
    ]),
  )
}

/** Groups are formed by the kernel at boot: those of today hold where neither the IOMMU nor ACS is set otherwise. */
function predictGroups(input: NextBootInput, targets: readonly PciFunction[], args: ArgumentList): NextBoot['groups'] {
  if (changesGroups(input.before, args)) return {}
  return Object.fromEntries(
    targets.flatMap(({ address, iommuGroup }) => (iommuGroup === null ? [] : [[address, iommuGroup]])),
  )
}

const groupArguments = ['pcie_acs_override', 'intel_iommu', 'amd_iommu', 'iommu'] as const

/** Only settings that turn the IOMMU on or off, or say more or less isolation, move functions between groups. */
function changesGroups(before: Snapshot, args: ArgumentList): boolean {
  const live = parseKernelCommandLine(before.commandLine)
  return groupArguments.some((name) => {
    const now = live.filter((each) => foldName(each.name) === name).flatMap(({ value }) => relevant(name, value))
    const next = args.filter((each) => hasName(each, name)).flatMap(({ value }) => relevant(name, value))
    return now.toSorted().join() !== next.toSorted().join()
  })
}

/** `on` changes nothing where groups exist already, `pt` only how the host's own devices are mapped. */
function relevant(name: string, value: string | null): readonly string[] {
  const members = (value ?? '').split(',').filter((member) => member !== '')
  return name === 'pcie_acs_override' ? members : members.filter((member) => member === 'off' || member === 'igfx_off')
}

function doubts(
  input: NextBootInput,
  targets: readonly PciFunction[],
  args: ArgumentList,
  drivers: readonly (readonly [string, DriverPrediction])[],
): NextBoot['uncertain'] {
  const groups = targets.length > 0 && changesGroups(input.before, args)
  return [
    ...(groups
      ? [
          {
            code: 'GROUPS_MAY_CHANGE',
            what: 'IOMMU groups',
            why: 'arguments that form them are not those of this boot',
          },
        ]
      : []),
    ...(input.stack.once
      ? [
          {
            code: 'BOOT_ONCE',
            what: input.stack.entry?.title ?? '',
            why: 'the loader was told to boot this entry once',
          },
        ]
      : []),
    ...drivers
      .filter(([, { certain }]) => !certain)
      .map(([address, { because }]) => ({ code: 'DRIVER_UNCERTAIN', what: address, why: because })),
  ]
}

/** The files of before this plan lead to the same driver as those after it, and the function is on another one. */
function findPendingDrivers(
  targets: readonly PciFunction[],
  earlier: DriverInputs,
  drivers: ReadonlyMap<string, DriverPrediction>,
): readonly Pending[] {
  return targets.flatMap((target) => {
    const next = drivers.get(target.address)
    const saved = predictDriver(earlier, target)
    if (next === undefined || !next.certain || !saved.certain) return []
    if (saved.next !== next.next || next.next === target.driver) return []
    return [{ what: `driver of ${target.address}`, saved: next.next ?? 'none', live: target.driver ?? 'none' }]
  })
}
