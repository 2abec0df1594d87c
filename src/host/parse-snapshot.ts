import type { Bytes } from '../core/bytes.ts'
import { error, type Diagnostic } from '../core/diagnostic.ts'
import { findContent, type FileState, type Reads, type Snapshot } from '../core/snapshot.ts'
import { madeDirectories } from './base-reads.ts'
import { parseAttributes } from './parse-attributes.ts'
import * as facts from './parse-facts.ts'
import { parseNvmeSerials } from './parse-block-devices.ts'
import { parseEfi } from './parse-efi.ts'
import { parseHardwareLinks } from './parse-hardware-links.ts'
import { parseHardware } from './parse-hardware.ts'
import { findSymbols, parseKernels } from './parse-kernels.ts'
import { parsePaths, type ParsedPaths } from './parse-paths.ts'
import { parsePci } from './parse-pci.ts'
import { parseGuests, parseImages, parseRecords } from './parse-records.ts'
import { parseUnits } from './parse-units.ts'
import { completeReads, type ProbeRequest } from './probe-request.ts'
import { sectionLines, splitSections, type ProbeOutput } from './probe-sections.ts'

export type ParsedSnapshot =
  | { readonly ok: true; readonly snapshot: Snapshot }
  | { readonly ok: false; readonly diagnostic: Diagnostic }

/** More than any host of ours has; what sends more is not our probe. */
const outputLimit = 256 * 1024 * 1024

/** Turns the output of probe.sh into a snapshot, whatever the host sent. Codes: SNAPSHOT_INVALID and the probe's own. */
export function parseSnapshot(output: Buffer, request: ProbeRequest): ParsedSnapshot {
  if (output.length > outputLimit) return invalid([`${output.length} bytes`])
  const parts = splitSections(output)
  if (!parts) return invalid([`it ends with ${JSON.stringify(output.subarray(-80).toString('latin1'))}`])
  const [problem] = sectionLines(parts, 'problem')
  if (problem !== undefined) return { ok: false, diagnostic: parseProblem(problem) }
  const snapshot = composeSnapshot(parts, request)
  return parts.problems.length > 0 ? invalid(parts.problems) : { ok: true, snapshot }
}

function invalid(problems: readonly string[]): ParsedSnapshot {
  const diagnostic = error('SNAPSHOT_INVALID', 'what the host was read as is incomplete or not understood', {
    hint: 'run it again; when it stays so, this is a bug of passway or something on the host writes into its output',
    evidence: problems.slice(0, 10),
  })
  return { ok: false, diagnostic }
}

const problemTexts: Readonly<Record<string, (detail: string) => string>> = {
  TOOLS_MISSING: (detail) => `the host has no ${detail}, which reading it takes`,
  TOOL_UNFIT: (detail) => detail,
  ROOT_MISSING: (detail) => `passway_root is no directory that can be entered: ${detail}`,
}

function parseProblem(line: string): Diagnostic {
  const [code = '', detail = ''] = line.split('\t')
  const text = Object.hasOwn(problemTexts, code) ? problemTexts[code] : undefined
  return text ? error(code, text(detail)) : error('SNAPSHOT_INVALID', `the host was not read: ${line}`)
}

function composeSnapshot(output: ProbeOutput, request: ProbeRequest): Snapshot {
  const asked = completeReads(request.reads)
  const attributes = parseAttributes(output)
  const paths = parsePaths(output, attributes)
  const kernelRelease = attributes.get('/proc/sys/kernel/osrelease')?.[0] ?? ''
  return {
    ...parseIdentity(output, request, attributes, paths),
    ...parseMachine(output, attributes),
    ...parseState(output, paths),
    kernelRelease,
    ...parseHardware(output, attributes),
    pci: parsePci(output, parseNvmeSerials(parseHardwareLinks(output), attributes)),
    kernels: parseKernels(output, { running: kernelRelease, ...pick(asked), stats: paths.stats }),
    kallsyms: parseKallsyms(output, asked.symbols),
    units: parseUnits(output, asked.units, paths.files),
    efi: parseEfi(output),
    tools: parseTools(output),
    files: withAbsent(paths.files),
    globs: completeGlobs(paths.globs, asked.globs),
    attributes: pickAttributes(attributes),
    guests: parseGuests(output),
  }
}

/** Directories that a plan makes where it is known that they are not there. */
function withAbsent(files: Snapshot['files']): Snapshot['files'] {
  const missing = madeDirectories.filter((path) => !files.has(path)).map((path) => [path, { type: 'absent' }] as const)
  return new Map([...files, ...missing])
}

function pick(asked: Required<Reads>): { modules: readonly string[]; symbols: readonly string[] } {
  return { modules: asked.modules, symbols: asked.symbols }
}

type Attributes = ReadonlyMap<string, readonly string[]>

function parseIdentity(output: ProbeOutput, request: ProbeRequest, attributes: Attributes, paths: ParsedPaths) {
  const host = new Map(
    sectionLines(output, 'host').map((line) => [line.split('\t', 1)[0], line.replace(/^[^\t]*\t/, '')]),
  )
  const uid = facts.findUid(output)
  if (uid === undefined) output.problems.push('the uid of the probe is not known')
  const read = (path: string): string => readContent(paths.files, path).trim()
  const osRelease = readContent(paths.files, '/etc/os-release') || readContent(paths.files, '/usr/lib/os-release')
  return {
    machineId: read('/etc/machine-id') || null,
    bootId: attributes.get('/proc/sys/kernel/random/boot_id')?.[0] ?? null,
    hostname: attributes.get('/proc/sys/kernel/hostname')?.[0] ?? read('/etc/hostname'),
    uid: uid ?? -1,
    tree: request.root !== null,
    sshConnection: host.get('ssh') || null,
    systemd: host.get('systemd') === 'yes',
    os: facts.parseOsRelease(Buffer.from(osRelease, 'latin1').toString('utf8')),
  }
}

function parseMachine(output: ProbeOutput, attributes: Attributes) {
  return {
    cpu: facts.parseCpu(output, attributes),
    memory: facts.parseMemory(attributes),
    numa: facts.parseNuma(attributes),
    hugepages: facts.parseHugepages(attributes),
    defaultHugepageKb: facts.findDefaultHugepage(attributes),
    cpufreq: facts.parseCpufreq(attributes),
    commandLine: (attributes.get('/proc/cmdline') ?? []).join('\n'),
    loadedModules: facts.parseLoadedModules(attributes),
    mounts: facts.parseMounts(attributes),
  }
}

/** As the agent has it: /var/lib/passway, or /etc/passway where that would be another file system than /etc. */
function parseState(output: ProbeOutput, paths: ParsedPaths) {
  const [etc, other] = [findDevice(paths, '/etc'), findDevice(paths, '/var/lib') ?? findDevice(paths, '/var')]
  const apart = etc !== undefined && other !== undefined && etc !== other
  const records = parseRecords(output)
  const newest = records.findLast(({ summary }) => summary.state === 'committed')
  const document = newest && readContent(paths.files, `${newest.directory}/records/${newest.summary.id}/record.json`)
  const images = [...paths.files.keys()].filter((path) => /^\/.*\/passway\/images$/.test(path))
  return {
    stateDirectory: apart ? '/etc/passway' : '/var/lib/passway',
    records: records.map(({ summary }) => summary),
    lastRecord: document ? Buffer.from(document, 'latin1').toString('utf8') : null,
    images: images.flatMap((path) => parseImages(readContent(paths.files, path))),
  }
}

function findDevice(paths: ParsedPaths, path: string): number | undefined {
  const state = paths.files.get(path)
  return paths.stats.get(state?.type === 'link' ? (state.resolved ?? path) : path)?.device
}

function readContent(files: ReadonlyMap<string, FileState>, path: string): Bytes {
  return findContent({ files } as Snapshot, path) ?? ''
}

function parseKallsyms(output: ProbeOutput, symbols: readonly string[]): string[] | null {
  const readable = sectionLines(output, 'symbols').includes('./proc/kallsyms:')
  return symbols.length > 0 && readable ? findSymbols(output, 'kallsyms', symbols) : null
}

function parseTools(output: ProbeOutput): Map<string, string> {
  return new Map(sectionLines(output, 'tools').map((path) => [path.slice(path.lastIndexOf('/') + 1), path]))
}

/** A glob below a directory that is not there has no line of its own. */
function completeGlobs(found: ReadonlyMap<string, readonly string[]>, asked: readonly string[]) {
  return new Map(asked.map((glob) => [glob, found.get(glob) ?? []]))
}

function pickAttributes(attributes: Attributes): Map<string, string> {
  return new Map([...attributes].map(([path, lines]) => [path, lines.join('\n')]))
}
