import type { Bytes } from './bytes.ts'
import type { UnitValue } from './change.ts'

/** What tells one PCI function from another when cards move or addresses are given anew. */
export type DeviceIdentity = {
  /** `dddd:bb:dd.f` */
  readonly address: string
  /** `vvvv:dddd`, lower case. */
  readonly id: string
  /** `vvvv:dddd` of the subsystem; null where the function has none. */
  readonly subsystem: string | null
  /** Serial number where one can be read. */
  readonly serial: string | null
  /** Bridges from the root bus down, by device and function, which stay when buses are numbered anew: `0000:00/01.3/00.2/04.0`. */
  readonly slotPath: string
}

/**
 * What must hold on a host, never where it is written: a boot stack settles claims into changes.
 * `want: 'absent'` removes whoever wrote it.
 */
export type Claim = { readonly want: 'present' | 'absent' } & ClaimSubject

export type ClaimSubject =
  /** One argument of the kernel command line. `member`: `value` is one member of a comma list (`intel_iommu=on,sm_on`). `value: null` is a bare word. For `absent`, null removes every value of that name. */
  | {
      readonly of: 'kernel-argument'
      readonly name: string
      readonly value: string | null
      readonly member?: boolean
      readonly entries: 'normal' | 'all'
    }
  /** Arguments whose order counts and which stand together (`hugepagesz=1G hugepages=4 …`). `names`: every argument of these names belongs to the sequence. */
  | {
      readonly of: 'argument-sequence'
      readonly owner: string
      readonly args: readonly string[]
      readonly names: readonly string[]
    }
  /** modprobe.d option. `union`: values of several claims are joined by commas in order of claim. */
  | {
      readonly of: 'module-option'
      readonly module: string
      readonly option: string
      readonly value: string
      readonly merge: 'one' | 'union'
    }
  /** `module` is loaded only after `pre`. */
  | { readonly of: 'softdep'; readonly module: string; readonly pre: readonly string[] }
  /** Loaded early, from the initramfs; order of claims is the order of loading. */
  | { readonly of: 'early-module'; readonly module: string }
  /** Loaded at boot from the root file system (modules-load.d). */
  | { readonly of: 'boot-module'; readonly module: string }
  /**
   * One function, whatever others have its id, gets this driver (driver_override): null keeps every driver off.
   * `live`: it is bound anew now, not only at boot.
   */
  | {
      readonly of: 'driver'
      readonly device: DeviceIdentity
      readonly driver: string | null
      readonly live: boolean
    }
  /** Loaded now. */
  | { readonly of: 'kernel-module'; readonly target: string }
  /** A whole file of ours. Owner 0:0. `regenerate` is settled from the path. */
  | { readonly of: 'file'; readonly target: string; readonly content: Bytes; readonly mode: number }
  /** A variable of an environment file (`/etc/default/irqbalance`); null removes the assignment. */
  | {
      readonly of: 'environment-variable'
      readonly target: string
      readonly name: string
      readonly value: string | null
    }
  /** A sysfs or procfs attribute, written now. */
  | { readonly of: 'attribute'; readonly target: string; readonly value: string }
  | { readonly of: 'unit'; readonly target: string; readonly after: UnitValue }

/** A claim with the tasks (indexes into the plan's tasks) that make it, and whether they may take over what others wrote. */
export type ClaimOfTask = { readonly claim: Claim; readonly task: number; readonly adopt: boolean }
