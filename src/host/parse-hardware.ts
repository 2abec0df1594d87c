import type { HostHardware, InputDevice, IommuGroup, VfioHolder } from '../core/host-hardware.ts'
import { parseBlockDevices, parseBtrfs, parseSwaps, parseZfs } from './parse-block-devices.ts'
import { findUid } from './parse-facts.ts'
import { findMembers, parseHardwareLinks, type HardwareLinks } from './parse-hardware-links.ts'
import { parseIscsi, parseNetwork, parseRoutes } from './parse-network.ts'
import { parsePciNames } from './parse-pci-names.ts'
import { parseVfioNodes } from './parse-pci.ts'
import { grepLines, sectionLines, type ProbeOutput } from './probe-sections.ts'

type Attributes = ReadonlyMap<string, readonly string[]>

/** What stands between PCI functions and the host. */
export function parseHardware(output: ProbeOutput, attributes: Attributes): HostHardware {
  const links = parseHardwareLinks(output)
  const blockDevices = parseBlockDevices(output, links, attributes)
  return {
    iommuGroups: parseIommuGroups(attributes),
    iommus: [...findMembers(links, 'iommu').keys()],
    pciNames: parsePciNames(output),
    blockDevices,
    swaps: parseSwaps(attributes),
    btrfs: parseBtrfs(links),
    zfs: parseZfs(output, blockDevices),
    network: parseNetwork(links, attributes),
    routes: parseRoutes(output),
    displays: parseDisplays(links, attributes),
    consoles: attributes.get('/proc/consoles')?.map((line) => line.split(' ', 1)[0] ?? '') ?? null,
    inputs: parseInputs(attributes.get('/proc/bus/input/devices') ?? []),
    watchdogs: [...findMembers(links, 'watchdog')].map(([name, path]) => {
      return { name, path, state: attributes.get(`/sys/class/watchdog/${name}/state`)?.[0] ?? null }
    }),
    ipmi: sectionLines(output, 'hardware').includes('ipmi'),
    iscsiSessions: parseIscsi(links, attributes),
    fcHosts: [...findMembers(links, 'fc_host')].map(([name, path]) => ({ name, path })),
    vfioHolders: parseVfioHolders(output),
    ...parseLog(output),
    remappedChip: sectionLines(output, 'remapped-chip')[0] ?? null,
  }
}

/** Lines `0x00000000fee00000 0x00000000feefffff msi` (iommu_group_show_resv_regions). */
function parseIommuGroups(attributes: Attributes): IommuGroup[] {
  const groups = new Map<number, IommuGroup>()
  for (const [path, lines] of attributes) {
    const match = /^\/sys\/kernel\/iommu_groups\/(\d{1,9})\/(type|reserved_regions)$/.exec(path)
    if (!match) continue
    const id = Number(match[1])
    const group = groups.get(id) ?? { id, type: null, reservedRegions: [] }
    const more = match[2] === 'type' ? { type: lines[0] ?? null } : { reservedRegions: lines.map(parseRegion) }
    groups.set(id, { ...group, ...more })
  }
  return [...groups.values()].sort((a, b) => a.id - b.id)
}

function parseRegion(line: string): IommuGroup['reservedRegions'][number] {
  const [start = '', end = '', type = ''] = line.split(' ')
  return { start, end, type }
}

/** `card0-HDMI-A-1` below the PCI function of the card. */
function parseDisplays(links: HardwareLinks, attributes: Attributes): HostHardware['displays'] {
  return [...findMembers(links, 'drm')].map(([name, path]) => ({
    address: /\/([0-9a-f]{4,8}(?::[0-9a-f]{2}){2}\.[0-7])\/drm\//.exec(path)?.[1] ?? null,
    connector: name.replace(/^card\d+-/, ''),
    status: attributes.get(`/sys/class/drm/${name}/status`)?.[0] ?? 'unknown',
  }))
}

/** Blocks of /proc/bus/input/devices (drivers/input/input.c input_devices_seq_show), each begun by `I:`. */
function parseInputs(lines: readonly string[]): InputDevice[] {
  const blocks: string[][] = []
  for (const line of lines) {
    if (line.startsWith('I:')) blocks.push([])
    blocks.at(-1)?.push(line)
  }
  return blocks.map((block) => {
    const read = (start: string): string => block.find((line) => line.startsWith(start))?.slice(start.length) ?? ''
    const name = read('N: Name=').replace(/^"(.*)"$/, '$1')
    return { name, path: read('S: Sysfs='), isKeyboard: hasLetterKeys(read('B: KEY=')) }
  })
}

/** Keys 1 to 31, Escape to D, are all there: a keyboard, not a power button (systemd udev-builtin-input_id.c test_key). */
function hasLetterKeys(keys: string): boolean {
  const last = /([0-9a-f]{1,16})\s*$/.exec(keys)?.[1]
  return last !== undefined && (BigInt(`0x${last}`) & 0xfffffffen) === 0xfffffffen
}

/** `null`: only root sees the descriptors of others. */
function parseVfioHolders(output: ProbeOutput): readonly VfioHolder[] | null {
  if (!output.sections.has('vfio-holders')) return []
  if (findUid(output) !== 0) return null
  const commands = new Map(
    grepLines(output, 'guests', /^\.\/proc\/(\d+)\/comm(?=:)/).map(({ match, text }) => [match[1], text]),
  )
  const nodes = parseVfioNodes(output)
  const holders = new Map<string, VfioHolder>()
  let pid = ''
  for (const line of sectionLines(output, 'vfio-holders')) {
    pid = /^\.\/proc\/(\d+)\/fd:$/.exec(line)?.[1] ?? pid
    const open = / -> \/dev\/vfio\/(?:(\d+)|devices\/(\w+))$/.exec(line)
    if (!open) continue
    const [group, address] = [open[1] === undefined ? null : Number(open[1]), nodes.get(open[2] ?? '') ?? null]
    holders.set(`${pid} ${open[0]}`, { group, address, pid: Number(pid), command: commands.get(pid) ?? '' })
  }
  return [...holders.values()]
}

function parseLog(output: ProbeOutput): Pick<HostHardware, 'kernelLog' | 'kernelLogReadable'> {
  const lines = sectionLines(output, 'kernel-log')
  const readable = output.sections.has('kernel-log') && !lines.includes('no log')
  return { kernelLog: lines.filter((line) => line !== 'no log'), kernelLogReadable: readable }
}
