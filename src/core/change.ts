import type { Bytes } from './bytes.ts'

/** Derived things that are rebuilt, not edited; a closed set, run once per host in this order. */
export const regenerations = ['units', 'tmpfiles', 'udev', 'initramfs', 'boot-loader', 'esp'] as const
export type Regeneration = (typeof regenerations)[number]

/** It is what the next boot reads. */
export function isForBoot(name: string): boolean {
  return name === 'initramfs' || name === 'boot-loader' || name === 'esp'
}

/** Mode is the permission bits (0o644); in JSON it is the string "0644". */
export type FileValue = { readonly content: Bytes; readonly mode: number; readonly uid: number; readonly gid: number }
export type DirectoryValue = { readonly mode: number; readonly uid: number; readonly gid: number }
export type LinkValue = { readonly to: string }
/** `active: null` leaves the running state alone. */
export type UnitValue = { readonly enabled: boolean; readonly active: boolean | null; readonly masked: boolean }

export type ChangeValues = {
  file: FileValue
  directory: DirectoryValue
  link: LinkValue
  attribute: string
  'kernel-module': 'loaded'
  unit: UnitValue
  driver: string
  'boot-arguments': readonly string[]
}
export type ChangeKind = keyof ChangeValues

type ChangeOf<Kind extends ChangeKind> = {
  readonly kind: Kind
  /** Path, module name, unit name, PCI address, or loader entry. At most one change per (kind, target). */
  readonly target: string
  /** null: absent before. Rollback is reverse and swap. */
  readonly before: ChangeValues[Kind] | null
  readonly after: ChangeValues[Kind] | null
  /** Indexes into the plan's tasks. */
  readonly tasks: readonly number[]
  readonly regenerate: readonly Regeneration[]
  readonly takesEffect: 'now' | 'boot'
  /** For people only; nothing decides by it. */
  readonly reason?: string
}

/** One thing that will be different; plain data of a closed set of kinds. There is no `command` kind. */
export type Change = { [Kind in ChangeKind]: ChangeOf<Kind> }[ChangeKind]
