import { error, warning, type Diagnostic } from '../core/diagnostic.ts'
import type { PciFunction, Snapshot } from '../core/snapshot.ts'
import type { ClosureParts } from './closure-parts.ts'
import { describeFunction } from './describe-function.ts'
import { isDisplay } from './devices.ts'
import { findLivesOn } from './lives-on/find-lives-on.ts'
import { formatUse, useNames } from './lives-on/use-names.ts'
import type { Unknown, Use, UseOf } from './lives-on/use.ts'
import { isOnRootBus, isVmd } from './tree.ts'

/** What the host would lose with these functions. */
export function judgeHost(snapshot: Snapshot, parts: ClosureParts): Diagnostic[] {
  const { uses, cannotTell } = findLivesOn(snapshot)
  return [
    ...judgeUses(uses, parts),
    ...judgeUnknown(cannotTell, parts),
    ...judgeConsole(snapshot, parts, uses),
    ...judgeKeyboard(snapshot, parts),
    ...judgeStorage(snapshot, parts),
  ]
}

/** A keyboard or a watchdog is missed, but the host lives; what else stands on a function it does not outlive. */
const onlyMissed: ReadonlySet<UseOf> = new Set(['keyboard', 'watchdog'])

function judgeUses(uses: readonly Use[], { members }: ClosureParts): Diagnostic[] {
  const here = uses.filter(({ address }) => members.some((member) => member.address === address))
  const guests = here.filter(({ what }) => what === 'guest')
  const needed = here.filter(({ what }) => !onlyMissed.has(what) && what !== 'guest')
  const missed = here.filter(({ what }) => onlyMissed.has(what))
  return [
    ...tellUses(needed, (evidence) => error('HOST_DEPENDS', 'the host lives on this', { evidence })),
    ...tellUses(guests, (evidence) => error('DEVICE_IN_USE', 'a running guest has it', { evidence })),
    ...tellUses(missed, (evidence) => warning('HOST_DEPENDS', 'the host would miss this', { evidence })),
  ]
}

function tellUses(uses: readonly Use[], tell: (evidence: readonly string[]) => Diagnostic): Diagnostic[] {
  const lines = uses.map((use) => `${useNames[use.what]}: ${formatUse(use)}`)
  return lines.length > 0 ? [tell(lines)] : []
}

function judgeUnknown(cannotTell: readonly Unknown[], { members }: ClosureParts): Diagnostic[] {
  return cannotTell
    .filter(({ what, candidates }) =>
      // 3D controllers (0302) have no screen of their own.
      members.some(
        (each) => candidates.includes(each.address) && !(what === 'display' && each.class.startsWith('0302')),
      ),
    )
    .map(({ what, why }) =>
      warning('HOST_UNKNOWN', `it cannot be told whether the host needs this: ${useNames[what]}`, { evidence: [why] }),
    )
}

function judgeConsole(snapshot: Snapshot, { members }: ClosureParts, uses: readonly Use[]): Diagnostic[] {
  const told = new Set(uses.flatMap(({ what, address }) => (what === 'display' || what === 'bmc-vga' ? address : [])))
  const console = members.filter(
    (member) => isDisplay(member) && !told.has(member.address) && isConsole(snapshot, member),
  )
  const others = snapshot.pci.filter((each) => isDisplay(each) && !members.includes(each))
  return console.length > 0 ? [consoleLeaves(console, others)] : []
}

/** boot_vga, or where the kernel says nothing of the kind, graphics of the processor itself. */
function isConsole({ pci }: Snapshot, candidate: PciFunction): boolean {
  if (pci.some(({ bootVga }) => bootVga === true)) return candidate.bootVga === true
  return candidate.class.startsWith('0300') && isOnRootBus(candidate)
}

function consoleLeaves(leaving: readonly PciFunction[], others: readonly PciFunction[]): Diagnostic {
  return warning('BOOT_VGA', 'the console of the host is most likely on this device', {
    hint: 'keep another way in: a second graphics device, a serial line, ssh',
    evidence: [
      ...leaving.map((each) => `${describeFunction(each)}${each.bootVga === true ? ', boot_vga 1' : ''}`),
      ...others.map((each) => `stays: ${describeFunction(each)}`),
    ],
  })
}

/** Keyboards hang on the chipset's own controller unless the snapshot shows where they are. */
function judgeKeyboard({ inputs }: Snapshot, { members }: ClosureParts): Diagnostic[] {
  const own = members.filter((member) => member.class.startsWith('0c03') && isOnRootBus(member))
  if (own.length === 0 || inputs.length > 0) return []
  return [
    warning('KEYBOARD_UNKNOWN', 'nothing shows whether the keyboard of the host is on this controller', {
      evidence: own.map(describeFunction),
    }),
  ]
}

/** Without block devices nothing was seen of what hangs on a controller. */
function judgeStorage({ blockDevices }: Snapshot, { members }: ClosureParts): Diagnostic[] {
  const storage = members.filter((member) => member.class.startsWith('01') && !isVmd(member))
  if (storage.length === 0 || blockDevices.length > 0) return []
  return [
    warning('STORAGE_UNKNOWN', 'nothing shows whether the host uses what is on this controller', {
      evidence: storage.map(describeFunction),
    }),
  ]
}
