import { createHash } from 'node:crypto'
import type { Bytes } from '../core/bytes.ts'
import type { Change, ChangeKind, FileValue, UnitValue } from '../core/change.ts'
import type { BootExpectation, HostPlan } from '../core/plan.ts'
import { formatMode, sha256 } from '../core/public-change.ts'
import { decodeField, encodeField, encodeText } from './fields.ts'
import { formatExtras, type ManifestExtras } from './trial-lines.ts'

/** What the agent reads of a plan: one line for each operation, expectation and regeneration; last the hash of the rest. */
export function formatManifest(plan: HostPlan, id: string, extras: ManifestExtras = {}): string {
  const operations = orderOperations(plan.changes)
  const lines = [
    `passway\t1\t${id}`,
    ...operations.map((change, index) => formatOperation(change, index + 1)),
    ...plan.regenerate.map((name) => `regenerate\t${name}`),
    ...(plan.expectation ? formatExpectation(plan.expectation) : []),
    ...formatExtras(operations, extras),
  ]
  const body = `${lines.join('\n')}\n`
  return `${body}hash\t${createHash('sha256').update(body, 'latin1').digest('hex')}\n`
}

/**
 * The order in which the agent works; a rollback goes through it backwards. Units that lose their file are switched off
 * while it is still there; then directories are made, files and links written, emptied directories removed; then what
 * acts on the running system.
 */
export function orderOperations(changes: readonly Change[]): Change[] {
  const removedFiles = new Set(changes.filter(isRemovedFile).map((change) => change.target.split('/').at(-1)))
  const stages: Change[][] = [[], [], [], [], []]
  for (const change of changes) stages[stageOf(change, removedFiles)]?.push(change)
  stages[1]?.sort((a, b) => a.target.length - b.target.length)
  stages[3]?.sort((a, b) => b.target.length - a.target.length)
  return stages.flat()
}

function isRemovedFile(change: Change): boolean {
  return change.kind === 'file' && change.after === null
}

function stageOf(change: Change, removedFiles: ReadonlySet<string | undefined>): number {
  if (change.kind === 'unit') return removedFiles.has(change.target) ? 0 : 4
  if (change.kind === 'directory') return change.after === null ? 3 : 1
  return change.kind === 'file' || change.kind === 'link' ? 2 : 4
}

function formatOperation(change: Change, number: number): string {
  const target = encodeText(change.target)
  return ['op', number, change.kind, target, formatValue(change.before), formatValue(change.after)].join('\t')
}

function formatValue(value: Change['after']): string {
  if (value === null) return '-'
  if (typeof value === 'string') return encodeText(value)
  if ('content' in value) return formatFileValue(value)
  if ('to' in value) return encodeText(value.to)
  if ('enabled' in value) return formatUnitValue(value)
  if ('mode' in value) return `${formatMode(value.mode)}:${value.uid}:${value.gid}`
  return encodeText(value.join(' '))
}

/** `0644:0:0:SHA256` */
export function formatFileValue(value: FileValue): string {
  return `${formatMode(value.mode)}:${value.uid}:${value.gid}:${sha256(value.content)}`
}

function formatUnitValue(value: UnitValue): string {
  const active = value.active === null ? '-' : yesOrNo(value.active)
  return `${yesOrNo(value.enabled)}:${active}:${yesOrNo(value.masked)}`
}

function yesOrNo(value: boolean): string {
  return value ? 'yes' : 'no'
}

/** Arguments are bytes, as grub.cfg has them. */
function formatExpectation(expectation: BootExpectation): string[] {
  return [
    ...expectation.normalArguments.map((text) => `argument\tnormal\t${encodeField(text)}`),
    ...expectation.recoveryArguments.map((text) => `argument\trecovery\t${encodeField(text)}`),
    ...expectation.absentArguments.map((text) => `argument\tabsent\t${encodeField(text)}`),
    ...(expectation.entries ? [`entries\t${expectation.entries.root}\t${encodeText(expectation.entries.token)}`] : []),
    ...expectation.imageModules.map((name) => `image-module\t${encodeText(name)}`),
    ...Object.entries(expectation.imageFiles).map(([path, hash]) => `image-file\t${encodeText(path)}\t${hash ?? '-'}`),
  ]
}

/** An operation as it stands in a manifest; values in the manifest's form. */
export type ManifestOperation = {
  readonly number: number
  readonly kind: ChangeKind
  readonly target: Bytes
  readonly before: string
  readonly after: string
}

export type Manifest = {
  readonly operations: readonly ManifestOperation[]
  readonly regenerate: readonly string[]
  /** It is tried by one boot before it counts. */
  readonly isTrial: boolean
}

/** A host can name another kind; nothing here knows what to do with it. */
const kinds = {
  file: true,
  directory: true,
  link: true,
  attribute: true,
  'kernel-module': true,
  unit: true,
  driver: true,
  'boot-arguments': true,
} as const satisfies Record<ChangeKind, true>

/** Reads what formatManifest wrote; lines for the agent alone are left out. */
export function parseManifest(text: string): Manifest {
  const rows = text.split('\n').map((line) => line.split('\t'))
  const operations = rows
    .filter((row) => row[0] === 'op' && Object.hasOwn(kinds, row[2] ?? ''))
    .map((row) => ({
      number: Number(row[1]),
      kind: row[2] as ChangeKind,
      target: decodeField(row[3] ?? '') ?? '',
      before: row[4] ?? '-',
      after: row[5] ?? '-',
    }))
  return {
    operations,
    regenerate: rows.filter((row) => row[0] === 'regenerate').map((row) => row[1] ?? ''),
    isTrial: rows.some((row) => row[0] === 'trial'),
  }
}

/** What is not content in a file's value; `undefined` where there is no file. */
export function parseFileValue(value: string): Omit<FileValue, 'content'> | undefined {
  const match = /^(\d+):(\d+):(\d+):/.exec(value)
  if (!match) return undefined
  return { mode: Number.parseInt(match[1] ?? '', 8), uid: Number(match[2]), gid: Number(match[3]) }
}

/** The value of another kind than file, as in a Change; null where nothing is there. */
export function parseValue(kind: ChangeKind, value: string): Change['after'] {
  if (value === '-' || value.startsWith('!')) return null
  const parts = value.split(':')
  if (kind === 'directory') {
    return { mode: Number.parseInt(parts[0] ?? '', 8), uid: Number(parts[1]), gid: Number(parts[2]) }
  }
  if (kind === 'unit') {
    const active = parts[1] === '-' ? null : parts[1] === 'yes'
    return { enabled: parts[0] === 'yes', active, masked: parts[2] === 'yes' }
  }
  const text = decodeField(value) ?? ''
  return kind === 'link' ? { to: text } : text
}

/** Operations that write a file, with the bytes to send. */
export function operationContents(plan: HostPlan): { name: string; content: Bytes }[] {
  return orderOperations(plan.changes).flatMap((change, index) =>
    change.kind === 'file' && change.after !== null
      ? [{ name: `after/${index + 1}`, content: change.after.content }]
      : [],
  )
}
