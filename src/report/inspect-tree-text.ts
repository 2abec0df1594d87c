import type { PciFunction, Snapshot } from '../core/snapshot.ts'
import { formatSlot } from '../pci/address.ts'
import { formatClass, isHostBridge, isVfioDriver } from '../pci/devices.ts'
import { formatDeviceName } from '../pci/names.ts'
import { arrangeTree, findVirtualFunctions, type PciNode, type RootBus } from '../pci/tree.ts'
import { escapeForTerminal } from './escape.ts'
import type { Paint, TextOptions } from './paint.ts'
import { wrapWords } from './wrap.ts'

/** Short words in front of a device, such as `/` or `this session`. */
export type Marks = ReadonlyMap<string, readonly string[]>

/** One line of the tree: functions that are alike stand on one line, `0000:00:18.0-7`. */
type Row = {
  /** Lines that lead to the row, and those that lead on below it. */
  readonly guide: string
  readonly below: string
  readonly label: string
  /** null: a bus. */
  readonly device: PciFunction | null
  readonly count: number
  readonly id: string
}

/** The PCI tree: address, group, id, driver, marks and what it is; with `verbose` all that is known, below each device. */
export function renderPciTree(snapshot: Snapshot, marks: Marks, options: TextOptions): string[] {
  const listed = arrangeTree(snapshot.pci).flatMap((bus) => listBus(bus, options.verbose))
  const rows = options.isWrapped && options.width < narrow ? listed.map(leaveOutDomain) : listed
  const widths = measure(rows)
  return [
    options.paint.faint(layOut(['device', 'group', 'id', 'driver', 'what it is'], widths, options.width)),
    ...rows.flatMap((row) => [
      renderRow(row, widths, { snapshot, marks, options }),
      ...(options.verbose && row.device ? renderDetails(row, row.device, snapshot, options) : []),
    ]),
  ]
}

/** Below this width domain 0000 is left out, as lspci does and as every command takes it. */
const narrow = 100

function leaveOutDomain(row: Row): Row {
  return row.device === null ? row : { ...row, label: row.label.replace(/^0000:/, '') }
}

function listBus({ name, behind, nodes }: RootBus, verbose: boolean): Row[] {
  const label = behind === null ? name : `${name} (behind ${behind})`
  return [{ guide: '', below: '', label, device: null, count: 0, id: '' }, ...listNodes(nodes, '', verbose)]
}

function listNodes(nodes: readonly PciNode[], indent: string, verbose: boolean): Row[] {
  const runs = verbose ? nodes.map((node) => [node]) : joinAlike(nodes)
  return runs.flatMap((run, index) => {
    const [first] = run
    if (first === undefined) return []
    const isLast = index === runs.length - 1
    const below = `${indent}${isLast ? '   ' : '\u2502  '}`
    return [
      {
        guide: `${indent}${isLast ? '\u2514\u2500 ' : '\u251c\u2500 '}`,
        below: `${below}${first.children.length > 0 ? '\u2502  ' : '   '}`,
        label: run.length === 1 ? first.device.address : `${first.device.address}-${run.at(-1)?.device.address.at(-1)}`,
        device: first.device,
        count: run.length,
        id: formatIds(run),
      },
      ...listNodes(first.children, below, verbose),
    ]
  })
}

/** Processors show their registers as many host bridges of one device; nobody wants a line for each. */
function joinAlike(nodes: readonly PciNode[]): PciNode[][] {
  const runs: PciNode[][] = []
  for (const node of nodes) {
    const run = runs.at(-1)
    const last = run?.at(-1)
    if (run && last && isAlike(last, node)) run.push(node)
    else runs.push([node])
  }
  return runs
}

function isAlike({ device: a, children }: PciNode, { device: b, children: others }: PciNode): boolean {
  if (children.length > 0 || others.length > 0 || !isHostBridge(a) || !isHostBridge(b)) return false
  return formatSlot(a.address) === formatSlot(b.address) && a.iommuGroup === b.iommuGroup && a.driver === b.driver
}

/** `1022:15e8`; of functions on one line what their ids have in common. */
function formatIds(run: readonly PciNode[]): string {
  const [first = '', ...others] = run.map(({ device: { vendor, device } }) => `${vendor}:${device}`)
  return others.every((other) => other === first) ? first : `${first.slice(0, 5)}\u2026`
}

type Widths = readonly [number, number, number, number]

function measure(rows: readonly Row[]): Widths {
  const devices = rows.flatMap(({ device }) => device ?? [])
  const longest = (texts: readonly string[]): number => Math.max(0, ...texts.map((text) => text.length))
  return [
    longest(rows.flatMap(({ guide, label, device }) => (device ? [`${guide}${label}`] : []))),
    longest(['group', ...devices.map(formatGroup)]),
    9,
    longest(['driver', ...devices.map(formatDriver)]),
  ]
}

function formatGroup({ iommuGroup }: PciFunction): string {
  return iommuGroup === null ? '-' : String(iommuGroup)
}

function formatDriver({ driver }: PciFunction): string {
  return driver === null ? '-' : escapeForTerminal(driver)
}

/** Below this much room for the words the id is left out, which the words need more. */
const leastRoom = 20

function showsId(widths: Widths, width: number): boolean {
  return width - widths.reduce((sum, each) => sum + each + 2, 0) >= leastRoom
}

function layOut(cells: readonly [string, string, string, string, string], widths: Widths, width: number): string {
  const [tree, group, id, driver, rest] = cells
  const [treeWidth, groupWidth, idWidth, driverWidth] = widths
  return [
    tree.padEnd(treeWidth),
    group.padStart(groupWidth),
    ...(showsId(widths, width) ? [id.padEnd(idWidth)] : []),
    driver.padEnd(driverWidth),
    rest,
  ].join('  ')
}

type Surroundings = { readonly snapshot: Snapshot; readonly marks: Marks; readonly options: TextOptions }

function renderRow({ guide, label, device, count, id: ids }: Row, widths: Widths, around: Surroundings): string {
  const { paint, width, isWrapped } = around.options
  if (device === null) return paint.strong(label)
  const cells = [`${guide}${label}`, formatGroup(device), ids, formatDriver(device)] as const
  const [tree, group, id, driver] = cells
  const plainStart = layOut([tree, group, id, driver, ''], widths, width)
  const marks = (around.marks.get(device.address) ?? []).map((mark) => escapeForTerminal(mark)).join(', ')
  const head = marks === '' ? '' : `\u25cf ${marks}  `
  const room = isWrapped ? Math.max(0, width - plainStart.length) : Number.POSITIVE_INFINITY
  const words = shorten(`${head}${describe(around.snapshot, device, count)}`, room)
  const rest = `${paint.warning(words.slice(0, head.length))}${words.slice(head.length)}`
  return paintCells(plainStart, { guide, label, driver, device }, paint) + rest
}

/** Colours go on after the columns are laid out, for they take no room. */
function paintCells(
  plain: string,
  { guide, label, driver, device }: { guide: string; label: string; driver: string; device: PciFunction },
  paint: Paint,
): string {
  const end = plain.lastIndexOf(driver)
  const middle = plain.slice(guide.length + label.length, end)
  const shownDriver =
    device.driver === null ? paint.faint(driver) : isVfioDriver(device.driver) ? paint.note(driver) : driver
  const shownLabel = device.class.startsWith('06') ? label : paint.strong(label)
  return `${paint.faint(guide)}${shownLabel}${middle}${shownDriver}${plain.slice(end + driver.length)}`
}

function describe(snapshot: Snapshot, device: PciFunction, count: number): string {
  const name = formatDeviceName(snapshot, device)
  const virtual = findVirtualFunctions(snapshot.pci, device.address).length
  const parts = [
    count > 1 ? `${count} functions, ${formatClass(device.class)}` : formatClass(device.class),
    device.bootVga === true ? 'boot VGA' : '',
    device.sriov === null || device.sriov.total === 0
      ? ''
      : `${Math.max(virtual, device.sriov.enabled)} of ${device.sriov.total} VFs`,
    device.physicalFunction === null ? '' : `VF of ${device.physicalFunction}`,
    device.driverOverride === null ? '' : `override ${device.driverOverride}`,
    name,
  ]
  return escapeForTerminal(parts.filter((part) => part !== '').join(' \u00b7 '))
}

function shorten(text: string, room: number): string {
  return text.length <= room ? text : `${text.slice(0, Math.max(0, room - 1))}\u2026`
}

function renderDetails(
  row: Row,
  device: PciFunction,
  snapshot: Snapshot,
  { paint, width, isWrapped }: TextOptions,
): string[] {
  const id = `id ${device.vendor}:${device.device}`
  const lines = [id, ...listDetails(device, snapshot)].map((part) => escapeForTerminal(part))
  const room = isWrapped ? Math.max(20, width - row.below.length) : Number.POSITIVE_INFINITY
  return wrapWords(lines.join(' \u00b7 ').split(' '), room).map((words) =>
    paint.faint(`${row.below}${words.join(' ')}`),
  )
}

function listDetails(device: PciFunction, { iommuGroups }: Snapshot): string[] {
  const group = iommuGroups.find(({ id }) => id === device.iommuGroup)
  const direct = group?.reservedRegions.filter(({ type }) => type === 'direct') ?? []
  const parts = [
    `class ${device.class}`,
    device.revision === null ? '' : `rev ${device.revision}`,
    device.subsystemVendor === null ? '' : `subsystem ${device.subsystemVendor}:${device.subsystemDevice}`,
    device.numaNode === null ? 'node not stated' : `node ${device.numaNode}`,
    formatLink(device),
    formatResets(device),
    device.msi ? 'MSI in use' : '',
    device.serial === null ? '' : `serial ${device.serial}`,
    group?.type ? `group type ${group.type}` : '',
    ...direct.map(({ start, end }) => `reserved region direct ${start}-${end}`),
  ]
  return parts.filter((part) => part !== '')
}

function formatResets({ resetMethods, hasReset, class: kind }: PciFunction): string {
  if (kind.startsWith('06')) return ''
  if (resetMethods === null) return hasReset ? 'can be reset' : 'no reset method'
  return resetMethods.length === 0 ? 'resets switched off' : `reset ${resetMethods.join(' ')}`
}

/** `8.0 GT/s PCIe x8 of 16.0 GT/s PCIe x16`; where it runs at its best only once. */
function formatLink({ link }: PciFunction): string {
  if (link === null || link.currentSpeed === null) return ''
  const now = `${link.currentSpeed.replace(' PCIe', '')} x${link.currentWidth ?? '?'}`
  const best = `${link.maxSpeed?.replace(' PCIe', '') ?? '?'} x${link.maxWidth ?? '?'}`
  return now === best ? `link ${now}` : `link ${now} of ${best}`
}
