import type { Change, Regeneration } from './change.ts'
import type { Claim } from './claim.ts'
import type { Diagnostic, SourcePosition } from './diagnostic.ts'
import type { Expansion } from './module.ts'

/** A task whose variables are resolved and whose `when` held, as planned for one host. */
export type ResolvedTask = {
  readonly play: string
  readonly name: string
  readonly module: string
  /** Parameters after templating, before the module's schema. */
  readonly params: unknown
  readonly accept: ReadonlyMap<string, string>
  readonly adopt: boolean
  readonly source: SourcePosition
  /** Position of a parameter by its path below the module's mapping (`['ids', 0]`): its value, or its key. */
  readonly locate: (path: readonly PropertyKey[], part?: 'key' | 'value') => SourcePosition
}

export type PlannedTask = {
  readonly play: string
  readonly name: string
  readonly module: string
  readonly params: unknown
  /** Tasks that this one stands for; missing where it stands for itself. */
  readonly expands?: readonly Expansion[]
  readonly source: SourcePosition
  /** Indexes into the plan's changes. */
  readonly changes: readonly number[]
  readonly diagnostics: readonly Diagnostic[]
}

/** Saved and live are two facts: something written that waits for a boot. */
export type Pending = { readonly what: string; readonly saved: string; readonly live: string }

export type DriverPrediction = {
  readonly now: string | null
  readonly next: string | null
  readonly certain: boolean
  readonly because: string
}

export type NextBoot = {
  /** The loader entry that will boot, by its id (or title), and its kernel. */
  readonly entry: { readonly id: string; readonly kernel: string }
  readonly kernelCommandLine: string
  readonly drivers: Readonly<Record<string, DriverPrediction>>
  readonly modules: { readonly image: readonly string[]; readonly boot: readonly string[] }
  /** `2M` → pages. */
  readonly hugepages: Readonly<
    Record<string, { readonly total: number; readonly nodes?: Readonly<Record<string, number>> }>
  >
  readonly groups: Readonly<Record<string, number>>
  readonly uncertain: readonly { readonly code: string; readonly what: string; readonly why: string }[]
}

export type HostPlan = {
  readonly machineId: string | null
  readonly kernelRelease: string
  readonly bootId: string | null
  readonly tasks: readonly PlannedTask[]
  readonly changes: readonly Change[]
  readonly regenerate: readonly Regeneration[]
  readonly pending: readonly Pending[]
  readonly orphans: readonly Claim[]
  readonly reboot: 'none' | 'needed'
  readonly nextBoot: NextBoot | null
  /** Of the host as a whole; those of one task are in the task. */
  readonly diagnostics: readonly Diagnostic[]
  /** All claims that hold after this plan; they go to the record. */
  readonly claims: readonly Claim[]
  /** What the generated artefacts must show before anything counts as done; null where nothing is generated. */
  readonly expectation: BootExpectation | null
}

/** What the agent reads back from generated artefacts. */
export type BootExpectation = {
  /** Arguments every non-recovery entry of 10_linux, and every entry of kernel-install, carries, in order, as the kernel gets them (after GRUB's unquoting). */
  readonly normalArguments: readonly string[]
  /** Arguments recovery entries carry (those of `entries: all`). */
  readonly recoveryArguments: readonly string[]
  /** Arguments that must not be there (`name` or `name=value`). */
  readonly absentArguments: readonly string[]
  /** Where kernel-install writes its entries: `ROOT/loader/entries/TOKEN-RELEASE.conf`; missing where GRUB has a menu. */
  readonly entries?: { readonly root: string; readonly token: string } | undefined
  /** Modules every image must hold, unless built in to that kernel. */
  readonly imageModules: readonly string[]
  /** Paths of /etc whose bytes every image must hold (`/etc/modprobe.d/passway.conf`); sha256, null for "must not be there". */
  readonly imageFiles: Readonly<Record<string, string | null>>
}
