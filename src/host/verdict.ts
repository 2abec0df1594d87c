import type { HostAddress } from '../core/host-address.ts'

export type Verdict = {
  readonly code: string
  readonly message: string
  readonly hint: string
  /** Default true. */
  readonly reached?: boolean
  readonly retry?: boolean
}
export type Rule = { readonly pattern: RegExp; readonly verdict: (host: HostAddress) => Verdict }

export function formatTarget(host: HostAddress): string {
  if (host.connection === 'local') return 'this machine'
  return host.port === undefined ? host.address : `${host.address} port ${host.port}`
}

export function formatUser(host: HostAddress): string {
  return host.user === undefined ? 'the user' : `the user ${host.user}`
}

export function formatKnownName(host: HostAddress): string {
  return host.port === undefined || host.port === 22 ? host.address : `'[${host.address}]:${host.port}'`
}

export function formatManualLogin(host: HostAddress): string {
  const port = host.port === undefined ? '' : `-p ${host.port} `
  const user = host.user === undefined ? '' : `${host.user}@`
  return `ssh ${port}${user}${host.address}`
}
