import { z } from 'zod'
import type { ModuleDiagnostic, ModulePlan, TaskOptions } from '../../src/core/module.ts'
import { checkAbsent, checkPresent } from './check-arguments.ts'
import type { ListedItem } from './check-arguments.ts'
import { planArgument, planRemoval } from './kernel-arguments.ts'
import { parseArgument } from './parse-argument.ts'

/** Parameters that kernel_cmdline and grub_cmdline share. */
export const argumentParams = z
  .strictObject({
    present: z
      .array(z.string())
      .default([])
      .describe(
        'Arguments that must be there, one `name` or `name=value` per item; a value with blanks is `name="a b"`.',
      ),
    absent: z
      .array(z.string())
      .default([])
      .describe(
        'Arguments that must not be there, whoever wrote them: `name` takes every value, `name=value` only that one.',
      ),
    entries: z
      .enum(['normal', 'all'])
      .default('normal')
      .describe(
        '`normal`: the entries that boot by default, so that recovery entries stay clean. `all`: recovery entries too.',
      ),
  })
  .refine(
    ({ present, absent }) => present.length + absent.length > 0,
    'one of present and absent must name an argument',
  )

export type ArgumentParams = z.output<typeof argumentParams>

/** Longer text that kernel_cmdline and grub_cmdline share. */
export const argumentDescription = `Every item is read by the kernel's own rules: blanks separate arguments outside of double quotes, \`-\` equals \`_\` in names,
other arguments and their order are left as they are. Values of intel_iommu, amd_iommu, iommu, pci, the blacklists and the
like are comma lists: they are matched member by member, and what else is in the list stays. \`intel_iommu=on\` also takes out
its opposite \`off\`.

Saved: the source from which the loader's entries are made; what counts is the value that all files of that source give
together. Live: /proc/cmdline, so that a change waits for the next boot.

Two tasks that ask for different values are an error at both lines.`

export const argumentRefusals: Readonly<Record<string, string>> = {
  SEQUENCE_OF_HUGEPAGES: 'hugepages, hugepagesz and default_hugepagesz are a sequence: use the module hugepages.',
  ARGUMENT_OF_MODULE: 'pcie_acs_override and vfio-pci.ids have modules of their own that check them.',
  ARGUMENT_OF_LOADER: 'BOOT_IMAGE and initrd are written by the boot loader.',
  ARGUMENT_SPLIT: 'The kernel would read one item as several arguments.',
  ARGUMENT_INVALID: 'An unclosed quote, a control character or a bare `--`.',
  ARGUMENT_EMPTY: 'The item is empty.',
  UNSAFE_INTERRUPTS: 'allow_unsafe_interrupts, unless the task accepts it.',
}

export function planArguments(params: ArgumentParams, options: TaskOptions): ModulePlan {
  const present = readItems('present', params.present)
  const absent = readItems('absent', params.absent)
  return {
    claims: [
      ...absent.items.flatMap(({ argument }) => planRemoval(argument, params.entries)),
      ...present.items.flatMap(({ argument }) => planArgument(argument, params.entries)),
    ],
    diagnostics: [
      ...present.problems,
      ...absent.problems,
      ...checkPresent(present.items, options),
      ...checkAbsent(absent.items),
    ],
  }
}

function readItems(
  list: 'present' | 'absent',
  texts: readonly string[],
): { readonly items: readonly ListedItem[]; readonly problems: readonly ModuleDiagnostic[] } {
  const parsed = texts.map((text, index) => ({ ...parseArgument(text), path: [list, index] }))
  return {
    items: parsed.flatMap((each) => ('argument' in each ? [each] : [])),
    problems: parsed.flatMap((each) => ('problem' in each ? [{ ...each.problem, path: each.path }] : [])),
  }
}
