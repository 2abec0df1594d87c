import type { GrubEntry } from '../formats/grub-cfg.ts'
import { parseGrubLinuxArguments } from '../formats/grub-quoting.ts'
import { composeNormal, hasName, parseArgumentList } from './argument-list.ts'
import type { ArgumentList, ArgumentLists } from './argument-list.ts'
import type { LineQuestion, PredictedLine } from './boot-stack.ts'
import { evaluateGrubArguments, readGrubDefaults } from './grub-defaults.ts'

/** The entry's own beginning (`root=… ro`), then the variables as 10_linux composes them: a recovery entry gets one of them. */
export function predictGrubLine(
  { before, after, rebuilt }: LineQuestion,
  entry: GrubEntry,
): Omit<PredictedLine, 'prefix'> {
  const text = entry.linux?.args ?? ''
  const current = parseArgumentList(text)
  const uncertain = parseGrubLinuxArguments(text).unknown.map(({ text, why }) => ({
    code: 'LOADER_VARIABLE',
    what: text,
    why,
  }))
  const isGenerated = entry.section === '10_linux' || entry.section === '10_linux_zfs'
  const known = current.filter(({ text }) => !text.includes('$'))
  if (!rebuilt || !isGenerated) return { args: known, uncertain }
  const compose = (lists: ArgumentLists) => (entry.isRecovery ? lists.linux : composeNormal(lists))
  const next = evaluateGrubArguments(readGrubDefaults(after, new Map()))
  if (!next.ok) return { args: known, uncertain }
  const earlier = evaluateGrubArguments(readGrubDefaults(before, new Map()))
  const prefix = findPrefix(known, earlier.ok ? compose(earlier.lists) : null)
  return { args: [...prefix, ...compose(next.lists)], uncertain }
}

/** Words of 10_linux itself, with Debian's and Ubuntu's recovery arguments. */
const ownNames = ['root', 'ro', 'rw', 'rootflags', 'boot', 'single', 'recovery', 'dis_ucode_ldr'] as const

/** What stands before the variables: all but their present text; where that is not found, the words of 10_linux itself. */
function findPrefix(entry: ArgumentList, variables: ArgumentList | null): ArgumentList {
  const rest = variables === null ? -1 : entry.length - variables.length
  const isTail = rest >= 0 && variables?.every((argument, index) => argument.text === entry[rest + index]?.text)
  if (isTail === true) return entry.slice(0, rest)
  const end = entry.findIndex((argument) => !ownNames.some((name) => hasName(argument, name)))
  return end === -1 ? entry : entry.slice(0, end)
}
