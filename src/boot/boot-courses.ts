import type { PciFunction, Snapshot } from '../core/snapshot.ts'
import { modprobeDirectories } from '../formats/modprobe.ts'
import { hasName } from './argument-list.ts'
import type { ArgumentList } from './argument-list.ts'
import type { ImageVariants } from './boot-images.ts'
import type { BootWorld } from './boot-world.ts'
import { composeKmodConfiguration } from './kmod-configuration.ts'
import { listFiles } from './list-files.ts'
import { findNeeds } from './module-needs.ts'
import { contentAt, readListed } from './read-listed.ts'
import { readRules } from './read-rules.ts'
import { listModulesLoadFiles } from './settle-module-lists.ts'
import type { Course, Doubt, ListedModule, Phase } from './simulate-boot.ts'

/** `doubt`: what is open where this course comes to another end than the first one. */
export type OpenCourse = Course & { readonly doubt: Doubt | null }

export type CourseInput = {
  readonly world: BootWorld
  readonly root: Phase
  /** null: the entry loads no image. */
  readonly images: ImageVariants | null
  /** Whether a function will be in an IOMMU group; null where that cannot be told. */
  readonly groups: (target: PciFunction) => boolean | null
}

const parallel: Doubt = { code: 'LOAD_ORDER', why: 'drivers are loaded side by side, and another one may be first' }
const lists: Doubt = { code: 'LOAD_ORDER', why: 'modules-load.d and udev load modules side by side' }
const groups: Doubt = { code: 'IOMMU_UNKNOWN', why: 'whether it will have an IOMMU group cannot be told' }

/** Every course that is left open, the most likely one first. */
export function listCourses({ world, root, images, groups: hasGroup }: CourseInput): readonly OpenCourse[] {
  const variants: readonly (Phase | null)[] = images?.variants ?? [null]
  const isOpen = world.functions.some((target) => hasGroup(target) === null)
  const groupings = (isOpen ? [true, false] : [true]).map((open) => (target: PciFunction) => hasGroup(target) ?? open)
  return groupings.flatMap((group, grouping) =>
    variants.flatMap((image, variant) =>
      (['list', 'coldplug'] as const).flatMap((rootFirst) =>
        (['rules-first', 'in-order'] as const).map((events) => ({
          image,
          root,
          events,
          rootFirst,
          hasGroup: group,
          doubt:
            variant > 0
              ? (images?.why ?? null)
              : grouping > 0
                ? groups
                : rootFirst === 'coldplug'
                  ? lists
                  : events === 'in-order'
                    ? parallel
                    : null,
        })),
      ),
    ),
  )
}

/** The root file system: all directories of modprobe.d, modules-load.d, rules of /etc. */
export function composeRoot(snapshot: Snapshot, world: BootWorld, commandLine: string): Phase {
  const { kernel, refused } = world
  const files = modprobeDirectories
    .flatMap((directory) => listFiles(snapshot, directory, '.conf'))
    .map((path) => ({ path, content: contentAt(snapshot, path) }))
  return {
    name: 'root',
    configuration: composeKmodConfiguration({ files, softdeps: kernel.softdeps, commandLine }),
    holds: (module) => !['absent', 'builtin'].includes(kernel.modules.get(module) ?? 'loadable'),
    needs: (module) => findNeeds(kernel, module),
    refused,
    rules: readRules(snapshot),
    listed: [
      ...readArguments(world.args),
      ...listModulesLoadFiles(snapshot).flatMap((path) => readListed(snapshot, path, 'modules-load')),
    ],
  }
}

/** `modules-load=a,b` (systemd-modules-load.service(8)). */
function readArguments(args: ArgumentList): readonly ListedModule[] {
  return args
    .filter((argument) => hasName(argument, 'modules-load'))
    .flatMap(({ value, text }) => (value ?? '').split(',').map((module) => ({ module, args: '', place: text })))
    .filter(({ module }) => module !== '')
}
