import type { ArgumentClaim, SequenceClaim } from './settle-arguments.ts'
import type { MergedClaim } from './tasked.ts'

export type ArgumentMerged = MergedClaim & { readonly claim: ArgumentClaim | SequenceClaim }

export function isArgumentMerged(merged: MergedClaim): merged is ArgumentMerged {
  return merged.claim.of === 'kernel-argument' || merged.claim.of === 'argument-sequence'
}
