import type { Claim } from '../core/claim.ts'
import { foldName } from '../core/fold-name.ts'
import { isRepeatable } from './repeatable-arguments.ts'

/** Two claims with the same identity are one; the order of object keys does not count. */
export function formatIdentity(claim: Claim): string {
  return JSON.stringify([claim.want, ...identityFields(claim)])
}

function identityFields(claim: Claim): readonly unknown[] {
  switch (claim.of) {
    case 'kernel-argument':
      return [claim.of, foldName(claim.name), claim.value, claim.member === true, claim.entries]
    case 'argument-sequence':
      return [claim.of, claim.owner, claim.args, claim.names]
    case 'module-option':
      return [claim.of, foldName(claim.module), foldName(claim.option), claim.value, claim.merge]
    case 'softdep':
      return [claim.of, foldName(claim.module), claim.pre.map(foldName)]
    case 'early-module':
    case 'boot-module':
      return [claim.of, foldName(claim.module)]
    case 'kernel-module':
      return [claim.of, foldName(claim.target)]
    case 'driver':
      return [claim.of, claim.device, claim.driver, claim.live]
    case 'file':
      return [claim.of, claim.target, claim.content, claim.mode]
    case 'environment-variable':
      return [claim.of, claim.target, claim.name, claim.value]
    case 'attribute':
      return [claim.of, claim.target, claim.value]
    case 'unit':
    default:
      return [claim.of, claim.target, claim.after.enabled, claim.after.active, claim.after.masked]
  }
}

/**
 * The one place that a claim fills: two claims of one slot that differ cannot both hold, unless `findConflict` says that
 * they can (present and absent of different values, members of one list).
 */
export function formatSlot(claim: Claim): string {
  switch (claim.of) {
    case 'kernel-argument':
      return `argument ${foldName(claim.name)}`
    case 'argument-sequence':
      return `sequence ${claim.owner}`
    case 'module-option':
      return `option ${foldName(claim.module)} ${foldName(claim.option)}`
    case 'softdep':
    case 'early-module':
    case 'boot-module':
      return `${claim.of} ${foldName(claim.module)}`
    case 'kernel-module':
      return `${claim.of} ${foldName(claim.target)}`
    case 'driver':
      return `driver ${claim.device.address}`
    case 'environment-variable':
      return `variable ${claim.target} ${claim.name}`
    case 'file':
    case 'attribute':
    case 'unit':
    default:
      return `${claim.of} ${claim.target}`
  }
}

/** Claims of one list keep the order in which a task makes them; null where order says nothing. */
export function findOrderedList(claim: Claim): string | null {
  if (claim.want === 'absent') return null
  if (claim.of === 'early-module') return 'early modules'
  if (claim.of !== 'kernel-argument' || claim.member === true) return null
  return isRepeatable(claim.name) ? `argument ${foldName(claim.name)}` : null
}

/** A claim in words, for people: `iommu=pt on the kernel command line`. */
export function describeClaim(claim: Claim): string {
  const text = describeSubject(claim)
  return claim.want === 'absent' ? `no ${text}` : text
}

function describeSubject(claim: Claim): string {
  switch (claim.of) {
    case 'kernel-argument':
      return `kernel argument ${formatArgumentText(claim)}`
    case 'argument-sequence':
      return `kernel arguments ${claim.args.join(' ')}`
    case 'module-option':
      return `option ${claim.option}=${claim.value} of module ${claim.module}`
    case 'softdep':
      return `softdep of ${claim.module} on ${claim.pre.join(', ')}`
    case 'early-module':
      return `${claim.module} in the initramfs`
    case 'boot-module':
      return `${claim.module} loaded at boot`
    case 'kernel-module':
      return `${claim.target} loaded`
    case 'driver':
      return `${claim.driver ?? 'no driver'} for ${claim.device.address} [${claim.device.id}]`
    case 'environment-variable':
      return claim.value === null
        ? `no ${claim.name} in ${claim.target}`
        : `${claim.name}=${claim.value} in ${claim.target}`
    case 'file':
      return `file ${claim.target}`
    case 'attribute':
      return `${claim.value} in ${claim.target}`
    case 'unit':
    default:
      return `${claim.target} ${claim.after.masked ? 'masked' : claim.after.enabled ? 'enabled' : 'disabled'}`
  }
}

export function formatArgumentText(argument: { readonly name: string; readonly value: string | null }): string {
  return argument.value === null ? argument.name : `${argument.name}=${argument.value}`
}

/** The text that stands in a task's parameters for this claim, to point at it; empty where no parameter is that text. */
export function findParameterTexts(claim: Claim): readonly string[] {
  switch (claim.of) {
    case 'kernel-argument':
      return [formatArgumentText(claim), claim.name]
    case 'module-option':
      return [claim.value, ...claim.value.split(',')]
    case 'softdep':
    case 'early-module':
    case 'boot-module':
      return [claim.module, claim.module.replaceAll('_', '-')]
    case 'kernel-module':
      return [claim.target, claim.target.replaceAll('_', '-')]
    case 'driver':
      return [claim.device.address, claim.device.address.replace(/^0000:/, ''), claim.device.id]
    case 'attribute':
      return [claim.value]
    case 'environment-variable':
      return claim.value === null ? [] : [claim.value]
    case 'argument-sequence':
    case 'file':
    case 'unit':
    default:
      return []
  }
}
