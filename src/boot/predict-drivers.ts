import type { DriverPrediction } from '../core/plan.ts'
import type { InstalledKernel, PciFunction, Snapshot } from '../core/snapshot.ts'
import { effectiveOptions, matchesModule, mergeModprobeDirectories, parseSoftdep } from '../formats/modprobe.ts'
import type { ModprobeEntry } from '../formats/modprobe.ts'
import { findAliases, hasId, isBridge, isVfioDriver } from '../pci/devices.ts'
import { parsePciId } from '../pci/id.ts'
import type { PciId } from '../pci/id.ts'
import type { ArgumentList } from './argument-list.ts'
import { hasName } from './argument-list.ts'
import { foldName } from './fold-name.ts'

/** All that decides about drivers at the next boot. */
export type DriverInputs = {
  readonly snapshot: Snapshot
  /** The kernel that will boot; `undefined` when it is not among those installed. */
  readonly kernel: InstalledKernel | undefined
  /** Files of modprobe.d as they will be. */
  readonly modprobe: readonly { readonly path: string; readonly content: string }[]
  readonly commandLine: ArgumentList
  /** Modules loaded early, and from the root file system. */
  readonly early: readonly string[]
  readonly boot: readonly string[]
  /** Modules that the image of that kernel holds, where its listing is known and stays valid. */
  readonly inImage: ReadonlySet<string> | null
}

type Known = DriverInputs & { readonly entries: readonly ModprobeEntry[]; readonly ids: readonly PciId[] }

/** Ids that vfio-pci will take: those of the command line win over modprobe.d, and there the last line wins. */
export function findVfioIds(inputs: DriverInputs): readonly PciId[] {
  const entries = mergeModprobeDirectories(inputs.modprobe)
  const argument = inputs.commandLine.findLast((each) => hasName(each, 'vfio_pci.ids'))
  const option = effectiveOptions(entries, 'vfio_pci').findLast(({ name }) => foldName(name) === 'ids')
  const isBuiltin = inputs.kernel?.modules.get('vfio_pci') === 'builtin'
  const text = argument?.value ?? (isBuiltin ? null : option?.value) ?? ''
  return text.split(',').flatMap((each) => {
    const parsed = parsePciId(each)
    return parsed.ok ? [parsed.id] : []
  })
}

/** Functions that vfio-pci takes by their id. */
export function findVfioFunctions(inputs: DriverInputs): readonly PciFunction[] {
  const ids = findVfioIds(inputs)
  return inputs.snapshot.pci.filter((each) => !isBridge(each) && ids.some((id) => hasId(each, id)))
}

export function predictDriver(inputs: DriverInputs, target: PciFunction): DriverPrediction {
  const known: Known = { ...inputs, entries: mergeModprobeDirectories(inputs.modprobe), ids: findVfioIds(inputs) }
  const now = target.driver
  if (known.kernel === undefined)
    return { now, next: now, certain: false, because: 'the kernel that boots is not known' }
  const natives = [...new Set(findAliases(known.kernel, target).map(({ module }) => module))].toSorted()
  const builtins = findAliases(known.kernel, target)
    .filter(({ builtin }) => builtin)
    .map(({ module }) => module)
  const isTaken = known.ids.some((id) => hasId(target, id))
  const prediction = isTaken ? predictTaken(known, natives, builtins) : predictNative(known, target, natives)
  return { now, ...withIommu(known, target, prediction) }
}

type Prediction = Omit<DriverPrediction, 'now'>

/** vfio-pci refuses a function without an IOMMU group (drivers/vfio/vfio_main.c). */
function withIommu(known: Known, target: PciFunction, prediction: Prediction): Prediction {
  if (prediction.next !== 'vfio-pci' || target.iommuGroup !== null) return prediction
  const turnsOn = known.commandLine.some(
    (each) => hasName(each, 'intel_iommu') && (each.value ?? '').split(',').includes('on'),
  )
  const because = turnsOn
    ? `${prediction.because}; it has no IOMMU group yet, intel_iommu=on should give it one`
    : `${prediction.because}; but it has no IOMMU group, without which vfio-pci takes nothing`
  return { ...prediction, certain: false, because }
}

function predictTaken(known: Known, natives: readonly string[], builtins: readonly string[]): Prediction {
  const vfio = known.kernel?.modules.get('vfio_pci')
  if (vfio === 'absent') return { next: pickNative(natives), certain: false, because: 'this kernel has no vfio-pci' }
  if (vfio === 'builtin') {
    const because = 'vfio-pci is built in and its ids are on the kernel command line'
    return { next: 'vfio-pci', certain: builtins.length === 0, because }
  }
  const [builtin] = builtins
  if (builtin !== undefined) {
    return { next: toDriverName(builtin), certain: true, because: `${builtin} is built in and comes before vfio-pci` }
  }
  const loadable = natives.filter((name) => !isBlacklisted(known, name))
  const late = loadable.filter((name) => !hasSoftdep(known, name))
  if (loadable.length > 0 && late.length === 0) return predictBySoftdep(known, loadable)
  return loadable.length === 0 ? predictAlone(known) : predictRace(known, late)
}

function predictBySoftdep(known: Known, natives: readonly string[]): Prediction {
  const [first] = natives
  const entry = known.entries.find((each) => each.kind === 'softdep' && matchesModule(each.module, first ?? ''))
  const place = entry === undefined ? '' : ` (${entry.path}:${entry.line})`
  return { next: 'vfio-pci', certain: true, because: `vfio-pci is loaded before ${natives.join(', ')}${place}` }
}

/** No other driver comes: vfio-pci takes the function when something loads it. */
function predictAlone(known: Known): Prediction {
  const place = findLoading(known)
  if (place === undefined) {
    return { next: null, certain: false, because: 'its id is given to vfio-pci, but nothing loads vfio-pci' }
  }
  return { next: 'vfio-pci', certain: true, because: `vfio-pci is loaded ${place} and no other driver takes it` }
}

/** Early loading helps only where the other driver is not in the image: udev runs before the list is loaded. */
function predictRace(known: Known, late: readonly string[]): Prediction {
  const names = late.join(', ')
  const isEarly = isListed(known.early, 'vfio_pci')
  if (isEarly && known.inImage !== null && late.every((name) => !known.inImage?.has(name))) {
    return { next: 'vfio-pci', certain: true, because: `vfio-pci is loaded in the initramfs, which has no ${names}` }
  }
  if (isEarly)
    return { next: 'vfio-pci', certain: false, because: `vfio-pci is loaded early, but ${names} may be first` }
  return { next: pickNative(late), certain: false, because: `no softdep makes ${names} wait for vfio-pci` }
}

function predictNative(known: Known, target: PciFunction, natives: readonly string[]): Prediction {
  const loadable = natives.filter((name) => !isBlacklisted(known, name))
  const current = target.driver
  if (current !== null && !isVfioDriver(current)) {
    const isKnown =
      natives.length === 0 ||
      loadable.some((name) => toDriverName(name) === toDriverName(current) || foldName(current) === name)
    return { next: current, certain: isKnown, because: 'nothing changes for it' }
  }
  if (loadable.length === 0) return { next: null, certain: natives.length > 0, because: 'no driver is loaded for it' }
  const because = `vfio-pci has no id of it, so ${loadable.join(' or ')} takes it`
  return { next: pickNative(loadable), certain: loadable.length === 1, because }
}

function pickNative(natives: readonly string[]): string | null {
  return natives[0] === undefined ? null : toDriverName(natives[0])
}

/**
 * Names of drivers in sysfs that are not the module's own (struct pci_driver .name in their sources); for others the
 * module's name stands for the driver.
 */
const driverNames: ReadonlyMap<string, string> = new Map([
  ['xhci_pci', 'xhci_hcd'],
  ['ehci_pci', 'ehci-pci'],
  ['ohci_pci', 'ohci-pci'],
  ['nvidia_drm', 'nvidia'],
  ['nvidia_modeset', 'nvidia'],
  ['i2c_nvidia_gpu', 'nvidia-gpu'],
  ['ucsi_ccg', 'nvidia-gpu'],
  ['bochs', 'bochs-drm'],
  ['virtio_pci', 'virtio-pci'],
  ['i2c_i801', 'i801_smbus'],
  ['i2c_piix4', 'piix4_smbus'],
  ['sp5100_tco', 'sp5100-tco'],
])

function toDriverName(module: string): string {
  return driverNames.get(foldName(module)) ?? module
}

function isListed(list: readonly string[], module: string): boolean {
  return list.some((name) => foldName(name) === module)
}

function findLoading(known: Known): string | undefined {
  if (isListed(known.early, 'vfio_pci')) return 'in the initramfs'
  return isListed(known.boot, 'vfio_pci') ? 'at boot' : undefined
}

function isBlacklisted(known: Known, module: string): boolean {
  if (known.entries.some((entry) => entry.kind === 'blacklist' && entry.module === module)) return true
  return known.commandLine.some(
    (each) =>
      (hasName(each, 'module_blacklist') || hasName(each, 'modprobe.blacklist')) &&
      (each.value ?? '').split(',').includes(module),
  )
}

/** Only the first softdep that matches a module counts (libkmod-module.c kmod_module_get_softdeps). */
function hasSoftdep(known: Known, module: string): boolean {
  const first = known.entries.find((entry) => entry.kind === 'softdep' && matchesModule(entry.module, module))
  return first !== undefined && parseSoftdep(first.value).pre.some((name) => foldName(name) === 'vfio_pci')
}
