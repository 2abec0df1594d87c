import type { Bytes } from './bytes.ts'
import type { UnitValue } from './change.ts'

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
  | { readonly of: 'blacklist'; readonly module: string }
  /** Loaded early, from the initramfs; order of claims is the order of loading. */
  | { readonly of: 'early-module'; readonly module: string }
  /** Loaded at boot from the root file system (modules-load.d). */
  | { readonly of: 'boot-module'; readonly module: string }
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
