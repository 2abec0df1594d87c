import { error, warning, type Diagnostic } from '../core/diagnostic.ts'
import type { PciFunction, Snapshot } from '../core/snapshot.ts'
import { formatShortId, type ClosureParts } from './closure-parts.ts'
import { describeFunction } from './describe-function.ts'
import { isOnRootBus, isVmd } from './tree.ts'

/** What the host would lose with these functions. */
export function judgeHost(snapshot: Snapshot, parts: ClosureParts): Diagnostic[] {
  return [...judgeConsole(snapshot, parts), ...judgeKeyboard(snapshot, parts), ...judgeStorage(parts)]
}

export function isDisplay(candidate: PciFunction): boolean {
  return candidate.class.startsWith('03')
}

/** Graphics of management controllers: ASPEED, Matrox G200 of servers. Firmware and remote console draw there. */
const managementDisplays = /^(?:1a03:(?:1150|2000|2010)|102b:05(?:22|30|32|33|34|36|38))$/

function judgeConsole(snapshot: Snapshot, { members }: ClosureParts): Diagnostic[] {
  const displays = members.filter(isDisplay)
  const management = displays.filter((each) => managementDisplays.test(formatShortId(each)))
  const console = displays.filter((each) => isConsole(snapshot, each) && !management.includes(each))
  const others = snapshot.pci.filter((each) => isDisplay(each) && !members.includes(each))
  return [
    ...(management.length > 0
      ? [
          error('HOST_DEPENDS', 'the graphics of the management controller: the remote console shows it', {
            evidence: management.map(describeFunction),
          }),
        ]
      : []),
    ...(console.length > 0 ? [consoleLeaves(console, others)] : []),
  ]
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

function judgeStorage({ members }: ClosureParts): Diagnostic[] {
  const storage = members.filter((member) => member.class.startsWith('01') && !isVmd(member))
  if (storage.length === 0) return []
  return [
    warning('STORAGE_UNKNOWN', 'nothing shows whether the host uses what is on this controller', {
      evidence: storage.map(describeFunction),
    }),
  ]
}
