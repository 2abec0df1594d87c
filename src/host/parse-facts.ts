import type { CpufreqPolicy, HugepagePool, Mount, Snapshot } from '../core/snapshot.ts'
import { grepLines, type ProbeOutput } from './probe-sections.ts'

/** Lines by path, as `parseAttributes` gives them. */
type Attributes = ReadonlyMap<string, readonly string[]>

function firstLine(attributes: Attributes, path: string): string {
  return attributes.get(path)?.[0] ?? ''
}

function readCount(text: string | undefined): number {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : 0
}

/** `model name` and `flags` of the first processor, as /proc/cpuinfo has them on x86. */
export function parseCpu(output: ProbeOutput, attributes: Attributes): Snapshot['cpu'] {
  const fields = new Map(
    grepLines(output, 'cpu', /^\.\/proc\/cpuinfo(?=:)/).map(({ text }) => {
      const [name = '', ...value] = text.split(':')
      return [name.trim(), value.join(':').trim()]
    }),
  )
  const list = (name: string): string => firstLine(attributes, `/sys/devices/system/cpu/${name}`)
  return {
    vendor: fields.get('vendor_id') ?? '',
    model: fields.get('model name') ?? '',
    flags: (fields.get('flags') ?? '').split(' ').filter(Boolean),
    online: list('online'),
    possible: list('possible'),
    isolated: list('isolated'),
    // The kernel writes `(null)` where nohz_full= was not given (drivers/base/cpu.c print_cpus_nohz_full).
    nohzFull: list('nohz_full').replace(/^\s*\(null\)$/, ''),
  }
}

/** The effective uid of the probe; `undefined` when /proc did not say. */
export function findUid(output: ProbeOutput): number | undefined {
  const [line] = grepLines(output, 'cpu', /^\/proc\/self\/status(?=:)/)
  const uid = line?.text.split(/\s+/)[2]
  return uid !== undefined && /^\d+$/.test(uid) ? Number(uid) : undefined
}

/** A number of kilobytes from /proc/meminfo. */
function meminfo(attributes: Attributes, name: string): number | undefined {
  const line = attributes.get('/proc/meminfo')?.find((each) => each.startsWith(`${name}:`))
  return line === undefined ? undefined : readCount(/:\s+(\d+)/.exec(line)?.[1])
}

export function parseMemory(attributes: Attributes): Snapshot['memory'] {
  return { totalKb: meminfo(attributes, 'MemTotal') ?? 0, availableKb: meminfo(attributes, 'MemAvailable') ?? 0 }
}

export function findDefaultHugepage(attributes: Attributes): number | null {
  return meminfo(attributes, 'Hugepagesize') ?? null
}

export function parseNuma(attributes: Attributes): Snapshot['numa'] {
  const nodes: { node: number; cpus: string; totalKb: number }[] = []
  for (const path of attributes.keys()) {
    const node = /^\/sys\/devices\/system\/node\/node(\d+)\/meminfo$/.exec(path)?.[1]
    if (node === undefined) continue
    const total = attributes.get(path)?.find((line) => line.includes(' MemTotal:'))
    const cpus = firstLine(attributes, `/sys/devices/system/node/node${node}/cpulist`)
    nodes.push({ node: Number(node), cpus, totalKb: readCount(/:\s+(\d+)/.exec(total ?? '')?.[1]) })
  }
  return nodes.sort((a, b) => a.node - b.node)
}

export function parseHugepages(attributes: Attributes): HugepagePool[] {
  const pools: HugepagePool[] = []
  for (const path of attributes.keys()) {
    const size = /^\/sys\/kernel\/mm\/hugepages\/hugepages-(\d+)kB\/nr_hugepages$/.exec(path)?.[1]
    if (size === undefined) continue
    const read = (name: string): number =>
      readCount(firstLine(attributes, `/sys/kernel/mm/hugepages/hugepages-${size}kB/${name}`))
    const perNode = parsePerNode(attributes, size)
    pools.push({ sizeKb: Number(size), total: read('nr_hugepages'), free: read('free_hugepages'), perNode })
  }
  return pools.sort((a, b) => a.sizeKb - b.sizeKb)
}

function parsePerNode(attributes: Attributes, size: string): Map<number, number> {
  const perNode = new Map<number, number>()
  for (const [path, [value]] of attributes) {
    const match = /^\/sys\/devices\/system\/node\/node(\d+)\/hugepages\/hugepages-(\d+)kB\/nr_hugepages$/.exec(path)
    if (match?.[2] === size) perNode.set(Number(match[1]), readCount(value))
  }
  return perNode
}

export function parseCpufreq(attributes: Attributes): CpufreqPolicy[] {
  const policies: CpufreqPolicy[] = []
  for (const path of attributes.keys()) {
    const match = /^(\/sys\/devices\/system\/cpu\/cpufreq\/(policy\d+))\/scaling_driver$/.exec(path)
    if (!match) continue
    const read = (name: string): string => firstLine(attributes, `${match[1]}/${name}`)
    policies.push({
      name: match[2] ?? '',
      driver: read('scaling_driver'),
      governor: read('scaling_governor'),
      availableGovernors: read('scaling_available_governors').split(' ').filter(Boolean),
      preference: read('energy_performance_preference') || null,
      availablePreferences: read('energy_performance_available_preferences').split(' ').filter(Boolean),
    })
  }
  return policies.sort((a, b) => Number(a.name.slice(6)) - Number(b.name.slice(6)))
}

/** Lines of /proc/mounts (proc_pid_mounts(5)); blanks in its fields are octal escapes. */
export function parseMounts(attributes: Attributes): Mount[] {
  const numbers = parseMountNumbers(attributes)
  return (attributes.get('/proc/mounts') ?? []).map((line, index) => {
    const [source = '', target = '', type = '', options = ''] = line.split(' ').map(decodeOctal)
    const same = numbers[index]?.target === target ? numbers[index] : numbers.findLast((each) => each.target === target)
    return { source, target, type, options: options.split(','), ...(same ? { device: same.device } : {}) }
  })
}

/** /proc/self/mountinfo (proc_pid_mountinfo(5)) lists the same mounts, in the same order. */
function parseMountNumbers(attributes: Attributes): { device: string; target: string }[] {
  return (attributes.get('/proc/self/mountinfo') ?? []).map((line) => {
    const [, , device = '', , target = ''] = line.split(' ')
    return { device, target: decodeOctal(target) }
  })
}

function decodeOctal(text: string): string {
  return text.replaceAll(/\\([0-3][0-7]{2})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}

export function parseLoadedModules(attributes: Attributes): Set<string> {
  return new Set((attributes.get('/proc/modules') ?? []).map((line) => line.split(' ', 1)[0] ?? ''))
}

/** os-release(5): shell assignments without expansion. */
export function parseOsRelease(content: string): Map<string, string> {
  const fields = new Map<string, string>()
  for (const line of content.split('\n')) {
    const match = /^([A-Z][A-Z0-9_]*)=(.*)$/.exec(line.trim())
    if (match) fields.set(match[1] ?? '', unquote(match[2] ?? ''))
  }
  return fields
}

function unquote(text: string): string {
  const quoted = /^"(.*)"$/s.exec(text)?.[1]
  if (quoted !== undefined) return quoted.replaceAll(/\\(["\\$`])/g, '$1')
  return /^'(.*)'$/s.exec(text)?.[1] ?? text
}
