import { z } from 'zod'
import type { Claim } from '../src/core/claim.ts'
import type { ModulePlan } from '../src/core/module.ts'
import type { Snapshot } from '../src/core/snapshot.ts'
import { parseSizeKb } from '../src/formats/hugepage-arguments.ts'
import { checkHugepages } from './shared/check-hugepages.ts'
import { defineModule } from './shared/define-module.ts'
import { formatBootArguments, formatTmpfiles, hugepageAttribute, hugepagePatterns } from './shared/format-hugepages.ts'

const size = z.string().regex(/^[1-9][0-9]{0,5}[KMG]$/, 'a size is a number with K, M or G: 2M, 1G')

const page = z.strictObject({
  size: size.describe('Size of the pages: `2M` or `1G` on x86.'),
  count: z.int().min(0).describe('Number of pages.'),
  node: z
    .int()
    .min(0)
    .optional()
    .describe('NUMA node that gives them; without it the kernel spreads them over all nodes.'),
})

const params = z.strictObject({
  pages: z
    .array(page)
    .min(1)
    .describe('Pages per size, and per node where one is named. The first size becomes the default size.'),
  at: z
    .enum(['boot', 'runtime', 'both'])
    .default('boot')
    .describe(
      '`boot`: on the kernel command line, which finds the memory unfragmented. `runtime`: now through sysfs, and again at every boot. `both`: on the command line and now.',
    ),
  reserve: size
    .optional()
    .describe('Memory that must be left to the host. Default: 1G or a sixteenth of the memory, whichever is more.'),
})

type Params = z.output<typeof params>

/** Read by systemd-tmpfiles at every boot (tmpfiles.d(5)). */
const tmpfiles = '/etc/tmpfiles.d/passway-hugepages.conf'

export const hugepages = defineModule<Params>({
  name: 'hugepages',
  summary: 'Sets memory aside as huge pages, at boot, at run time or both.',
  description: `Saved: with \`boot\` and \`both\` the sequence \`default_hugepagesz= hugepagesz= hugepages= …\` on the kernel command line, as a
whole and in order, because each count binds to the size before it; with \`runtime\` the file \`${tmpfiles}\`, which sets the
counts at every boot. Live: with \`runtime\` and \`both\` the counts in sysfs, now; with \`boot\` the pools change with the next boot.

At run time the kernel may find fewer pages than asked for: the value is read back, and a smaller one fails and reverts the
run. At boot it fails the comparison after the boot.`,
  params,
  example: `- name: 16 GiB in pages of 1 GiB, half of it on each node
  hugepages:
    pages:
      - { size: 1G, count: 8, node: 0 }
      - { size: 1G, count: 8, node: 1 }
    reserve: 8G`,
  refusals: {
    HUGEPAGES_RESERVE: 'The host, or a node of it, would keep less memory than the reserve.',
    HUGEPAGES_1G: 'Pages of 1G need a processor with pdpe1gb.',
    HUGEPAGES_SIZE: 'The kernel has no pages of that size.',
    HUGEPAGES_NODE: 'The host has no such NUMA node.',
    HUGEPAGES_NODE_BOOT: 'A kernel before 5.16 cannot take counts per node from its command line.',
    HUGEPAGES_TWICE: 'A size is listed twice, or both with and without nodes.',
  },
  reads: ({ at }) => (at === 'boot' ? {} : { attributes: hugepagePatterns, paths: [tmpfiles] }),
  plan: planPages,
})

function planPages({ pages, at, reserve }: Params, snapshot: Snapshot): ModulePlan {
  const reserveKb = parseSizeKb(reserve ?? null) ?? defaultReserve(snapshot)
  return {
    claims: [
      ...(at === 'runtime' ? [] : [claimSequence(pages)]),
      ...(at === 'boot' ? [] : pages.map(claimCount)),
      ...(at === 'runtime' ? [claimFile(pages)] : []),
    ],
    diagnostics: checkHugepages({ pages, at, reserveKb }, snapshot),
  }
}

function defaultReserve(snapshot: Snapshot): number {
  return Math.max(1024 ** 2, Math.floor(snapshot.memory.totalKb / 16))
}

function claimSequence(pages: Params['pages']): Claim {
  return {
    want: 'present',
    of: 'argument-sequence',
    owner: 'hugepages',
    args: formatBootArguments(pages),
    names: ['default_hugepagesz', 'hugepagesz', 'hugepages'],
  }
}

function claimCount(request: Params['pages'][number]): Claim {
  return { want: 'present', of: 'attribute', target: hugepageAttribute(request), value: String(request.count) }
}

function claimFile(pages: Params['pages']): Claim {
  return { want: 'present', of: 'file', target: tmpfiles, content: formatTmpfiles(pages), mode: 0o644 }
}
