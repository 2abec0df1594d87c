import { findNearest } from '../config/did-you-mean.ts'
import { warning, type Diagnostic } from '../core/diagnostic.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { parseKernelCommandLine } from '../formats/kernel-arguments.ts'
import { foldName } from '../core/fold-name.ts'

const moduleNames: ReadonlySet<string> = new Set(['vfio_pci', 'vfio_iommu_type1', 'pci_stub', 'kvm_intel', 'kvm_amd'])
const plainNames: ReadonlySet<string> = new Set(['intel_iommu', 'amd_iommu', 'pcie_acs_override'])

/**
 * Arguments of the running kernel that are near to one of passthrough and are none: the kernel and kmod take
 * `vifo-pci.ids=` in silence, for a module of that name might come.
 */
export function findMisspelt(snapshot: Snapshot): Diagnostic[] {
  return parseKernelCommandLine(snapshot.commandLine).flatMap(({ name, text }) => {
    const dot = name.indexOf('.')
    const word = foldName(dot > 0 ? name.slice(0, dot) : name)
    const known = dot > 0 ? moduleNames : plainNames
    if (word.length < 7 || known.has(word) || snapshot.loadedModules.has(word)) return []
    const meant = findNearest(word, known)
    return meant === undefined ? [] : [misspelt(text, `${meant}${dot > 0 ? name.slice(dot) : ''}`)]
  })
}

function misspelt(text: string, meant: string): Diagnostic {
  return warning('ARGUMENT_MISSPELT', `${text} is on the kernel command line and does nothing`, {
    hint: `did you mean "${meant.replace(/^(vfio|pci)_(pci|stub)\./, '$1-$2.')}"?`,
    evidence: [`/proc/cmdline: ${text}`],
  })
}
