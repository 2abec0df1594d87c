import { setTimeout as pause } from 'node:timers/promises'
import { regenerations, type Regeneration } from '../core/change.ts'
import { error, type Diagnostic, type Severity } from '../core/diagnostic.ts'
import type { HostAddress } from '../core/host-address.ts'
import { formatCall, type AgentCall } from './bundle.ts'
import { decodeText } from './fields.ts'
import { readAgentProgram } from './programs.ts'
import { runProgram, type ProgramEnd } from './run-program.ts'
import { closeMaster } from './ssh-master.ts'

const outcomes = ['staged', 'committed', 'reverted', 'refused', 'failed', 'done'] as const

/**
 * How a run of the agent ended; `staged`: all is ready for a trial boot; `lost`: it went on without us, or never began,
 * and nobody could be asked.
 */
export type AgentOutcome = (typeof outcomes)[number] | 'lost'

/** Something the agent said on the way: `step N TOTAL KIND TARGET`, `regenerate NAME`, `building RELEASE`, … */
export type AgentEvent = { readonly name: string; readonly fields: readonly string[] }

export type AgentRun = {
  readonly outcome: AgentOutcome
  readonly diagnostics: readonly Diagnostic[]
  readonly events: readonly AgentEvent[]
  readonly regenerated: readonly Regeneration[]
  /** What could not be done in a tree: regenerations, `kernel-module NAME`. */
  readonly leftToDo: readonly string[]
  /** All that was printed. */
  readonly output: Buffer
  /** False where the host could not be reached. */
  readonly reached: boolean
}

export type AgentOptions = {
  readonly signal?: AbortSignal | undefined
  /** Shares one connection between the runs on a host. */
  readonly master?: boolean | undefined
  readonly onEvent?: (event: AgentEvent) => void
  /** Record to watch when the connection is cut; without it a cut run is `lost`. */
  readonly watch?: Pick<AgentCall, 'root' | 'id' | 'controller'>
  /** Pauses before each new connection. */
  readonly watchPausesMs?: readonly number[] | undefined
  /** A connection over which nothing more was heard for so long after a change that can cut it is taken for cut. */
  readonly suspectAfterMs?: number | undefined
}

/** Whoever watches is let in again within this time; after it the record says how it ended. */
const watchPausesMs = [1000, 5000, 10_000, 20_000, 40_000, 60_000, 60_000, 60_000]

/** Runs the agent with one call's data, and stays with it over cut connections. */
export async function runAgent(host: HostAddress, data: string, options: AgentOptions): Promise<AgentRun> {
  const told: AgentEvent[] = []
  let end = await attach(host, data, told, options)
  for (const milliseconds of options.watchPausesMs ?? watchPausesMs) {
    if (isEnded(told) || !options.watch || end.ok || options.signal?.aborted) break
    await pause(milliseconds, undefined, { signal: options.signal }).catch(() => {})
    if (options.master === true) await closeMaster(host)
    end = await attach(host, formatCall({ verb: 'watch', ...options.watch }), told, options)
  }
  return formatRun(end, told)
}

/** One connection. A watch tells everything from the start; what was heard before is not told twice. */
async function attach(host: HostAddress, data: string, told: AgentEvent[], options: AgentOptions): Promise<ProgramEnd> {
  let heard = 0
  const suspicion = createSuspicion(options)
  const end = await runProgram(host, {
    program: readAgentProgram(),
    data,
    ...(suspicion.signal && { signal: suspicion.signal }),
    ...(options.master === true && { master: true }),
    onLine(line) {
      const event = parseEvent(line)
      if (!event) return
      heard += 1
      if (heard <= told.length) return
      suspicion.hear(event)
      told.push(event)
      options.onEvent?.(event)
    },
  })
  suspicion.end()
  return end
}

/** Long before ssh gives a dead connection up, silence after a change of the network is worth a new connection. */
function createSuspicion({ signal, suspectAfterMs }: AgentOptions) {
  const cut = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const signals = [...(signal ? [signal] : []), ...(suspectAfterMs === undefined ? [] : [cut.signal])]
  return {
    signal: signals.length === 0 ? undefined : AbortSignal.any(signals),
    hear: (event: AgentEvent): void => {
      clearTimeout(timer)
      if (suspectAfterMs !== undefined && isRisky(event)) timer = setTimeout(() => cut.abort(), suspectAfterMs)
    },
    end: (): void => clearTimeout(timer),
  }
}

function isRisky({ name, fields }: AgentEvent): boolean {
  return name === 'step' && ['driver', 'unit', 'attribute'].includes(fields[2] ?? '')
}

/** What is no outcome of ours did not end as asked. */
function toldOutcome(ended: AgentEvent | undefined): AgentOutcome {
  if (!ended) return 'lost'
  return outcomes.find((outcome) => outcome === ended.fields[0]) ?? 'failed'
}

function isEnded(events: readonly AgentEvent[]): boolean {
  return events.some((event) => event.name === 'end')
}

export function parseEvent(line: string): AgentEvent | undefined {
  const [mark, name, ...fields] = line.split('\t')
  if (mark !== 'event' || name === undefined) return undefined
  return { name, fields: fields.map(decodeText) }
}

function formatRun(end: ProgramEnd, events: readonly AgentEvent[]): AgentRun {
  const ended = events.findLast((event) => event.name === 'end')
  const diagnostics = events.flatMap((event) => toDiagnostic(event))
  const named = (name: string) => events.filter((event) => event.name === name).map((event) => event.fields[0] ?? '')
  return {
    outcome: toldOutcome(ended),
    diagnostics: ended ? diagnostics : [...diagnostics, notHeard(end)],
    events,
    regenerated: regenerations.filter((name) => named('regenerated').includes(name)),
    leftToDo: [...new Set(named('left-to-do'))],
    output: end.ok ? end.output : Buffer.alloc(0),
    reached: end.ok || end.reached || events.length > 0,
  }
}

function notHeard(end: ProgramEnd): Diagnostic {
  if (!end.ok) return end.diagnostic
  return error('AGENT_SILENT', `the agent ended with status ${end.status} and did not say how`, {
    hint: 'look at the records of the host: passway records',
    evidence: end.stderr.split('\n').filter((line) => line !== ''),
  })
}

/** A file was changed inside of what a record wrote: refused, or replaced because a person insisted. */
export const changedSinceHints = {
  error: 'look at it, then --force puts the file of before in its place',
  warning: 'their version is kept in the record',
} as const

const hints: Readonly<Record<string, string>> = {
  STALE: 'plan again: the host has changed since',
  LOCKED: 'wait until it is done, then run the command again',
  CHANGED_SINCE: changedSinceHints.error,
  NEWER_RECORDS: 'roll those back first, or take them along with --through',
  PACKAGES_BUSY: 'wait until the package manager is done, then run the command again',
  SPACE_SHORT: 'make room, for example by removing kernels that are not used any more',
  UPDATE_INITRAMFS_OFF: 'set update_initramfs=yes there, then plan again',
  AGENT_GONE: 'run the command again: what is open is finished or reverted first',
  REVERT_FAILED: 'run passway rollback again when the cause is mended',
  GUESTS_RUNNING: 'shut them down first',
  RECORD_OPEN: 'try it: passway reboot; confirm its trial: passway confirm; take it back: passway rollback',
  TRIAL_UNSUPPORTED: 'an EFI system partition mounted at /boot/efi makes trials possible; or apply with --no-trial',
  STATE_UNSAFE: 'look who changed it; give it back to root alone (chown root:, chmod 0700), or move it away',
  MANIFEST_INVALID:
    'what the record says was changed or damaged: compare with its before/ by hand, then move the record away',
  RECORD_DAMAGED:
    'what was saved before is not what the record says: put the file back by hand, then move the record away',
  RECORD_UNKNOWN: 'see what is there: passway records',
  READ_ONLY: 'look at dmesg for why the file system is read-only, or make room on it; nothing else was changed',
  WRITE_FAILED: 'look at the file system (dmesg, df, df -i), then run the command again',
  DIRECTORY_MISSING: 'make the directory, or install the package that it belongs to; then plan again',
  IMMUTABLE: 'take the flag away with chattr if nobody needs it, then plan again',
  LINK_ESCAPES: 'look at the link; passway_root must hold all that the host is made of',
  ATTRIBUTES_UNSUPPORTED: 'look at what the file system of that directory keeps (mount options)',
  REGENERATION_FAILED: 'run the tool by hand on the host and mend what it says; nothing stays of this run',
  IMAGE_UNREADABLE: 'look at the image with lsinitramfs on the host',
  IMAGE_LACKS_MODULE: 'look whether the module is there for that kernel (modinfo -k)',
  TOOL_MISSING: 'install the package that brings the tool',
  READ_BACK_DIFFERS: 'something on the host writes the same file: find it, then plan again',
  ARTEFACT_CHANGED: 'take the record back with passway rollback, then apply again',
  BOOT_MISSING: 'mount what the loader reads (/boot, the EFI system partition), then run the command again',
  RESTORE_IMPOSSIBLE: 'look what is in /boot and in the before/ of the record; build images with the tools of the host',
  UNREACHED: 'nobody could log in after the change, so it was taken back',
}

/** What to do about a problem that the agent tells. */
export function findHint(code: string, severity?: string): string | undefined {
  return code === 'CHANGED_SINCE' && severity === 'warning' ? changedSinceHints.warning : hints[code]
}

const severities: readonly Severity[] = ['error', 'warning', 'note']

function toDiagnostic(event: AgentEvent): Diagnostic[] {
  if (event.name === 'note') return [{ severity: 'note', code: 'AGENT_NOTE', message: event.fields[0] ?? '' }]
  if (event.name !== 'problem') return []
  const [severity, told = '', message = '', ...evidence] = event.fields
  const code = /^[A-Z][A-Z_]{0,40}$/.test(told) ? told : 'AGENT_PROBLEM'
  const hint = findHint(code, severity)
  const lines = evidence.flatMap((text) => text.split('\n')).filter((line) => line !== '')
  return [
    {
      severity: severities.find((each) => each === severity) ?? 'error',
      code,
      message,
      ...(hint !== undefined && { hint }),
      ...(lines.length > 0 && { evidence: lines }),
    },
  ]
}
