import { error } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import { grubSpellings } from '../formats/grub-quoting.ts'
import { isSameName, parseKernelCommandLine } from '../formats/kernel-command-line.ts'
import { composeNormal } from './argument-list.ts'
import type { ArgumentLists, ListedArgument } from './argument-list.ts'
import type { ArgumentClaim, SequenceClaim } from './settle-arguments.ts'

/** Why a claim cannot be written into these lists; `after` is what it would come to. */
export function findUnwritable(
  before: ArgumentLists,
  after: ArgumentLists,
  claim: ArgumentClaim | SequenceClaim,
): Diagnostic | undefined {
  const known = new Set(composeNormal(before))
  const joined = [...known].find((argument) => holdsInside(argument, claim))
  if (joined !== undefined) return describeJoined(joined)
  const added = composeNormal(after).filter((argument) => !known.has(argument))
  const impossible = added.find(({ text }) => grubSpellings(text).length === 0)
  return impossible === undefined ? undefined : describeImpossible(impossible)
}

/** One word to GRUB and several arguments to the kernel: it is never edited, so the claim must not be about one of them. */
function holdsInside({ name, text }: ListedArgument, claim: ArgumentClaim | SequenceClaim): boolean {
  if (name !== null) return false
  const names = claim.of === 'kernel-argument' ? [claim.name] : claim.names
  return parseKernelCommandLine(text).some((argument) => names.some((wanted) => isSameName(argument.name, wanted)))
}

function describeJoined({ text }: ListedArgument): Diagnostic {
  return error('ARGUMENTS_JOINED', 'one word of GRUB_CMDLINE_LINUX is several arguments to the kernel', {
    hint: 'type the line anew: it holds a no-break space, as pasted from a web page',
    evidence: [text],
  })
}

function describeImpossible({ text }: ListedArgument): Diagnostic {
  return error('ARGUMENT_UNWRITABLE', `GRUB cannot hand ${text} to the kernel as it stands`, {
    hint: 'GRUB puts a backslash before \\ \' and " in an argument, which the kernel does not take away',
  })
}
