import type { Claim } from '../core/claim.ts'
import type { Diagnostic, SourcePosition } from '../core/diagnostic.ts'
import type { ModuleDiagnostic } from '../core/module.ts'
import type { ResolvedTask } from '../core/plan.ts'
import { findParameterTexts } from './claim-identity.ts'
import type { TaskDiagnostic } from './tasked.ts'

export type AttachedDiagnostics = {
  /** By index of the task. */
  readonly byTask: readonly (readonly Diagnostic[])[]
  /** Those of no task. */
  readonly ofHost: readonly Diagnostic[]
}

/** Gives each diagnostic to the tasks it is about, at the parameter in question; each names the other places. */
export function attachDiagnostics(
  tasks: readonly ResolvedTask[],
  diagnostics: readonly TaskDiagnostic[],
): AttachedDiagnostics {
  const byTask: Diagnostic[][] = tasks.map(() => [])
  const ofHost: Diagnostic[] = []
  for (const found of diagnostics) {
    const places = [...new Set(found.tasks)].flatMap((index) => findPlaces(tasks, index, found.claims ?? []))
    if (places.length === 0) ofHost.push(found.diagnostic)
    for (const place of places) byTask[place.task]?.push(atPlace(found.diagnostic, place, places))
  }
  return { byTask: byTask.map(distinct), ofHost: distinct(ofHost) }
}

/** A diagnostic of a module at the parameter that it names, else at its task. */
export function placeDiagnostic(task: ResolvedTask, found: ModuleDiagnostic): Diagnostic {
  const { path, ...diagnostic } = found
  return { source: path === undefined ? task.source : task.locate(path), ...diagnostic }
}

type Place = { readonly task: number; readonly name: string; readonly source: SourcePosition }

/** One place per parameter that made one of the claims; the task itself where none did. */
function findPlaces(tasks: readonly ResolvedTask[], index: number, claims: readonly Claim[]): readonly Place[] {
  const task = tasks[index]
  if (task === undefined) return []
  const paths = findParameters(task.params, claims)
  const sources = paths.length === 0 ? [task.source] : paths.map((path) => task.locate(path))
  return sources.map((source) => ({ task: index, name: task.name, source }))
}

function atPlace(diagnostic: Diagnostic, place: Place, places: readonly Place[]): Diagnostic {
  const others = places.filter((other) => other !== place)
  const evidence = [
    ...(diagnostic.evidence ?? []),
    ...others.map(({ name, source }) => `${source.file}:${source.line}: ${name}`),
  ]
  return { ...diagnostic, source: place.source, ...(evidence.length === 0 ? {} : { evidence }) }
}

/** Several claims of a task may meet the same problem: it is told once. */
function distinct(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  const seen = new Map(diagnostics.map((found) => [JSON.stringify(found), found]))
  return [...seen.values()]
}

type Path = readonly (string | number)[]

/** The parameters that made these claims, each once. */
function findParameters(params: unknown, claims: readonly Claim[]): readonly Path[] {
  const leaves = listLeaves(params, [])
  const found = claims.flatMap((claim) => findLeaf(leaves, claim) ?? [])
  return [...new Set(found)].map(({ path }) => path)
}

type Leaf = { readonly text: string; readonly path: Path }

/** The text of the claim as the task has it; of one member of a list the argument with the whole list. */
function findLeaf(leaves: readonly Leaf[], claim: Claim): Leaf | undefined {
  const exact = findParameterTexts(claim).flatMap((text) => leaves.find((leaf) => leaf.text === text) ?? [])
  if (exact.length > 0 || claim.of !== 'kernel-argument') return exact[0]
  return leaves.find((leaf) => leaf.text.startsWith(`${claim.name}=`))
}

function listLeaves(value: unknown, path: Path): readonly Leaf[] {
  if (typeof value === 'string' || typeof value === 'number') return [{ text: String(value), path }]
  if (Array.isArray(value)) return value.flatMap((each, index) => listLeaves(each, [...path, index]))
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, each]) => listLeaves(each, [...path, key]))
}
