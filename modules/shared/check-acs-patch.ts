import { error, warning } from '../../src/core/diagnostic.ts'
import type { Diagnostic } from '../../src/core/diagnostic.ts'
import type { TaskOptions } from '../../src/core/module.ts'
import type { InstalledKernel, Snapshot } from '../../src/core/snapshot.ts'
import { refuse } from '../../src/core/refuse.ts'
import { findBootable, noteLeftOver } from '../../src/pci/kernels.ts'

/** Functions that only the patch has. There is no Kconfig symbol; the setup function may be gone after boot (__init). */
export const acsSymbols = ['pcie_acs_override_setup', 'pcie_acs_overrides'] as const

type Verdict = { readonly release: string; readonly patched: boolean | null; readonly evidence: string }

/** Whether the installed kernels know pcie_acs_override. */
export function checkAcsPatch(snapshot: Snapshot, options: TaskOptions): readonly Diagnostic[] {
  const verdicts = judgeKernels(snapshot)
  const patched = verdicts.some((verdict) => verdict.patched === true)
  const lacking = verdicts.filter((verdict) => verdict.patched === false)
  const unknown = verdicts.filter((verdict) => verdict.patched === null)
  return [
    ...(lacking.length > 0 ? [absent(lacking, patched)] : []),
    ...(unknown.length > 0 && (patched || lacking.length === 0) ? [notKnown(unknown, options)] : []),
    ...noteLeftOver(snapshot, (kernel) => judgeInstalled(kernel).patched !== true),
  ]
}

/** The running kernel is judged even when its modules are gone from /lib/modules. */
function judgeKernels(snapshot: Snapshot): readonly Verdict[] {
  const running = snapshot.kernels.find((kernel) => kernel.running)
  const others = findBootable(snapshot).filter((kernel) => !kernel.running)
  return [judgeRunning(snapshot, running), ...others.map(judgeInstalled)]
}

function judgeRunning(snapshot: Snapshot, kernel: InstalledKernel | undefined): Verdict {
  const release = snapshot.kernelRelease
  if (snapshot.kallsyms === null) {
    return kernel ? judgeInstalled(kernel) : { release, patched: null, evidence: '/proc/kallsyms: not readable' }
  }
  const symbol = snapshot.kallsyms.find(isAcsSymbol)
  const evidence = symbol === undefined ? `no ${acsSymbols.join(' and no ')}` : symbol
  return { release, patched: symbol !== undefined, evidence: `/proc/kallsyms: ${evidence}` }
}

function judgeInstalled({ release, systemMap }: InstalledKernel): Verdict {
  const file = `/boot/System.map-${release}`
  if (systemMap.state !== 'real') return { release, patched: null, evidence: `${file}: ${stateText[systemMap.state]}` }
  const symbol = systemMap.symbols.find(isAcsSymbol)
  const evidence = symbol === undefined ? `no ${acsSymbols.join(' and no ')}` : symbol
  return { release, patched: symbol !== undefined, evidence: `${file}: ${evidence}` }
}

const stateText: Readonly<Record<'absent' | 'stub' | 'unreadable', string>> = {
  absent: 'not there',
  stub: 'a placeholder, which proves nothing',
  unreadable: 'not readable',
}

function isAcsSymbol(symbol: string): boolean {
  return (acsSymbols as readonly string[]).includes(symbol)
}

/** Beside a kernel that has the patch, one that lacks it only needs to be known: it ignores the word. */
function absent(lacking: readonly Verdict[], patched: boolean): Diagnostic {
  const evidence = lacking.map((verdict) => verdict.evidence)
  if (patched) {
    return warning(
      'ACS_ABSENT',
      `kernel ${releases(lacking)} has no ACS override patch: booted with it, the groups stay as they are`,
      {
        evidence,
      },
    )
  }
  return error(
    'ACS_ABSENT',
    `kernel ${releases(lacking)} has no ACS override patch and would ignore pcie_acs_override`,
    {
      hint: 'install a kernel with the patch (Proxmox, zen, liquorix), or use another slot',
      evidence,
    },
  )
}

function notKnown(unknown: readonly Verdict[], options: TaskOptions): Diagnostic {
  return refuse(
    options,
    'ACS_UNKNOWN',
    `nothing shows whether kernel ${releases(unknown)} has the ACS override patch`,
    {
      hint: 'boot that kernel and plan again',
      evidence: unknown.map((verdict) => verdict.evidence),
    },
  )
}

function releases(verdicts: readonly Verdict[]): string {
  return verdicts.map(({ release }) => release).join(', ')
}
