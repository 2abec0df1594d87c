/** The parts of passway's public JSON that the lab reads, written down apart from the program: a change of the contract fails here. */
export type PublicDiagnostic = {
  readonly severity: 'error' | 'warning' | 'note'
  readonly code: string
  readonly message: string
  readonly evidence?: readonly string[]
  readonly source?: { readonly file: string; readonly line: number; readonly column: number }
}

export type HostDocument<Body> = Body & {
  readonly host: string
  readonly status: 'ok' | 'refused' | 'unreachable' | 'failed'
  readonly diagnostics: readonly PublicDiagnostic[]
}

export type PlanDocument = {
  readonly tasks: readonly { readonly module: string; readonly diagnostics: readonly PublicDiagnostic[] }[]
  readonly changes: readonly { readonly kind: string; readonly target: string }[]
  readonly regenerate: readonly string[]
  readonly pending: readonly unknown[]
  readonly reboot: 'none' | 'needed'
  readonly nextBoot: PublicNextBoot | null
}

export type PublicDriver = { readonly next: string | null; readonly certain: boolean; readonly because: string }

export type PublicPages = { readonly total: number; readonly nodes?: Readonly<Record<string, number>> }

export type PublicNextBoot = {
  readonly entry: { readonly id: string; readonly kernel: string }
  readonly kernelCommandLine: string
  readonly drivers: Readonly<Record<string, PublicDriver>>
  readonly modules: { readonly image: readonly string[]; readonly boot: readonly string[] }
  readonly hugepages: Readonly<Record<string, PublicPages>>
  readonly groups: Readonly<Record<string, number>>
  readonly uncertain: readonly { readonly code: string; readonly what: string; readonly why: string }[]
}

export type ResultDocument = {
  readonly record: string
  readonly state: string
  readonly reboot: 'none' | 'needed' | 'done'
  readonly leftToDo: readonly unknown[]
}
