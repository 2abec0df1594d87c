import type { PciFunction, Snapshot } from '../../core/snapshot.ts'
import { findLines, findScreens } from './consoles.ts'
import { findFunctionsAbove } from './trace.ts'
import type { LivesOn, Unknown, Use } from './use.ts'

/** What a person in front of the host, or at its management controller, needs. */
export function findConsoleUses(snapshot: Snapshot): LivesOn {
  const management = snapshot.pci.filter(isManagementVga)
  const display = findDisplay(snapshot)
  return {
    uses: [
      ...display.uses,
      ...management.map(({ address }): Use => {
        return { address, what: 'bmc-vga', chain: ['management controller', address], certain: snapshot.ipmi }
      }),
      ...findKeyboard(snapshot),
      ...findWatchdogs(snapshot),
    ],
    cannotTell: display.cannotTell,
  }
}

/**
 * Graphics of management controllers: ASPEED, Matrox G200 of servers, HiSilicon, XGI, and ATI's ES1000 (drivers/gpu/drm/ast,
 * mgag200, hisilicon/hibmc, and pci.ids). Matrox's cards for people have other ids.
 */
function isManagementVga({ class: code, vendor, device }: PciFunction): boolean {
  if (!code.startsWith('03')) return false
  if (vendor === '1a03' || vendor === '18ca') return true
  if (vendor === '102b') return /^05(?:22|24|3[0-9]|4[0-9])$/.test(device)
  return `${vendor}:${device}` === '19e5:1711' || `${vendor}:${device}` === '1002:515e'
}

/** The only card that draws for the host, where no serial line and no management controller shows what it does. */
function findDisplay(snapshot: Snapshot): LivesOn {
  const [card, ...others] = findScreens(snapshot)
  const isAlone = card !== undefined && others.length === 0 && !isManagementVga(card)
  if (!isAlone || snapshot.ipmi || findLines(snapshot).length > 0) return { uses: [], cannotTell: [] }
  if (snapshot.consoles === null) return { uses: [], cannotTell: [unknownConsole(card)] }
  const output = snapshot.displays.find(({ address, status }) => address === card.address && status === 'connected')
  const chain = ['console', ...(output ? [output.connector] : []), card.address]
  return { uses: [{ address: card.address, what: 'display', chain, certain: true }], cannotTell: [] }
}

function unknownConsole({ address }: PciFunction): Unknown {
  return { what: 'display', why: '/proc/consoles cannot be read: a serial console may be there', candidates: [address] }
}

/** Keyboards that programs make (uinput) have no hardware; one that is not on PCI (PS/2) stays whatever goes. */
function findKeyboard(snapshot: Snapshot): Use[] {
  const keyboards = snapshot.inputs
    .filter(({ isKeyboard, path }) => isKeyboard && !path.startsWith('/devices/virtual/'))
    .map((input) => ({ input, ends: findFunctionsAbove(snapshot, input.path) }))
  const controllers = new Set(keyboards.map(({ ends }) => ends[0]?.address))
  const [first] = keyboards
  if (!first || controllers.size > 1) return []
  return first.ends.map(({ address, chain }) => {
    return { address, what: 'keyboard', chain: [`keyboard ${first.input.name}`, ...chain], certain: true }
  })
}

function findWatchdogs(snapshot: Snapshot): Use[] {
  return snapshot.watchdogs.flatMap(({ name, path, state }) =>
    findFunctionsAbove(snapshot, path ?? '').map(({ address, chain }): Use => {
      return { address, what: 'watchdog', chain: [name, ...chain], certain: state === 'active' }
    }),
  )
}
