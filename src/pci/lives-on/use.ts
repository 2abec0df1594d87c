import type { PciAddress } from '../address.ts'

/** Why the host needs a function. */
export type UseOf =
  | 'root'
  | 'boot'
  | 'esp'
  | 'swap'
  | 'mount'
  | 'session-nic'
  | 'default-route'
  | 'display'
  | 'keyboard'
  | 'bmc-vga'
  | 'watchdog'
  | 'pool'
  | 'iscsi'
  | 'nfs'
  | 'fc'
  | 'guest'

/** A PCI function that the host lives on. */
export type Use = {
  readonly address: PciAddress
  readonly what: UseOf
  /** From the need to the function: `/`, `dm-0`, `nvme0n1p3`, `0000:04:00.0`. */
  readonly chain: readonly string[]
  /** False where a link of the chain is the likely one, not a proven one. */
  readonly certain: boolean
}

/** What the snapshot cannot show. */
export type Unknown = {
  readonly what: UseOf
  readonly why: string
  /** Functions that it may stand on: none of them is free. */
  readonly candidates: readonly PciAddress[]
}

export type LivesOn = { readonly uses: readonly Use[]; readonly cannotTell: readonly Unknown[] }
