import type { Bytes } from '../core/bytes.ts'
import { isForBoot, regenerations, type Change, type FileValue, type Regeneration } from '../core/change.ts'
import { error, type Diagnostic } from '../core/diagnostic.ts'
import type { HostAddress } from '../core/host-address.ts'
import type { RecordDocument, RecordState, RecordSummary } from '../core/record.ts'
import { formatCall } from './bundle.ts'
import { formatResult, type ApplyResult } from './execute.ts'
import { agentBlob } from './agent-blob.ts'
import type { Blob } from './fields.ts'
import { formatFileValue, parseFileValue, parseManifest, parseValue, type ManifestOperation } from './manifest.ts'
import { mergeRevert } from './merge-revert.ts'
import { formatRecord, parseFrames, type Frames } from './read-records.ts'
import { changedSinceHints, runAgent, type AgentOptions } from './run-agent.ts'
import { findDocument } from './told-record.ts'

export type RollbackRequest = Pick<AgentOptions, 'signal' | 'master'> & {
  readonly by: string
  /** Without it the newest record that is not reverted. */
  readonly record?: string | undefined
  /** Take newer records along. */
  readonly through?: boolean
  /** Put the file of before in the place of one that was changed since. */
  readonly force?: boolean
}

/** What a rollback would do, for showing and for doing it. */
export type RollbackPlan = {
  /** Newest first; the last is the one asked for. */
  readonly records: readonly (RecordSummary & { readonly document: RecordDocument | null })[]
  /**
   * From what is there now to what will be there; what is so already is left out. `tasks` are empty. Where it would be
   * refused: to what insisting on it leads (`force`, `through`).
   */
  readonly changes: readonly Change[]
  readonly regenerate: readonly Regeneration[]
  readonly reboot: 'none' | 'needed'
  /** Errors: it would be refused. Notes: whose edits stay. */
  readonly diagnostics: readonly Diagnostic[]
  readonly reached: boolean
  readonly merges: readonly Merge[]
}

export type Merge = {
  readonly record: string
  readonly number: number
  /** The value that was merged from; another one on the host and the merge does not count. */
  readonly now: string
  readonly value: string
  readonly content: Bytes
}

/** Reads what the host has and plans the way back; writes nothing. */
export async function planRollback(host: HostAddress, request: RollbackRequest): Promise<RollbackPlan> {
  const call = formatCall({ verb: 'read', root: host.root, id: request.record, controller: request.by })
  const run = await runAgent(host, call, request)
  const frames = parseFrames(run.output)
  const records = frames.records.map((row) =>
    formatRecord(row, findDocument(frames.blobs.get(`${row[0]}/record.json`))),
  )
  const steps = planSteps(frames, records, request)
  return { ...steps, records, reached: run.reached, diagnostics: [...run.diagnostics, ...steps.diagnostics] }
}

type Steps = Pick<RollbackPlan, 'changes' | 'regenerate' | 'reboot' | 'merges' | 'diagnostics'>

function planSteps(frames: Frames, records: RollbackPlan['records'], request: RollbackRequest): Steps {
  const target = records.at(-1)
  if (!target) return { changes: [], regenerate: [], reboot: 'none', merges: [], diagnostics: [] }
  if (target.state === 'reverted') return { changes: [], regenerate: [], reboot: 'none', merges: [], diagnostics: [] }
  const newer = records.slice(0, -1)
  const blocked = newer.length > 0 && request.through !== true
  const path = new Path(frames, request.force === true)
  for (const record of records) path.takeBack(record)
  const diagnostics = [...(blocked ? [newerRecords(target.id, newer)] : []), ...path.diagnostics]
  return {
    changes: path
      .changes()
      .map((change) => ({ ...change, takesEffect: findEffect(records, change) ?? change.takesEffect })),
    regenerate: regenerations.filter((name) => path.regenerate.has(name)),
    reboot: records.some(needsReboot) ? 'needed' : 'none',
    merges: path.merges,
    diagnostics,
  }
}

/** An open trial changes the boot that runs only while that is the trial itself. */
function needsReboot({ state, document }: RollbackPlan['records'][number]): boolean {
  const isUntried = state === 'staged' || state === 'armed' || (state === 'interrupted' && Boolean(document?.trial))
  return document?.reboot === 'needed' && !isUntried
}

/** When a change took effect, its way back does. The record says so; an older one that does not is judged by kind. */
function findEffect(records: RollbackPlan['records'], { kind, target }: Change): Change['takesEffect'] | undefined {
  const told = records.flatMap(({ document }) => (document?.changes ?? []) as readonly Partial<Change>[])
  return told.find((change) => change.kind === kind && change.target === target)?.takesEffect
}

function newerRecords(id: string, newer: RollbackPlan['records']): Diagnostic {
  return error('NEWER_RECORDS', `newer records stand above ${id}`, {
    hint: 'roll those back first, or take them along with --through',
    evidence: newer.map((record) => `${record.id} (${record.state})`),
  })
}

const openStates: ReadonlySet<RecordState> = new Set(['staged', 'interrupted', 'armed', 'trial', 'confirmed'])
/** Of an open trial these lie beside those of before, and go with it. */
const built: ReadonlySet<string> = new Set(['initramfs', 'boot-loader', 'esp'])

type Place = { readonly operation: ManifestOperation; readonly now: Side; after: Side; readonly boot: boolean }
/** A value in the manifest's form, with the bytes of a file. */
type Side = { readonly value: string; readonly content: Bytes }

/** Walks back through records and remembers, per target, where it started and where it ends. */
class Path {
  readonly diagnostics: Diagnostic[] = []
  readonly merges: Merge[] = []
  readonly regenerate = new Set<Regeneration>()
  private readonly places = new Map<string, Place>()
  private readonly frames: Frames
  private readonly force: boolean

  constructor(frames: Frames, force: boolean) {
    this.frames = frames
    this.force = force
  }

  takeBack({ id, state }: RecordSummary): void {
    const manifest = parseManifest(this.frames.blobs.get(`${id}/manifest`) ?? '')
    const isOpen = manifest.isTrial && openStates.has(state)
    const boot = manifest.regenerate.some(isForBoot)
    const rebuilt = manifest.regenerate.filter((name) => !isOpen || !built.has(name))
    for (const name of regenerations) if (rebuilt.includes(name)) this.regenerate.add(name)
    for (const operation of manifest.operations.toReversed()) this.step(id, operation, boot)
  }

  changes(): Change[] {
    return [...this.places.values()].filter(({ now, after }) => now.value !== after.value).map(formatChange)
  }

  private step(id: string, operation: ManifestOperation, boot: boolean): void {
    const key = `${operation.kind}\t${operation.target}`
    const known = this.places.get(key)
    const now = known?.after ?? this.side(id, operation, 'now')
    const after = this.findEnd(id, operation, now, known !== undefined)
    if (known) known.after = after
    else this.places.set(key, { operation, now, after, boot })
  }

  private findEnd(id: string, operation: ManifestOperation, now: Side, passed: boolean): Side {
    const before = this.side(id, operation, 'before')
    if (operation.kind !== 'file') return before
    const written = this.side(id, operation, 'after')
    if (now.value === written.value || now.value === before.value || passed) return before
    const merged = mergeFile(before, written, now)
    if (merged) {
      this.merges.push({ record: id, number: operation.number, now: now.value, ...merged })
      this.diagnostics.push({
        severity: 'note',
        code: 'EDITS_KEPT',
        message: `${operation.target} was changed since; only what record ${id} wrote is taken back`,
      })
      return merged
    }
    this.diagnostics.push(changedSince(id, operation, this.force))
    return before
  }

  private side(id: string, operation: ManifestOperation, which: 'before' | 'after' | 'now'): Side {
    const found = this.frames.now.get(`${id}/${operation.number}`) ?? '-'
    const value = which === 'now' ? found : operation[which]
    return { value, content: this.frames.blobs.get(`${id}/${which}/${operation.number}`) ?? '' }
  }
}

/** Only the content was changed by someone, and elsewhere than by us; else undefined. */
function mergeFile(before: Side, written: Side, now: Side): Side | undefined {
  const current = parseFileValue(now.value)
  const left = parseFileValue(written.value)
  if (!current || !left) return undefined
  const old = parseFileValue(before.value) ?? left
  const content = mergeRevert({ before: before.content, written: written.content, now: now.content })
  if (content === undefined) return undefined
  if (content === '' && before.value === '-') return before
  // Mode and owner go back as well, unless someone set others since.
  const kept = current.mode === left.mode && current.uid === left.uid && current.gid === left.gid ? old : current
  return { value: formatFileValue({ content, ...kept }), content }
}

function changedSince(id: string, operation: ManifestOperation, force: boolean): Diagnostic {
  const severity = force ? 'warning' : 'error'
  return {
    severity,
    code: 'CHANGED_SINCE',
    message: `${operation.target} was changed inside of what record ${id} wrote`,
    hint: changedSinceHints[severity],
  }
}

function formatChange(place: Place): Change {
  const { kind, target } = place.operation
  return {
    kind,
    target,
    before: formatSide(place, place.now),
    after: formatSide(place, place.after),
    tasks: [],
    regenerate: [],
    takesEffect: place.boot && (kind === 'file' || kind === 'link') ? 'boot' : 'now',
  } as Change
}

function formatSide(place: Place, side: Side): Change['after'] {
  if (place.operation.kind !== 'file') return parseValue(place.operation.kind, side.value)
  const value = parseFileValue(side.value)
  return value ? ({ content: side.content, ...value } satisfies FileValue) : null
}

/** Takes records back as planned. The host compares everything again under its lock. */
export async function rollbackRecord(
  host: HostAddress,
  plan: RollbackPlan,
  request: RollbackRequest & Pick<AgentOptions, 'onEvent' | 'watchPausesMs'>,
): Promise<ApplyResult> {
  const id = plan.records.at(-1)?.id ?? request.record
  const data = formatCall({
    verb: 'rollback',
    root: host.root,
    id,
    controller: request.by,
    options: [
      ...(request.through === true ? (['through'] as const) : []),
      ...(request.force === true ? (['force'] as const) : []),
    ],
    merges: plan.merges.map((merge) => ['merge', merge.record, merge.number, merge.now, merge.value].join('\t')),
    blobs: [agentBlob(), ...plan.merges.map(formatMerge)],
  })
  const run = await runAgent(host, data, { ...request, watch: { root: host.root, id, controller: request.by } })
  const result = formatResult(run, id ?? null, 'none')
  return { ...result, reboot: run.outcome === 'reverted' ? plan.reboot : 'none' }
}

function formatMerge(merge: Merge): Blob {
  return { name: `merge.${merge.record}.${merge.number}`, content: merge.content }
}
