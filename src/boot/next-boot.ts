import type { DriverPrediction, NextBoot, Pending } from '../core/plan.ts'
import type { InstalledKernel, PciFunction, Snapshot } from '../core/snapshot.ts'
import type { ArgumentList } from './argument-list.ts'
import { composeImages } from './boot-images.ts'
import { composeRoot } from './boot-courses.ts'
import { composeWorld } from './boot-world.ts'
import type { BootEntry, BootStack } from './boot-stack.ts'
import { predictDrivers } from './predict-drivers.ts'
import type { PredictedDrivers } from './predict-drivers.ts'
import { predictGroups } from './predict-groups.ts'
import { predictHugepages } from './predict-hugepages.ts'

export type NextBootInput = {
  /** The host as it is. */
  readonly before: Snapshot
  /** The host after the plan's changes (`applyChanges`). */
  readonly after: Snapshot
  readonly stack: BootStack
  /** Entries are generated again from the saved arguments. */
  readonly entriesRebuilt: boolean
  readonly imagesRebuilt: boolean
  /** Functions that tasks name: their drivers may be pending. */
  readonly interest: readonly PciFunction[]
  readonly uncertain: NextBoot['uncertain']
}

export type PredictedBoot = {
  readonly nextBoot: NextBoot | null
  /** Drivers that are saved already and wait for a boot. */
  readonly pending: readonly Pending[]
}

type Uncertain = NextBoot['uncertain'][number]

/** What the next boot brings, read off the files as they will be. */
export function predictNextBoot(input: NextBootInput): PredictedBoot {
  const { stack, after, before } = input
  const { entry } = stack
  if (entry === null) return { nextBoot: null, pending: [] }
  const { release } = entry
  const kernel = before.kernels.find((each) => each.release === release)
  const line = stack.predictLine({ before, after, rebuilt: input.entriesRebuilt })
  const hugepages = predictHugepages(before, line.args)
  const groups = kernel === undefined ? null : predictGroups(before, kernel, line.args)
  const predicted = kernel === undefined ? null : predictFor(input, entry, kernel, line.args)
  const drivers = predicted === null ? describeUnknown(after, release) : Object.fromEntries(predicted.drivers)
  return {
    nextBoot: {
      entry: { id: entry.id, kernel: release },
      kernelCommandLine: [...line.prefix, ...line.args.map(({ text }) => text)].join(' '),
      drivers,
      modules: { image: predicted?.image ?? [], boot: predicted?.boot ?? [] },
      hugepages: hugepages.hugepages,
      groups: groups?.groups ?? {},
      uncertain: distinct([
        ...input.uncertain,
        ...line.uncertain,
        ...describeCourse(stack, line.args),
        ...(groups?.uncertain ?? []),
        ...hugepages.uncertain,
        ...describeDoubts(predicted, kernel),
      ]),
    },
    pending: predicted === null || kernel === undefined ? [] : findPending(input, entry, kernel, predicted),
  }
}

type Files = Pick<NextBootInput, 'before' | 'after' | 'imagesRebuilt'>

function predictFor(
  { before, after, imagesRebuilt }: Files,
  entry: BootEntry,
  kernel: InstalledKernel,
  args: ArgumentList,
): PredictedDrivers {
  const world = composeWorld(before, kernel, args)
  const commandLine = args.map(({ text }) => text).join(' ')
  const question = { before, after, kernel, commandLine, refused: world.refused, rebuilt: imagesRebuilt }
  return predictDrivers({
    world,
    root: composeRoot(after, world, commandLine),
    images: entry.hasImage ? composeImages(question) : null,
    groups: predictGroups(before, kernel, args).hasGroup,
  })
}

function describeUnknown(snapshot: Snapshot, release: string): NextBoot['drivers'] {
  const because = `the kernel that boots (${release}) is not among those installed`
  return Object.fromEntries(
    snapshot.pci.map(({ address, driver }) => [address, { now: driver, next: driver, certain: false, because }]),
  )
}

/** What keeps the boot from going the way that is followed here. */
function describeCourse({ once, entry }: BootStack, args: ArgumentList): readonly Uncertain[] {
  const found: Uncertain[] = []
  if (once) {
    found.push({ code: 'BOOT_ONCE', what: entry?.title ?? '', why: 'the loader was told to boot this entry once' })
  }
  const other = args.find(({ name, value }) => isOtherStart(name, value))
  if (other !== undefined) {
    found.push({ code: 'INIT_OTHER', what: other.text, why: 'with it systemd does not start the host as it does else' })
  }
  return found
}

function isOtherStart(name: string | null, value: string | null): boolean {
  if (name === 'emergency' || name === 'break') return true
  if (name === 'systemd.unit') return (value ?? '').startsWith('emergency')
  return name === 'init' && !/^(\/usr)?(\/sbin\/init|\/lib\/systemd\/systemd)$/.test(value ?? '')
}

function describeDoubts(predicted: PredictedDrivers | null, kernel: InstalledKernel | undefined): readonly Uncertain[] {
  if (predicted === null) {
    return [{ code: 'KERNEL_UNKNOWN', what: 'drivers', why: 'the kernel that boots is not among those installed' }]
  }
  const doubts = [...predicted.doubts]
  const image = doubts.find(([, { code }]) => code.startsWith('IMAGE_'))?.[1]
  return [
    ...(image === undefined
      ? []
      : [{ code: image.code, what: kernel?.initrd?.path ?? 'the image', why: image.general }]),
    ...doubts.map(([address, { why }]) => ({ code: 'DRIVER_UNCERTAIN', what: address, why })),
  ]
}

function distinct(rows: readonly Uncertain[]): readonly Uncertain[] {
  return [...new Map(rows.map((row) => [`${row.code} ${row.what}`, row])).values()]
}

/**
 * The files of before this plan lead to the same driver as those after it, and the function is on another one. Only for
 * functions that tasks name: others are on other drivers for reasons of their own, such as a running guest.
 */
function findPending(
  input: NextBootInput,
  entry: BootEntry,
  kernel: InstalledKernel,
  predicted: PredictedDrivers,
): readonly Pending[] {
  if (input.interest.length === 0) return []
  const { before, stack } = input
  const line = stack.predictLine({ before, after: before, rebuilt: false })
  const earlier = predictFor({ before, after: before, imagesRebuilt: false }, entry, kernel, line.args)
  return input.interest.flatMap(({ address, driver }) => {
    const next = findSettled(predicted, address)
    const saved = findSettled(earlier, address)
    if (next === undefined || saved === undefined) return []
    if (saved.next !== next.next || next.next === driver) return []
    return [{ what: `driver of ${address}`, saved: next.next ?? 'none', live: driver ?? 'none' }]
  })
}

/** What the files say, also where an image that is not listed may be of older ones. */
function findSettled({ drivers, doubts }: PredictedDrivers, address: string): DriverPrediction | undefined {
  const found = drivers.get(address)
  return found?.certain === true || doubts.get(address)?.code === 'IMAGE_NOT_LISTED' ? found : undefined
}
