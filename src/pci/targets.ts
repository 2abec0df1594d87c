import type { TaskOptions } from '../core/module.ts'
import type { PciFunction, Snapshot } from '../core/snapshot.ts'
import type { PciId } from './id.ts'

export type TargetOptions = Pick<TaskOptions, 'accept'> & {
  /** The driver that they are to get; null: none. */
  readonly driver: string | null
  /** Given where the functions are named to vfio-pci by their ids. */
  readonly ids?: readonly PciId[]
}

/** What the checks of one task share. */
export type Targets = {
  readonly snapshot: Snapshot
  readonly options: TargetOptions
  /** Endpoints, in order of address. */
  readonly functions: readonly PciFunction[]
  /** Those that do not have their driver yet. */
  readonly changing: readonly PciFunction[]
}
